"""One size, one font, colours that survive grey printing and colour blindness; and the one way to save a figure."""

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, StrMethodFormatter

WIDTH = 6.3  # inches: the text width of an A4 thesis
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito 2008
MARKERS = "osD^vP*"
STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(color=COLOURS, linestyle=["-", "--", "-.", ":", "-", "--", "-."]),
    "legend.frameon": False,
    "pdf.fonttype": 42,  # text stays text in the PDF
    "savefig.dpi": 200,
}


def error_bars(value, low, high):
    """(2, n) lengths below and above n values, as matplotlib takes them. An end on the value's other side is none.

    An interval of percentiles need not hold its value, and rounding may part the two where the interval has no length.
    """
    return np.maximum([np.atleast_1d(value - low), np.atleast_1d(high - value)], 0)


def plain_ticks(axis):
    """Plain numbers at the powers of ten of a logarithmic matplotlib axis, and over two decades or less at 2 and 5."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high <= 100 * low else (1,)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def symmetric_log(axis, linear_to):
    """Make a matplotlib axis, once all is drawn, linear up to a value on either side of 0, and logarithmic beyond."""
    getattr(axis.axes, f"set_{axis.axis_name}scale")("symlog", linthresh=linear_to, linscale=0.5)
    last = axis.get_view_interval()[1]
    decades = 10.0 ** np.arange(np.floor(np.log10(linear_to)), np.log10(last))
    steps = (np.outer(decades, within).ravel() for within in ([1, 2, 5], [1, 3], [1]))
    beyond = [ticks[(ticks >= linear_to) & (ticks <= last)] for ticks in steps]
    axis.set_major_locator(FixedLocator([0, *next((ticks for ticks in beyond if len(ticks) < 4), beyond[-1][::2])]))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))


def save(figure, run_dir, name, caption, notebook, data=None):
    """Write figures/NAME.png, .pdf, .txt (caption) and, where data is a DataFrame, .csv; return the PNG to display.

    figures/index.json keeps the caption, the notebook, the run and its config for each name.
    """
    from IPython.display import Image as Picture

    folder = Path(run_dir) / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        figure.savefig(folder / f"{name}.png")
        figure.savefig(folder / f"{name}.pdf")
    (folder / f"{name}.txt").write_text(caption + "\n")
    if data is not None:
        data.to_csv(folder / f"{name}.csv", index=False)
    index = folder / "index.json"
    entries = json.loads(index.read_text()) if index.exists() else {}
    config = Path(run_dir) / "run.json"
    entries[name] = {"caption": caption, "notebook": notebook, "run": Path(run_dir).name}
    entries[name]["config"] = json.loads(config.read_text()) if config.exists() else None
    index.write_text(json.dumps(entries, indent=2, sort_keys=True))
    return Picture(folder / f"{name}.png", width=760, alt=caption)
