"""Measures of synthetic images: `evaluate` takes them all, from features of an `extractor`.

Distances, coverage, similarity, pixel statistics and copies are also functions of their own; `agreement` asks a
classifier whether images show their class, `calibration` whether that classifier can be trusted. Importing this package
does not import TensorFlow; the functions that need it import it when they are called.
"""

from .agreement import agreement
from .calibration import calibration, probabilities
from .canonical import canonical
from .copies import nearest_pairs
from .coverage import precision_recall
from .curves import curves
from .custom_extractor import custom
from .distances import frechet_distance, frechet_distance_infinity, inception_score, kernel_distance
from .evaluate import evaluate
from .extractors import extractor
from .feature_classifier import load_classifier, save_classifier, train_feature_classifier
from .features import Extractor, Features, extract, prepare
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
    "Features",
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
    "prepare",
    "probabilities",
    "psnr",
    "save_classifier",
    "save_reference",
    "sensitivity",
    "ssim",
    "train_feature_classifier",
]
