"""How far a classifier's probabilities and the outlier score can be trusted."""

import pandas as pd

from medgan_tf import results

from .cells import cell, real_cell
from .saving import Figure, Table, of_results
from .style import COLOURS, WIDTH, subplots


@of_results(results.section, "calibration/label_classifier")
def calibration(run, record):
    """The proportion of correct answers over their mean probability, one point for each bin."""
    curve = pd.DataFrame(record["curve"])
    figure, axes = subplots(WIDTH / 2, width=WIDTH / 2)
    axis = axes[0, 0]
    axis.plot([0, 1], [0, 1], ":", color=COLOURS[-1], linewidth=1)
    axis.plot(curve["probability"], curve["right"], "o-", ms=4)
    axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="mean probability of the answer", ylabel="proportion correct")
    axis.set_aspect("equal")
    return Figure(figure, "classifier_calibration", _caption(record), curve)


@of_results(results.section, "calibration/label_classifier")
def calibration_table(run, record):
    """Accuracy, overconfidence and expected calibration error of the label classifier."""
    accuracy, error = record["accuracy"], record["expected_calibration_error"]
    text = {
        "accuracy ↑": cell(accuracy),
        "overconfidence": cell(record["overconfidence"]),
        "expected calibration error ↓": f"{error['value']:.3f}",
        "the same, perfectly calibrated": real_cell(error),
        "n": str(accuracy["n"]),
    }
    return Table(pd.DataFrame({"classifier": text}).T, "classifier_calibration", _caption(record))


def _caption(record):
    return (
        f"Calibration of the label classifier on {record['accuracy']['n']} held-out real images of"
        f" {record['patients']} patients: proportion of correct answers over their mean probability, in ten bins of"
        " equal size."
    )


@of_results(results.table, "outliers")
def outlier_table(run, table):
    """Median outlier score and proportion of outliers, one row for each model."""
    rows = {
        row["model"]: {
            "median score": f"{row['median']:.2f}",
            "beyond 95 in 100 real images": cell(row),
            "n": str(row["n"]),
        }
        for row in table.to_dict("records")
    }
    caption = (
        f"Outlier scores of {table['n'].iloc[0]} generated images of each model (seed 1): median, and proportion beyond"
        " 95 in 100 held-out real images, with its 95% Wilson interval; of real images it is 0.05."
    )
    return Table(pd.DataFrame(rows).T, "outliers", caption)
