"""Every figure and table. `save` and `save_table` write them for a thesis, with caption and data."""

from .charts import by_class, over_training, overfitting, quality, training_curves
from .pictures import attention, grids, mixing, pairs, pick, progression
from .style import save
from .tables import FEATURES, FURTHER, ablation_table, ablation_verdict, equivariance_table, quality_table, save_table
from .trust import calibration, calibration_table, outlier_table

__all__ = [
    "FEATURES",
    "FURTHER",
    "ablation_table",
    "ablation_verdict",
    "attention",
    "by_class",
    "calibration",
    "calibration_table",
    "equivariance_table",
    "grids",
    "mixing",
    "outlier_table",
    "over_training",
    "overfitting",
    "pairs",
    "pick",
    "progression",
    "quality",
    "quality_table",
    "save",
    "save_table",
    "training_curves",
]
