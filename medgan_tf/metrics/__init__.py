"""Measures of synthetic images: `evaluate` computes them all from features of an `extractor`.

Distances, coverage, similarity, pixel statistics and copies are also available as separate functions; `agreement` asks
a classifier whether images show their class, `calibration` whether that classifier can be trusted. Importing this
package does not import TensorFlow; the functions that need it import it when they are called.
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
