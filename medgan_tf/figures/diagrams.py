"""Box-and-arrow drawings of the pipeline, the models, their training and the studies, described in diagrams.toml."""

import tomllib
from pathlib import Path as FilePath
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure as Plot
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from .saving import Figure
from .style import COLOURS, WIDTH, in_style

KINDS = {"data": "#666666", "network": COLOURS[0], "loss": COLOURS[1], "operation": COLOURS[2]}
TINT = 0.15  # of a box's colour in its background


class Box(NamedTuple):
    """A rectangle with text, which may hold mathematics between dollar signs; in inches, x and y of its centre."""

    x: float
    y: float
    text: str
    kind: str = "data"  # a key of KINDS
    width: float = 1.0
    height: float = 0.45


class Arrow(NamedTuple):
    """From one box to another, through corners (x, y) where there are any."""

    start: str
    end: str
    corners: tuple = ()  # of (x, y)
    dashed: bool = False  # what flows back: gradients


DIAGRAMS = tomllib.loads(FilePath(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@in_style
def diagram(name):
    """The Figure "diagram_NAME" of an entry of DIAGRAMS with its caption. Raises ValueError for another name."""
    if name not in DIAGRAMS:
        raise ValueError(f"There is no diagram '{name}'; choose one of {', '.join(DIAGRAMS)}.")
    described = DIAGRAMS[name]
    plot = Plot(figsize=(WIDTH, described["height"]))
    axis = plot.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, described["height"]))
    axis.set_axis_off()
    boxes = {key: Box(*values) for key, values in described["boxes"].items()}
    for box in boxes.values():
        _draw_box(axis, box)
    for arrow in (Arrow(*values) for values in described["arrows"]):
        _draw_arrow(axis, boxes[arrow.start], boxes[arrow.end], arrow)
    for x, y, text in described.get("notes", ()):
        axis.text(x, y, text, ha="center", va="center", fontsize=8)
    return Figure(plot, f"diagram_{name}", described["caption"])


def _draw_box(axis, box):
    colour = KINDS[box.kind]
    corner = box.x - box.width / 2, box.y - box.height / 2
    face = (*mpl.colors.to_rgb(colour), TINT)
    rounded = "round,pad=0,rounding_size=0.05"
    axis.add_patch(FancyBboxPatch(corner, box.width, box.height, rounded, facecolor=face, edgecolor=colour))
    axis.text(box.x, box.y, box.text, ha="center", va="center", fontsize=8, linespacing=1.15)


def _draw_arrow(axis, start, end, arrow):
    """A line between the nearest points of both boxes, or from each to the nearest corner."""
    first = _nearest(start, arrow.corners[0] if arrow.corners else (end.x, end.y))
    last = _nearest(end, arrow.corners[-1] if arrow.corners else first)
    first = first if arrow.corners else _nearest(start, last)
    look = {"arrowstyle": "-|>", "mutation_scale": 9, "color": KINDS["loss"] if arrow.dashed else "#333333"}
    line = "--" if arrow.dashed else "-"
    axis.add_patch(FancyArrowPatch(path=Path([first, *arrow.corners, last]), linestyle=line, joinstyle="round", **look))


def _nearest(box, point):
    """The point of a box that is nearest to another point."""
    half = np.array([box.width, box.height]) / 2
    centre = np.array([box.x, box.y])
    return np.clip(point, centre - half, centre + half)
