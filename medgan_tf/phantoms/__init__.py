"""Cohorts of chest-like phantoms as DICOM, drawn from a random model whose truth is known exactly."""

from .anatomy import sample_acquisition, sample_anatomy
from .cohort import PREVALENCE, sample_lesions, write_cohort
from .picture import Lesion, draw
from .reader import Reader, fit_reader, load_reader, reader_in, train_reader
from .reader_report import check_rules, findings, obeyed, share
from .reader_truth import independent_images

__all__ = [
    "PREVALENCE",
    "Lesion",
    "Reader",
    "check_rules",
    "draw",
    "findings",
    "fit_reader",
    "independent_images",
    "load_reader",
    "obeyed",
    "reader_in",
    "sample_acquisition",
    "sample_anatomy",
    "sample_lesions",
    "share",
    "train_reader",
    "write_cohort",
]
