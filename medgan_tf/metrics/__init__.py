"""Measures of synthetic images: features, distances, coverage, similarity, intervals; `evaluate` ties them.

Importing this package does not import TensorFlow; the functions that need it do so when they are called.
"""

from .agreement import agreement
from .calibration import calibration, probabilities
from .canonical import canonical
from .copies import nearest_pairs
from .coverage import precision_recall
from .curves import curves
from .distances import frechet_distance, frechet_distance_infinity, inception_score, kernel_distance
from .evaluate import evaluate
from .features import Extractor, custom, extract, extractor, load_classifier, save_classifier, train_feature_classifier
from .outliers import load_reference, outlier_record, outlier_reference, outlier_scores, save_reference
from .records import interpret
from .sensitivity import damage, sensitivity
from .similarity import diversity, ms_ssim, psnr, ssim
from .statistics import (
    autocorrelation,
    autocorrelation_distance,
    autocovariances,
    intensity_distance,
    intensity_histograms,
    power_spectra,
    power_spectrum_distance,
)

__all__ = [
    "Extractor",
    "agreement",
    "autocorrelation",
    "autocorrelation_distance",
    "autocovariances",
    "calibration",
    "canonical",
    "curves",
    "custom",
    "damage",
    "diversity",
    "evaluate",
    "extract",
    "extractor",
    "frechet_distance",
    "frechet_distance_infinity",
    "inception_score",
    "intensity_distance",
    "intensity_histograms",
    "interpret",
    "kernel_distance",
    "load_classifier",
    "load_reference",
    "ms_ssim",
    "nearest_pairs",
    "outlier_record",
    "outlier_reference",
    "outlier_scores",
    "power_spectra",
    "power_spectrum_distance",
    "precision_recall",
    "probabilities",
    "psnr",
    "save_classifier",
    "save_reference",
    "sensitivity",
    "ssim",
    "train_feature_classifier",
]
