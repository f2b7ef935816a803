"""Cohorts of chest-like phantoms as DICOM files, drawn from a random model whose truth is known exactly.

`write_cohort` writes a cohort and its truth. The `segmenter` package segments the structures in images, to check
generated phantoms: `load_or_train_segmenter`, `check_rules`.
"""

from .anatomy import sample_acquisition, sample_anatomy
from .cohort import PREVALENCE, sample_lesions, write_cohort
from .drawing import Lesion, draw
from .segmenter import PhantomSegmenter, fit_segmenter, load_or_train_segmenter, load_segmenter, train_segmenter
from .segmenter.report import check_rules, findings, rules_kept
from .segmenter.truth import independent_images
