"""Cohorts of chest-like phantoms as DICOM, drawn from a random model whose truth is known exactly."""

from medgan_tf.phantoms.segmenter.report import check_rules, findings, obeyed
from medgan_tf.phantoms.segmenter.segmenter import (
    PhantomSegmenter,
    fit_segmenter,
    load_segmenter,
    segmenter_in,
    train_segmenter,
)
from medgan_tf.phantoms.segmenter.truth import independent_images

from .anatomy import sample_acquisition, sample_anatomy
from .cohort import PREVALENCE, sample_lesions, write_cohort
from .picture import Lesion, draw

__all__ = [
    "PREVALENCE",
    "Lesion",
    "PhantomSegmenter",
    "check_rules",
    "draw",
    "findings",
    "fit_segmenter",
    "independent_images",
    "load_segmenter",
    "obeyed",
    "sample_acquisition",
    "sample_anatomy",
    "sample_lesions",
    "segmenter_in",
    "train_segmenter",
    "write_cohort",
]
