"""Settings as frozen dataclasses, the profiles, and the folders of a run."""

from .changes import changed, read_changes
from .profiles import ABLATION, CGAN_PAPER, FEATURE_CONTROLS, OVERFITTED_IMAGES, PROFILES, STUDIES
from .records import read_record, with_current_names
from .runs import Run, classifier_folder, find_run, open_run, outputs
from .settings import AugmentationStudyConfig, Profile, TrainingConfig, in_pixels, sides
