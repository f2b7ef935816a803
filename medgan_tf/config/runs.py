"""One folder under outputs/ for each run, what is where in it, and which trained models there are."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from .changes import changed
from .places import PRETRAINED, outputs
from .profiles import PROFILES
from .settings import Profile

EARLIER_NAMES = {"feature_classifier": "domain", "label_classifier": "judge", "segmenter": "reader"}


@dataclass(frozen=True)
class Run:
    """One folder under outputs/ and what went into it: the profile and the folders of data (none: phantoms).

    changes: {name: value} of the settings of the profile that were changed for this run, see `changed`.
    """

    name: str
    profile: Profile
    data: tuple[Path, ...]
    changes: dict = field(default_factory=dict)

    @property
    def directory(self):
        """The folder that everything of this run is written to."""
        return outputs() / self.name

    @property
    def images(self):
        """manifest.csv with the splits, and the images where the run converted them."""
        return self.directory / "images"

    @property
    def feature_classifier(self):
        """The classifier of the training images whose features the metrics compare."""
        return classifier_folder(self.directory, "feature_classifier")

    @property
    def label_classifier(self):
        """The classifier that says whether generated images show the class that was asked for."""
        return classifier_folder(self.directory, "label_classifier")

    @property
    def segmenter(self):
        """The segmenter that finds the structures of phantoms in images."""
        return classifier_folder(self.directory, "segmenter")

    def __fspath__(self):
        """The directory as text: a run may be given wherever a run's folder is expected."""
        return str(self.directory)

    def model(self, name, seed=0):
        """The folder of one model; that of another seed than the first is named after it."""
        return self.directory / "models" / (f"{name}_seed{seed}" if seed else name)

    def trained(self):
        """The names of the models that have weights, in the order of the profile."""
        return [name for name in self.profile.models if (self.model(name) / "generator.weights.h5").exists()]

    def trained_seeds(self):
        """(name, seed) of the models that have weights, whatever the seed, in the order of the profile."""
        folders = {path.parent.name for path in self.directory.glob("models/*/generator.weights.h5")}
        found = []
        for name in self.profile.models:
            seeds = [re.fullmatch(rf"{name}(?:_seed(\d+))?", folder) for folder in folders]
            found += sorted((name, int(seed[1] or 0)) for seed in seeds if seed)
        return found


def classifier_folder(run_dir, name):
    """The folder of a run's "feature_classifier", "label_classifier" or "segmenter".

    In a run of an earlier version it has its earlier name.
    """
    earlier = Path(run_dir) / EARLIER_NAMES[name]
    return earlier if earlier.is_dir() else Path(run_dir) / name


def open_run(name="", profile="quick", data=(), changes=None):
    """The run of this name, made if it is new; by default it is named after its profile, data and changes.

    changes: {name: value} of settings of the profile, see `changed`. A run keeps all of these: raises ValueError if it
    was created with others, or for an unknown profile or setting.
    """
    if profile not in PROFILES:
        raise ValueError(f"There is no profile '{profile}'; choose one of {', '.join(PROFILES)}.")
    folders = tuple(Path(folder).expanduser().resolve() for folder in data)
    for folder in folders:
        if not folder.is_dir():
            raise ValueError(f"{folder} is not a folder; DATA takes folders of DICOM files or of images by class.")
    settings = changed(PROFILES[profile], changes or {})
    if not folders and isinstance(settings.converted_size, tuple):
        raise ValueError(f"Phantoms are square, and {profile} takes {settings.in_pixels}; give DATA.")
    parts = [profile, *([folder.name for folder in folders] or ["phantoms"])]
    parts += [re.sub(r"[^\w.=]+", "_", f"{each}={value}") for each, value in (changes or {}).items()]
    name = name or "-".join(parts)[:200]
    run = Run(name, settings, folders, changes or {})
    record = {"profile": profile, "data": [str(folder) for folder in folders]}
    record |= {"changes": json.loads(json.dumps(changes))} if changes else {}
    path = run.directory / "run.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=2))
    elif json.loads(path.read_text()) != record:
        raise ValueError(f"{run.directory} was created with other data, profile or changes; give this run a new name.")
    return run


def find_run(name):
    """The run that `open_run` made under this name. Raises ValueError where there is none."""
    path = outputs() / name / "run.json"
    if not path.exists():
        raise ValueError(f"There is no run '{name}' in {outputs()}; the runs are its folders with a run.json.")
    record = json.loads(path.read_text())
    changes = record.get("changes", {})
    return Run(name, changed(PROFILES[record["profile"]], changes), tuple(map(Path, record["data"])), changes)


def available():
    """All trained models, {name: folder}: "RUN/MODEL" for every run, "pretrained/NAME" for the published ones."""
    trained = {f"{path.parts[-3]}/{path.name}": path for path in sorted(outputs().glob("*/models/*"))}
    published = {f"pretrained/{path.name}": path for path in sorted(PRETRAINED.glob("*"))}
    return {name: path for name, path in (trained | published).items() if (path / "model.json").is_file()}
