"""Box-and-arrow drawings of the pipeline, of the models and of their training, for the notebooks and a thesis.

`diagram("wgan_gp")` returns one of DIAGRAMS as a figure with its caption. Places and sizes are in inches from the lower
left corner; the text of a box may hold mathematics between dollar signs.
"""

from itertools import pairwise
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
    """A rectangle with text; x and y are its centre."""

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
    corners: tuple = ()
    dashed: bool = False  # what flows back: gradients


class Note(NamedTuple):
    """Text without a box, centred at x and y."""

    x: float
    y: float
    text: str


class Diagram(NamedTuple):
    """The caption, the height in inches, and what is drawn; the width is that of a thesis."""

    caption: str
    height: float
    boxes: dict
    arrows: tuple
    notes: tuple = ()


@in_style
def diagram(name):
    """The Figure "diagram_NAME" of a diagram of DIAGRAMS. Raises ValueError for another name."""
    if name not in DIAGRAMS:
        raise ValueError(f"There is no diagram '{name}'; choose one of {', '.join(DIAGRAMS)}.")
    drawn = DIAGRAMS[name]
    plot = Plot(figsize=(WIDTH, drawn.height))
    axis = plot.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, drawn.height))
    axis.set_axis_off()
    for box in drawn.boxes.values():
        _draw_box(axis, box)
    for arrow in drawn.arrows:
        _draw_arrow(axis, drawn.boxes[arrow.start], drawn.boxes[arrow.end], arrow)
    for note in drawn.notes:
        axis.text(note.x, note.y, note.text, ha="center", va="center", fontsize=8)
    return Figure(plot, f"diagram_{name}", drawn.caption)


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


def _chain(*names):
    """Arrows from each box to the next."""
    return tuple(Arrow(*pair) for pair in pairwise(names))


def _maps(network, left, y, maps):
    """Boxes "NETWORK 64" and so on for maps {side in pixels: channels}, from left to right and as high as they are."""
    return {
        f"{network} {side}": Box(
            left + 1.08 * index, y, f"{side}×{side}\n×{channels}", "network", 0.7, 0.4 + side / 110
        )
        for index, (side, channels) in enumerate(maps.items())
    }


