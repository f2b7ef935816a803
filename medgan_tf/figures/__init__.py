"""Every figure and table. `save` and `save_table` write them for a thesis, with caption and data."""

from .augmentation import augmentation_table, difference_table, forest, rare_table, small_data
from .charts import by_class, logged, over_training, over_training_data, overfitting, quality, training_curves
from .comparisons import ablation, canonical, canonical_data, crosses, meet, precision_recall, quality_cost
from .pictures import attention, grids, mixing, pairs, pick, progression
from .privacy import attack_curves, attack_data, nearest_data, nearest_distances, privacy_table
from .readers import artefact_map, power_table, reader_roc, reader_shares, reader_table, save_reader_study
from .series import curves, curves_data, recipes, sensitivity
from .style import save
from .tables import (
    FEATURES,
    FURTHER,
    PIXELS,
    ablation_table,
    ablation_verdict,
    canonical_table,
    claims_table,
    comparison_table,
    equivariance_table,
    quality_table,
    recipe_table,
    save_table,
)
from .trust import calibration, calibration_table, outlier_table

__all__ = [
    "FEATURES",
    "FURTHER",
    "PIXELS",
    "ablation",
    "ablation_table",
    "ablation_verdict",
    "artefact_map",
    "attack_curves",
    "attack_data",
    "attention",
    "augmentation_table",
    "by_class",
    "calibration",
    "calibration_table",
    "canonical",
    "canonical_data",
    "canonical_table",
    "claims_table",
    "comparison_table",
    "crosses",
    "curves",
    "curves_data",
    "difference_table",
    "equivariance_table",
    "forest",
    "grids",
    "logged",
    "meet",
    "mixing",
    "nearest_data",
    "nearest_distances",
    "outlier_table",
    "over_training",
    "over_training_data",
    "overfitting",
    "pairs",
    "pick",
    "power_table",
    "precision_recall",
    "privacy_table",
    "progression",
    "quality",
    "quality_cost",
    "quality_table",
    "rare_table",
    "reader_roc",
    "reader_shares",
    "reader_table",
    "recipe_table",
    "recipes",
    "save",
    "save_reader_study",
    "save_table",
    "sensitivity",
    "small_data",
    "training_curves",
]
