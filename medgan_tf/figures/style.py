"""How every figure looks: one width and font, colours that survive grey printing and colour blindness, and axes."""

import math

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, StrMethodFormatter

WIDTH = 6.3  # inches: the text width of an A4 thesis
LINE = 105  # letters of a legend across that width
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito 2008
MARKERS = "osD^vP*"
LINES = ("-", "--", "-.", ":")
BAND = {"color": "0.85", "lw": 0}  # the grey band of real against real
GREY = "Grey: real against real."  # for captions
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
in_style = mpl.rc_context(STYLE)  # a decorator: the function draws with STYLE


def subplots(height, rows=1, columns=1, width=WIDTH, **settings):
    """A matplotlib figure (inches) and its axes, an array (rows, columns)."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **settings)


def legend_below(figure, axes, columns=5):
    """One legend for several axes, below them; what has the same label in several axes is named once."""
    handles = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    fitting = LINE // (max(map(len, handles), default=0) + 9)  # the line before each label is as long as 9 letters
    columns = max(min(columns, fitting), 1)
    columns = math.ceil(len(handles) / math.ceil(len(handles) / columns)) if handles else 1
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=columns, fontsize=8)


def marker(number):
    """Colour and marker of the model with this number; the first 42 differ."""
    return {"color": COLOURS[number % 7], "marker": MARKERS[(number + number // 7) % 7]}


def error_bars(value, low, high):
    """Lengths (2, n) below and above n values, as matplotlib's `errorbar` takes them; never negative.

    An interval of percentiles need not contain its value, and rounding may separate the two where it has no length.
    """
    return np.maximum([np.atleast_1d(value - low), np.atleast_1d(high - value)], 0)


def named_rows(axis, names, **text):
    """Give the y axis a row for each name, the first on top."""
    axis.set_yticks(range(len(names)), names, **text)
    axis.set_ylim(len(names) - 0.5, -0.5)


def value_in_row(axis, record, place, **look):
    """Draw one value with its 95% interval in a row of `named_rows`. record: has value, low and high."""
    value, low, high = (record[end] for end in ("value", "low", "high"))
    look = {"fmt": "o", "ms": 4, "capsize": 2, "ls": ""} | look
    axis.errorbar(value, place, xerr=None if low is None else error_bars(value, low, high), **look)


def plain_ticks(axis):
    """Label a logarithmic matplotlib axis with plain numbers: powers of ten, and 2 and 5 where it spans few decades."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high <= 100 * low else (1,)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def log_scale(axis):
    """Make a matplotlib axis logarithmic, with plain numbers."""
    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    plain_ticks(axis)


def symmetric_log(axis, linear_to):
    """Make a matplotlib axis linear from -linear_to to linear_to and logarithmic beyond. Call it after drawing."""
    getattr(axis.axes, f"set_{axis.axis_name}scale")("symlog", linthresh=linear_to, linscale=0.5)
    last = axis.get_view_interval()[1]
    decades = 10.0 ** np.arange(np.floor(np.log10(linear_to)), np.log10(last))
    steps = (np.outer(decades, within).ravel() for within in ([1, 2, 5], [1, 3], [1]))
    beyond = [ticks[(ticks >= linear_to) & (ticks <= last)] for ticks in steps]
    axis.set_major_locator(FixedLocator([0, *next((ticks for ticks in beyond if len(ticks) < 4), beyond[-1][::2])]))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
