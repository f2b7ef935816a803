"""Diagrams of architectures as SVG, drawn from the shapes that one image has on its way through the network."""

from itertools import groupby
from unittest import mock

import keras
import numpy as np
from markupsafe import Markup, escape

from medgan_tf import networks

MARGIN, GAP, MAX_HEIGHT, TOP, LABELS = 24, 34, 150, 8, 42  # SVG units


def architecture(record):
    """(generator, discriminator) as SVG, built from the settings in a model's record (model.json)."""
    settings, classes = record["settings"], len(record["classes"]) if record["conditional"] else 0
    pair = networks.build(settings["architecture"], record["image_size"], classes, **settings["network"])
    titles = f"Generator of a {settings['architecture']}", f"Discriminator of a {settings['architecture']}"
    return tuple(draw(stages(network), title) for network, title in zip(pair, titles, strict=True))


def stages(network):
    """The shapes, without the batch axis, along the path of the image through a keras.Model, without repetitions.

    Left out are vectors between feature maps, such as styles, and maps of one channel that are neither first nor last.
    """
    shapes, call = [], keras.layers.Layer.__call__

    def record_shape(layer, *arguments, **keywords):
        output = call(layer, *arguments, **keywords)
        if not getattr(layer, "_layers", None) and hasattr(output, "shape"):
            shapes.append(tuple(output.shape[1:]))
        return output

    inputs = [np.zeros((1, *each.shape[1:]), each.dtype) for each in network.inputs]
    with mock.patch.object(keras.layers.Layer, "__call__", record_shape):
        network(inputs if len(inputs) > 1 else inputs[0], training=False)
    path = [tuple(network.inputs[0].shape[1:]), *shapes, tuple(network.output_shape[1:])]
    maps, ends = [index for index, shape in enumerate(path) if len(shape) == 3], (0, len(path) - 1)
    shown = {3: lambda i: path[i][-1] > 1 or i in ends, 1: lambda i: not maps[0] < i < maps[-1]}
    kept = [shape for i, shape in enumerate(path) if len(shape) in shown and shown[len(shape)](i)]
    return [shape for shape, _ in groupby(kept)]


def draw(shapes, title):
    """An SVG of `stages`: feature maps as boxes, taller with more pixels, wider with more channels; vectors as bars."""
    x, parts = MARGIN, []
    for index, shape in enumerate(shapes):
        height, width = _size(shape)
        kind = "map" if len(shape) == 3 else "vector"
        box = f'y="{TOP + (MAX_HEIGHT - height) / 2:.0f}" width="{width:.0f}" height="{height:.0f}"'
        parts.append(f'<rect class="{kind}" x="{x:.0f}" {box} rx="3"/>')
        upper, lower = (f"{shape[0]} × {shape[1]}", shape[2]) if kind == "map" else (shape[0], "")
        middle = f'x="{x + width / 2:.0f}"'
        parts.append(f'<text {middle} y="{TOP + MAX_HEIGHT + 18}">{upper}</text>')
        parts.append(f'<text class="small" {middle} y="{TOP + MAX_HEIGHT + 34}">{lower}</text>')
        x += width + GAP
        if index < len(shapes) - 1:
            y = TOP + MAX_HEIGHT / 2
            parts.append(f'<path d="M{x - GAP + 6:.0f} {y:.0f}h{GAP - 14}m-5 -4l5 4l-5 4"/>')
    size = f"0 0 {x - GAP + MARGIN:.0f} {TOP + MAX_HEIGHT + LABELS}"
    words = ", ".join(" by ".join(map(str, shape)) for shape in shapes)
    label = escape(f"{title}: {words}")
    return Markup(f'<svg class="network" viewBox="{size}" role="img" aria-label="{label}">{"".join(parts)}</svg>')


def _size(shape):
    if len(shape) == 1:
        return 24 + 8 * np.log2(1 + shape[0]), 12
    return 20 + (MAX_HEIGHT - 20) * min(1, np.log2(shape[0]) / 8), 14 + 7 * np.log2(1 + shape[2])
