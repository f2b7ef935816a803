"""Every figure and table, each with its name, its caption and the numbers behind it.

A function returns a `Figure` or a `Table`; `show` displays it in a notebook and saves it in the run's folder: figures
as PNG and PDF with caption and data, tables as LaTeX and CSV. Most functions take the run (a config.Run or its folder)
and read its results.json; they return None where the run has not measured it. Those made of images take the images.
"""

from .all_tables import all_tables
from .augmentation import augmentation_table, difference_table, forest, rare_class_table, small_data
from .cells import FEATURES, FURTHER, PIXELS, evaluation_table, quality_cells
from .classifiers import calibration, calibration_table, outlier_table
from .comparison import claims_table, comparison_table, quality_cost
from .conditional import (
    ablation,
    ablation_table,
    ablation_verdict,
    attention,
    class_interpolation,
    features_table,
    label_agreement,
)
from .diagrams import diagram
from .evaluation import class_quality, precision_recall, quality, quality_table, sensitivity, spectra
from .images import class_samples, grids, nearest_training_images, pairs, pick, progression, samples, suspicious_pairs
from .phantoms import canonical, canonical_table, phantom_rules
from .privacy import attack_curves, nearest_distances, privacy_table
from .readers import reader_power_table, reader_study, reader_table
from .saving import Figure, Table, show
from .stylegans import equivariance_table, inversions, latent_directions, latent_interpolation, mixing, truncation
from .training import over_training, overfitting, recipe_table, recipes, training_curves
from .transfer import transfer, transfer_table, transfer_verdict
