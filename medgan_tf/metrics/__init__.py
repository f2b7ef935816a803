"""Measures of synthetic images: features, distances, coverage, similarity, intervals; `evaluate` ties them.

Importing this package does not import TensorFlow; the functions that need it do so when they are called.
"""

from .agreement import agreement
from .coverage import precision_recall
from .distances import frechet_distance, inception_score, kernel_distance
from .evaluate import evaluate, evaluate_classes
from .features import Extractor, custom, extract, extractor, load_domain, save_domain, train_domain
from .similarity import diversity, ms_ssim, psnr, ssim

__all__ = [
    "Extractor",
    "agreement",
    "custom",
    "diversity",
    "evaluate",
    "evaluate_classes",
    "extract",
    "extractor",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "load_domain",
    "ms_ssim",
    "precision_recall",
    "psnr",
    "save_domain",
    "ssim",
    "train_domain",
]
