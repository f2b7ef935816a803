"""Settings as frozen dataclasses, the three profiles, and the folders of a run."""

from .profiles import ABLATION, CGAN_PAPER, OVERFITTED_IMAGES, PROFILES
from .runs import Run, find_run, open_run, outputs
from .settings import Augmentation, Profile, Training, in_pixels, sides

__all__ = [
    "ABLATION",
    "CGAN_PAPER",
    "OVERFITTED_IMAGES",
    "PROFILES",
    "Augmentation",
    "Profile",
    "Run",
    "Training",
    "find_run",
    "in_pixels",
    "open_run",
    "outputs",
    "sides",
]
