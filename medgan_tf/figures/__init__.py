"""Every figure and table. `save` and `save_table` write them for a thesis, with caption and data."""

from .augmentation import augmentation_table, difference_table, forest, rare_table, small_data
from .charts import by_class, over_training, overfitting, quality, training_curves
from .pictures import attention, grids, mixing, pairs, pick, progression
from .style import save
from .tables import FURTHER, ablation_table, ablation_verdict, equivariance_table, quality_table, save_table

__all__ = [
    "FURTHER",
    "ablation_table",
    "ablation_verdict",
    "attention",
    "augmentation_table",
    "by_class",
    "difference_table",
    "equivariance_table",
    "forest",
    "grids",
    "mixing",
    "over_training",
    "overfitting",
    "pairs",
    "pick",
    "progression",
    "quality",
    "quality_table",
    "rare_table",
    "save",
    "save_table",
    "small_data",
    "training_curves",
]
