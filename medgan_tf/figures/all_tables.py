"""The tables that results.json gives, made again: in a thesis they agree with the numbers in the text."""

from pathlib import Path

import pandas as pd

from medgan_tf import results

from .augmentation import augmentation_table, difference_table, rare_class_table
from .cells import FURTHER, PIXELS
from .classifiers import calibration_table, outlier_table
from .comparison import claims_table, comparison_table
from .conditional import ablation_table, features_table
from .evaluation import quality_table
from .phantoms import canonical_table
from .privacy import privacy_table
from .readers import reader_power_table, reader_table
from .stylegans import equivariance_table
from .training import recipe_table
from .transfer import transfer_table


def all_tables(run):
    """{name: (notebook, Table)} of everything that a run measured, in the order of the notebooks.

    Tables that the notebooks make of something else are not among them: they are in the run's folder tables/.
    """
    sections = results.read(run)
    kinds = dict.fromkeys(name.partition("/")[0] for name in sections)
    further = [kind for kind in kinds if kind.startswith("quality_")]
    models = [name.partition("/")[2] for name in sections if name.startswith("augmentation/")]
    of_readers = [part for name, part in sections.items() if name.startswith("reader_study") and "by_reader" in part]
    made = [
        ("03b_few_images", quality_table(run, "few", name="few_images", about="DCGAN from few training images. ")),
        ("04b_projected", features_table(run)),
        ("04c_ablation", ablation_table(run)),
        ("04d_transfer", transfer_table(run)),
        ("05_stylegan", recipe_table(results.recipes()) if _shows_recipes(run) else None),
        ("05b_stylegan3", equivariance_table(run)),
        *(("06_evaluation", quality_table(run, **group)) for group in ({}, {"metrics": FURTHER}, {"metrics": PIXELS})),
        *(("06_evaluation", quality_table(run, kind)) for kind in further),
        ("06_evaluation", comparison_table(pd.DataFrame(sections["comparison"])) if "comparison" in sections else None),
        ("06_evaluation", canonical_table(run)),
        ("06_evaluation", claims_table(run)),
        *(
            ("07_augmentation", make(run, model))
            for model in models
            for make in (augmentation_table, difference_table, rare_class_table)
        ),
        ("08_privacy", privacy_table(run)),
        ("09_reader_study", reader_power_table(run) if "reader_study_power" in sections else None),
        *(("09_reader_study", reader_table(part)) for part in of_readers),
        ("10_showcase", calibration_table(run)),
        ("10_showcase", outlier_table(run)),
    ]
    return {table.name: (notebook, table) for notebook, table in made if table is not None}


def _shows_recipes(run):
    """The search for recipes is the repository's, not the run's: it belongs to runs that have shown it."""
    return results.RECIPES.exists() and (Path(run) / "tables" / "recipes.csv").exists()
