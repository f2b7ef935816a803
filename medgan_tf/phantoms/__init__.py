"""Cohorts of chest-like phantoms as DICOM, drawn from a random model whose truth is known exactly."""

from .anatomy import sample_acquisition, sample_anatomy
from .cohort import PREVALENCE, sample_lesions, write_cohort
from .picture import Lesion, draw

__all__ = [
    "PREVALENCE",
    "Lesion",
    "draw",
    "sample_acquisition",
    "sample_anatomy",
    "sample_lesions",
    "write_cohort",
]