DIAGRAMS = {
    "pipeline": Diagram(
        "From a DICOM file to images, a manifest and three splits: pixels above, header below.",
        height=2.8,
        boxes={
            "file": Box(0.6, 1.95, "DICOM file:\npixels and\nheader", "data", 0.9, 0.6),
            "modality": Box(1.9, 2.45, "rescale:\n$v = m\\,x + b$", "operation", 1.05),
            "window": Box(3.15, 2.45, "window:\ngrey in [0, 1]", "operation", 1.05),
            "polarity": Box(4.42, 2.45, "invert if\nMONOCHROME1", "operation", 1.1),
            "image": Box(5.68, 2.45, "square image,\n8 bits", "data", 1.0),
            "hash": Box(3.15, 1.45, "keyed hashes of patient,\nstudy and series", "operation", 1.6),
            "manifest": Box(5.68, 1.45, "manifest.csv:\na row per image", "data", 1.0),
            "split": Box(5.68, 0.5, "split by\npatient", "operation", 0.8, 0.8),
            "train": Box(3.9, 0.8, "training", "data", 0.9, 0.22),
            "validation": Box(3.9, 0.5, "validation", "data", 0.9, 0.22),
            "test": Box(3.9, 0.2, "test", "data", 0.9, 0.22),
        },
        arrows=(
            Arrow("file", "modality", ((0.6, 2.45),)),
            *_chain("modality", "window", "polarity", "image", "manifest", "split"),
            Arrow("file", "hash", ((0.6, 1.45),)),
            Arrow("hash", "manifest"),
            *(Arrow("split", part) for part in ("train", "validation", "test")),
        ),
    ),
    "gan": Diagram(
        "The two updates of a GAN. Solid: images and scores; dashed: gradients.",
        height=2.1,
        boxes={
            "latent": Box(0.6, 0.6, "latent $z$,\nnormal", "data", 0.9),
            "generator": Box(1.8, 0.6, "generator $G$", "network", 0.95),
            "fake": Box(3.05, 0.6, "image $G(z)$", "data", 0.95),
            "real": Box(3.05, 1.6, "real image $x$", "data", 0.95),
            "discriminator": Box(4.4, 1.1, "discriminator $D$", "network", 1.15),
            "losses": Box(5.75, 1.1, "losses of\n$D$ and $G$", "loss", 0.85),
        },
        arrows=(
            *_chain("latent", "generator", "fake"),
            Arrow("fake", "discriminator", ((4.2, 0.6),)),
            Arrow("real", "discriminator", ((4.2, 1.6),)),
            Arrow("discriminator", "losses"),
            Arrow("losses", "discriminator", ((5.75, 1.85), (4.6, 1.85)), dashed=True),
            Arrow("losses", "generator", ((5.75, 0.15), (1.8, 0.15)), dashed=True),
        ),
        notes=(Note(5.2, 1.97, "1. update $D$"), Note(4.95, 0.27, "2. update $G$")),
    ),
    "dcgan": Diagram(
        "DCGAN at 64 px with 32 base filters: height × width × channels of the maps of both networks.",
        height=3.0,
        boxes={
            "latent": Box(0.5, 2.1, "100\nnumbers", "data", 0.7),
            **_maps("G", 1.58, 2.1, {4: 256, 8: 128, 16: 64, 32: 32, 64: 1}),
            **_maps("D", 0.5, 0.65, {64: 1, 32: 32, 16: 64, 8: 128, 4: 256}),
            "score": Box(5.9, 0.65, "score", "data", 0.7),
        },
        arrows=(
            *_chain("latent", "G 4", "G 8", "G 16", "G 32", "G 64"),
            *_chain("D 64", "D 32", "D 16", "D 8", "D 4", "score"),
        ),
        notes=(
            Note(
                3.15, 2.85, "generator: transposed convolutions of 4×4 pixels, stride 2; BatchNorm and ReLU before each"
            ),
            Note(3.15, 1.37, "discriminator: convolutions of 4×4 pixels, stride 2; leaky ReLU after each"),
        ),
    ),
    "wgan_gp": Diagram(
        "A training step of the conditional WGAN-GP. Solid: images, labels and scores; dashed: gradients.",
        height=2.75,
        boxes={
            "label": Box(0.55, 1.3, "label $y$", "data", 0.8),
            "latent": Box(0.55, 0.55, "latent $z$", "data", 0.8),
            "generator": Box(1.65, 0.55, "generator", "network", 0.85),
            "fake": Box(2.9, 0.55, "generated $\\tilde{x}$", "data", 1.0),
            "between": Box(2.9, 1.3, "$\\hat{x} = x + u\\,(\\tilde{x} - x)$", "operation", 1.3),
            "real": Box(2.9, 2.05, "real $x$ of class $y$", "data", 1.3),
            "critic": Box(4.4, 1.3, "critic:\n$f(\\varphi) + \\langle e_y, \\varphi\\rangle$", "network", 1.1, 0.9),
            "critic loss": Box(5.75, 1.53, "critic loss\nwith penalty", "loss", 0.9, 0.4),
            "generator loss": Box(5.75, 1.0, "generator\nloss", "loss", 0.9, 0.4),
        },
        arrows=(
            *_chain("latent", "generator", "fake", "between", "critic"),
            Arrow("label", "generator", ((1.65, 1.3),)),
            Arrow("real", "between"),
            Arrow("fake", "critic", ((4.15, 0.55),)),
            Arrow("real", "critic", ((4.15, 2.05),)),
            Arrow("label", "critic", ((0.55, 2.5), (4.4, 2.5))),
            Arrow("critic", "critic loss"),
            Arrow("critic", "generator loss"),
            Arrow("critic loss", "critic", ((5.75, 2.15), (4.7, 2.15)), dashed=True),
            Arrow("generator loss", "generator", ((5.75, 0.12), (1.65, 0.12)), dashed=True),
        ),
        notes=(Note(5.25, 2.28, "5. update critic"), Note(5.0, 0.25, "6. update generator")),
    ),
    "growing": Diagram(
        "Progressive growing: the generator while images of 16 px are faded in.",
        height=2.1,
        boxes={
            "input": Box(0.5, 0.95, "latent,\nlabel", "data", 0.7),
            "coarse": Box(1.5, 0.95, "trained blocks:\nmap of 8 px", "network", 1.0),
            "new": Box(2.7, 1.55, "new block:\nmap of 16 px", "network", 0.95),
            "to image": Box(3.85, 1.55, "to image", "network", 0.8),
            "weighted": Box(4.85, 1.55, "$\\times\\,\\alpha$", "operation", 0.7),
            "old to image": Box(2.7, 0.35, "to image", "network", 0.95),
            "doubled": Box(3.85, 0.35, "double", "operation", 0.8),
            "old weighted": Box(4.85, 0.35, "$\\times\\,(1 - \\alpha)$", "operation", 0.7),
            "image": Box(5.75, 0.95, "sum: image\nof 16 px", "data", 0.85),
        },
        arrows=(
            *_chain("input", "coarse"),
            Arrow("coarse", "new", ((1.5, 1.55),)),
            Arrow("coarse", "old to image", ((1.5, 0.35),)),
            *_chain("new", "to image", "weighted"),
            *_chain("old to image", "doubled", "old weighted"),
            Arrow("weighted", "image", ((5.75, 1.55),)),
            Arrow("old weighted", "image", ((5.75, 0.35),)),
        ),
        notes=(
            Note(
                3.15, 1.98, "a size is faded in while $\\alpha$ goes from 0 to 1; the critic does the same in reverse"
            ),
        ),
    ),
    "stylegan2": Diagram(
        "The generator of StyleGAN2 at 64 px (Karras et al. 2020).",
        height=3.0,
        boxes={
            "latent": Box(0.6, 2.7, "latent $z$", "data", 0.85, 0.4),
            "mapping": Box(1.85, 2.7, "mapping:\ndense layers", "network", 1.0, 0.4),
            "w": Box(3.15, 2.7, "$w$", "data", 0.7, 0.4),
            "constant": Box(0.6, 1.45, "learned\nconstant", "data", 0.85),
            **{
                f"map {sides}": Box(x, 1.45, f"modulated\nconvolution,\n{sides} px", "network", 0.95, 0.6)
                for x, sides in ((1.85, "4"), (3.15, "8"), (4.45, "16, 32"), (5.7, "64"))
            },
            **{
                f"image {sides}": Box(x, 0.55, f"{sign}to image", "operation", 0.95, 0.3)
                for x, sides, sign in ((1.85, "4", ""), (3.15, "8", "+ "), (4.45, "16, 32", "+ "), (5.7, "64", "+ "))
            },
        },
        arrows=(
            *_chain("latent", "mapping", "w"),
            *_chain("constant", "map 4", "map 8", "map 16, 32", "map 64"),
            *(
                Arrow("w", f"map {sides}", ((3.15, 2.15), (x, 2.15)))
                for x, sides in ((1.85, "4"), (4.45, "16, 32"), (5.7, "64"))
            ),
            Arrow("w", "map 8"),
            *(Arrow(f"map {sides}", f"image {sides}") for sides in ("4", "8", "16, 32", "64")),
            *_chain("image 4", "image 8", "image 16, 32", "image 64"),
        ),
        notes=(
            Note(4.75, 2.3, "a style for every convolution: its weights, scaled by $w$"),
            Note(3.15, 0.15, "noise is added after each convolution; images are doubled on the way to the right"),
        ),
    ),
    "stylegan3": Diagram(
        "One layer of StyleGAN3's synthesis (Karras et al. 2021).",
        height=2.1,
        boxes={
            "w": Box(1.25, 1.8, "$w$", "data", 0.6, 0.35),
            "sines": Box(0.6, 1.1, "sines that\n$w$ places", "operation", 0.85),
            "convolution": Box(1.9, 1.1, "modulated\nconvolution", "network", 0.95),
            "up": Box(3.1, 1.1, "double the\nsampling rate", "operation", 0.95),
            "relu": Box(4.25, 1.1, "leaky\nReLU", "network", 0.8),
            "down": Box(5.45, 1.1, "low-pass filter,\nhalve the rate", "operation", 1.05),
            "image": Box(5.7, 0.25, "image", "data", 0.7, 0.3),
        },
        arrows=(
            Arrow("w", "sines", ((0.6, 1.8),)),
            Arrow("w", "convolution", ((1.9, 1.8),)),
            *_chain("sines", "convolution", "up", "relu", "down"),
            Arrow("down", "convolution", ((5.2, 0.6), (1.9, 0.6))),
            Arrow("down", "image", ((5.7, 0.6),)),
        ),
        notes=(Note(3.55, 0.72, "next layer, on a finer grid"),),
    ),
}
