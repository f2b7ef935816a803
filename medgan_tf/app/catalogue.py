"""Which models there are: those of all runs under outputs/, and those of pretrained/ in the repository."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from medgan_tf import config, figures, generators, networks, results

from .errors import AppError, unknown

MEASURED = ("quality", "few", "ablation")  # sections of results.json that hold metrics of models, the first wins


@dataclass(frozen=True)
class Entry:
    """A model that can be asked for, by `name`: RUN/MODEL or pretrained/NAME. Nothing of it is loaded yet."""

    name: str
    directory: Path  # model.json and generator.weights.h5
    run_dir: Path  # results.json, and judge/ where a classifier was trained
    record: dict

    @property
    def architecture(self):
        """Its name in `networks.ARCHITECTURES`."""
        return self.record["settings"]["architecture"]

    @property
    def about(self):
        """The architecture in words."""
        return networks.ARCHITECTURES.get(self.architecture, "an architecture that this version does not know")

    @property
    def classes(self):
        """Class names of a conditional model, else ()."""
        return tuple(self.record["classes"]) if self.record["conditional"] else ()

    @property
    def styles(self):
        """Whether it has styles: truncation, mixing, directions, inversion."""
        return self.architecture.startswith("stylegan")

    @property
    def size(self):
        """Pixels of a side, or [height, width]."""
        return self.record["image_size"]

    @property
    def sides(self):
        """(height, width) in pixels."""
        return config.sides(self.size)

    @property
    def in_pixels(self):
        """The size in words."""
        return config.in_pixels(self.size)

    @property
    def weights(self):
        """The file of its weights."""
        return self.directory / "generator.weights.h5"

    @property
    def problem(self):
        """One sentence where it cannot be used; "" where it can be tried."""
        if not self.record:
            return "Its model.json is damaged or of another version: train or fetch it again."
        return "" if self.weights.is_file() else "It has no weights: it is being trained, or they were deleted."

    @cached_property
    def sections(self):
        """results.json of its run; {} where there is none or a damaged one."""
        try:
            return results.read(self.run_dir)
        except ValueError:
            return {}

    @property
    def training(self):
        """What results.json records of its training; {} where it records nothing."""
        return self.sections.get(f"training/{self._measured_as}", {})

    @cached_property
    def quality(self):
        """Its measured metrics, rows of `results.quality`; an empty table where nothing was measured."""
        for kind in MEASURED if self.sections else ():
            table = results.quality(self.run_dir, kind)
            rows = table[table["model"] == self._measured_as] if len(table) else table
            if len(rows):
                return rows
        return results.quality(self.run_dir / "nowhere")

    @property
    def quality_cells(self):
        """[(metric, value with interval, the same between real images)] of the measured metrics, in words."""
        if self.quality.empty:
            return []
        names = (*figures.FEATURES, *figures.FURTHER)
        return [(name, row.iloc[1], row.iloc[0]) for name, row in figures.quality_cells(self.quality, names).items()]

    @property
    def agreement(self):
        """{class or "mean": record}: how often the classifier names the class that was asked for."""
        return self.sections.get(f"agreement/{self._measured_as}", {})

    @property
    def _measured_as(self):
        """This model's name in its results.json; a published one goes there by another than its folder's."""
        return self.sections.get("published", {}).get("model", self.directory.name)


def entries():
    """All models by name, {name: Entry}, in the order of runs and names, also those that have a `problem`."""
    return {
        name: Entry(name, path, path if name.startswith("pretrained/") else path.parents[1], _record(path))
        for name, path in sorted(generators.available().items())
    }


def find(name):
    """The Entry of this name, which never becomes a path. Raises AppError where there is none or it has a problem."""
    known = entries()
    if name not in known:
        raise unknown("There is no such model here; the page Models lists those there are.")
    if known[name].problem:
        raise AppError(503, "model_unavailable", f"The model {name} cannot be used. {known[name].problem}")
    return known[name]


def _record(directory):
    """model.json where it says what an entry needs, else {}."""
    try:
        record = config.read_record(directory / "model.json")
        usable = config.sides(record["image_size"]) and isinstance(record["settings"]["architecture"], str)
        return record if usable and {"classes", "conditional"} <= set(record) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
