"""Cohorts of chest-like phantoms as DICOM, drawn from a random model whose truth is known exactly."""

from .anatomy import sample_acquisition, sample_anatomy
from .cohort import PREVALENCE, sample_lesions, write_cohort
from .picture import Lesion, draw
from .reader import Reader, fit_reader, load_reader, train_reader
from .reader_report import check_rules

__all__ = [
    "PREVALENCE",
    "Lesion",
    "Reader",
    "check_rules",
    "draw",
    "fit_reader",
    "load_reader",
    "sample_acquisition",
    "sample_anatomy",
    "sample_lesions",
    "train_reader",
    "write_cohort",
]
