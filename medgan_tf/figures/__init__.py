"""Every figure and table, each with its name, its caption and the numbers behind it.

A function returns a `Figure` or a `Table`; `show` displays it in a notebook and saves it in the run's folder: figures
as PNG and PDF with caption and data, tables as LaTeX and CSV. Most functions take the run (a config.Run or its folder)
and read its results.json; those made of images take the images.

| of | figures | tables |
| --- | --- | --- |
| explanations | diagram | |
| data and images | class_samples, samples, nearest_training_images, progression, grids, pairs | |
| training | training_curves, over_training, overfitting, recipes | recipe_table |
| conditional models | label_agreement, phantom_rules, ablation, class_interpolation, attention | ablation_table |
| StyleGANs | mixing, truncation, latent_interpolation, latent_directions, inversions | equivariance_table |
| quality | quality, precision_recall, class_quality, spectra, sensitivity, quality_cost | quality_table, \
comparison_table, claims_table, evaluation_table |
| phantoms | canonical | canonical_table |
| augmentation study | forest, small_data | augmentation_table, difference_table, rare_class_table |
| privacy audit | nearest_distances, attack_curves, suspicious_pairs | privacy_table |
| reader study | reader_study | reader_power_table |
| classifiers | calibration | calibration_table, outlier_table |
"""

from .augmentation import augmentation_table, difference_table, forest, rare_class_table, small_data
from .cells import FEATURES, FURTHER, PIXELS, evaluation_table
from .classifiers import calibration, calibration_table, outlier_table
from .conditional import (
    ablation,
    ablation_table,
    ablation_verdict,
    canonical,
    canonical_table,
    label_agreement,
    phantom_rules,
)
from .diagrams import diagram
from .evaluation import (
    claims_table,
    class_quality,
    comparison_table,
    equivariance_table,
    precision_recall,
    quality,
    quality_cells,
    quality_cost,
    quality_table,
    sensitivity,
    spectra,
)
from .images import (
    attention,
    class_interpolation,
    class_samples,
    grids,
    inversions,
    latent_directions,
    latent_interpolation,
    mixing,
    nearest_training_images,
    pairs,
    pick,
    progression,
    samples,
    suspicious_pairs,
    truncation,
)
from .privacy import attack_curves, nearest_distances, privacy_table
from .readers import artefact_map, reader_power_table, reader_proportions, reader_roc, reader_study, reader_table
from .saving import Figure, Table, show
from .training import over_training, overfitting, recipe_table, recipes, training_curves
