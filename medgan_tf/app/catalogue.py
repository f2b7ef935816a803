"""The models that can be used: those of all runs under outputs/, and those of pretrained/ in the repository."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from medgan_tf import config, figures, generators, networks, results

from .errors import AppError

METRIC_SECTIONS = ("quality", "few", "ablation")  # of results.json; the first that has metrics of the model is shown


@dataclass(frozen=True)
class Entry:
    """A model by name, RUN/MODEL or pretrained/NAME, before any of it is loaded."""

    name: str
    directory: Path  # holds model.json and generator.weights.h5
    run_dir: Path  # holds results.json and the run's classifiers
    record: dict  # model.json; {} if it is damaged

    @property
    def architecture(self):
        """Name in `networks.ARCHITECTURES`."""
        return self.record["settings"]["architecture"]

    @property
    def description(self):
        """The architecture in words, with a capital."""
        text = networks.ARCHITECTURES.get(self.architecture, "an architecture that this version does not know")
        return text[0].upper() + text[1:]

    @property
    def classes(self):
        """Class names of a conditional model, otherwise ()."""
        return tuple(self.record["classes"]) if self.record["conditional"] else ()

    @property
    def has_styles(self):
        """Whether truncation, style mixing and latent directions are possible."""
        return self.architecture.startswith("stylegan")

    @property
    def sides(self):
        """(height, width) in pixels."""
        return self.shape[:2]

    @property
    def shape(self):
        """(height, width, channels), in pixels."""
        return config.shape(self.record["image_size"])

    @property
    def weights(self):
        """Path of the generator's weights."""
        return self.directory / "generator.weights.h5"

    @property
    def problem(self):
        """One sentence if the model cannot be used, otherwise ""."""
        if not self.record:
            return "Its model.json is damaged or from another version: train or download the model again."
        return "" if self.weights.is_file() else "It has no weights: it is still training, or they were deleted."

    @cached_property
    def sections(self):
        """results.json of the run; {} if it is missing or damaged."""
        try:
            return results.read(self.run_dir)
        except ValueError:
            return {}

    @cached_property
    def quality(self):
        """A table of its metrics as from `results.quality`, empty if nothing was measured."""
        tables = (results.quality(self.run_dir, kind) for kind in METRIC_SECTIONS if self.section(kind))
        return next((table[table["model"] == self._name_in_results] for table in tables), pd.DataFrame())

    @property
    def quality_rows(self):
        """[(metric, value with interval, the same between real images)] as text."""
        if self.quality.empty:
            return []
        names = (*figures.FEATURES, *figures.FURTHER)
        return [(name, row.iloc[1], row.iloc[0]) for name, row in figures.quality_cells(self.quality, names).items()]

    def section(self, kind):
        """The section of results.json on this model that is of a kind, such as "training"; {} if there is none."""
        return self.sections.get(f"{kind}/{self._name_in_results}", {})

    @property
    def _name_in_results(self):
        """The model's name in results.json; a published model was renamed with its folder."""
        return self.sections.get("published", {}).get("model", self.directory.name)


def entries():
    """{name: Entry} of all models, sorted by name, including those that have a `problem`."""
    return {
        name: Entry(name, path, path if name.startswith("pretrained/") else path.parents[1], _read_record(path))
        for name, path in sorted(generators.available().items())
    }


def find(name):
    """The Entry of a model. The name never becomes a path. Raises AppError if there is none or it has a problem."""
    known = entries()
    if name not in known:
        raise AppError(404, "not_found", "There is no such model here; the page Models lists all models.")
    if known[name].problem:
        raise AppError(503, "model_unavailable", f"The model {name} cannot be used. {known[name].problem}")
    return known[name]


def _read_record(directory):
    """model.json if it holds what an Entry needs, otherwise {}."""
    try:
        record = config.read_record(directory / "model.json")
        usable = config.shape(record["image_size"]) and isinstance(record["settings"]["architecture"], str)
        return record if usable and {"classes", "conditional"} <= set(record) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
