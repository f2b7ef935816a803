"""Settings as frozen dataclasses, the profiles, the folders of a run, and where all of it is."""

from .changes import changed, read_changes
from .places import NOTEBOOKS, ROOT, outputs
from .profiles import ABLATION, FEATURE_CONTROLS, PROFILES, STUDIES
from .recipes import CGAN_PAPER, OVERFITTED_IMAGES
from .records import read_record, with_current_names
from .runs import Run, classifier_folder, find_run, open_run
from .settings import AugmentationStudyConfig, Profile, TrainingConfig, in_pixels, shape, sides, size_of
