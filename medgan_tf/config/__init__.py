"""Settings as frozen dataclasses, the profiles, and the folders of a run."""

from .changes import changed, read_changes
from .profiles import ABLATION, FEATURE_CONTROLS, PROFILES, STUDIES
from .recipes import CGAN_PAPER, OVERFITTED_IMAGES
from .records import read_record, with_current_names
from .runs import Run, classifier_folder, find_run, open_run, outputs
from .settings import AugmentationStudyConfig, Profile, TrainingConfig, in_pixels, sides
