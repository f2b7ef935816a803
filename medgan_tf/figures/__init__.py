"""Every figure and table. `save` and `save_table` write them for a thesis, with caption and data."""

from .charts import by_class, over_training, overfitting, quality, training_curves
from .pictures import attention, grids, mixing, pairs, pick, progression
from .readers import artefact_map, power_table, reader_roc, reader_shares, reader_table, save_reader_study
from .style import save
from .tables import FURTHER, ablation_table, ablation_verdict, equivariance_table, quality_table, save_table

__all__ = [
    "FURTHER",
    "ablation_table",
    "ablation_verdict",
    "artefact_map",
    "attention",
    "by_class",
    "equivariance_table",
    "grids",
    "mixing",
    "over_training",
    "overfitting",
    "pairs",
    "pick",
    "power_table",
    "progression",
    "quality",
    "quality_table",
    "reader_roc",
    "reader_shares",
    "reader_table",
    "save",
    "save_reader_study",
    "save_table",
    "training_curves",
]
