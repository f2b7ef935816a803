"""How far classifier and outlier score can be believed: a figure and two tables of numbers from results.json."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from .style import COLOURS, STYLE, WIDTH
from .tables import interval


def calibration(record):
    """Share of right answers against their mean probability, a point a bin. record: of `metrics.calibration`."""
    curve = pd.DataFrame(record["curve"])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH / 2, WIDTH / 2), layout="constrained")
        axis = figure.subplots()
        axis.plot([0, 1], [0, 1], ":", color=COLOURS[-1], linewidth=1)
        axis.plot(curve["probability"], curve["right"], "o-", ms=4)
        axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="mean probability of the answer", ylabel="share that is right")
        axis.set_aspect("equal")
    return figure


def calibration_table(record):
    """Accuracy, overconfidence and expected calibration error, each with what it has to be read with; a DataFrame."""
    accuracy, over, error = (record[name] for name in ("accuracy", "overconfidence", "expected_calibration_error"))
    cells = {
        "accuracy ↑": interval(accuracy["value"], accuracy["low"], accuracy["high"]),
        "overconfidence": interval(over["value"], over["low"], over["high"]),
        "expected calibration error ↓": f"{error['value']:.3f}",
        "the same, perfectly calibrated": interval(
            error["real_vs_real"], error["real_vs_real_low"], error["real_vs_real_high"]
        ),
        "n": str(accuracy["n"]),
    }
    return pd.DataFrame({"classifier": cells}).T


def outlier_table(table):
    """A row a model: median score, and the share of outliers with its interval. table: `results.outliers`."""
    rows = {
        row["model"]: {
            "median score": f"{row['median']:.2f}",
            "beyond 95 in 100 real images": interval(row["value"], row["low"], row["high"]),
            "n": str(row["n"]),
        }
        for row in table.to_dict("records")
    }
    return pd.DataFrame(rows).T
