"""Architectures drawn from the networks themselves: one image is sent through, and what comes by is drawn as SVG."""

from itertools import groupby
from unittest import mock

import keras
import numpy as np
from markupsafe import Markup, escape

from medgan_tf import networks

EDGE, GAP, TALLEST, TOP, BELOW = 24, 34, 150, 8, 42  # units of the drawing


def architecture(record):
    """(generator, discriminator) as SVG of a model's record (model.json), built anew from its settings."""
    settings, classes = record["settings"], len(record["classes"]) if record["conditional"] else 0
    pair = networks.build(settings["architecture"], record["image_size"], classes, **settings["network"])
    names = f"Generator of a {settings['architecture']}", f"Discriminator of a {settings['architecture']}"
    return tuple(draw(stages(network), name) for network, name in zip(pair, names, strict=True))


def stages(network):
    """The shapes, without batch, that pass through a keras.Model: first its input, then each that differs.

    Vectors inside a convolutional part, such as the styles of a layer, and maps of one channel that are only added up
    are left out: what remains is the path of the image.
    """
    shapes, call = [], keras.layers.Layer.__call__

    def recorded(layer, *arguments, **keywords):
        output = call(layer, *arguments, **keywords)
        if not getattr(layer, "_layers", None) and hasattr(output, "shape"):
            shapes.append(tuple(output.shape[1:]))
        return output

    inputs = [np.zeros((1, *each.shape[1:]), each.dtype) for each in network.inputs]
    with mock.patch.object(keras.layers.Layer, "__call__", recorded):
        network(inputs if len(inputs) > 1 else inputs[0], training=False)
    path = [tuple(network.inputs[0].shape[1:]), *shapes, tuple(network.output_shape[1:])]
    maps = [index for index, shape in enumerate(path) if len(shape) == 3]
    kept = [
        shape
        for index, shape in enumerate(path)
        if (len(shape) == 3 and (shape[-1] > 1 or index in (0, len(path) - 1)))
        or (len(shape) == 1 and not maps[0] < index < maps[-1])
    ]
    return [shape for shape, _ in groupby(kept)]


def draw(shapes, title):
    """An SVG of `stages`: maps as boxes, the higher the larger and the wider the more channels; vectors as bars."""
    place, parts = EDGE, []
    for index, shape in enumerate(shapes):
        height, width = _size(shape)
        top = TOP + (TALLEST - height) / 2
        kind = "map" if len(shape) == 3 else "vector"
        parts.append(
            f'<rect class="{kind}" x="{place:.0f}" y="{top:.0f}" width="{width:.0f}" height="{height:.0f}" rx="3"/>'
        )
        upper, lower = (f"{shape[0]} × {shape[1]}", f"{shape[2]}") if kind == "map" else (f"{shape[0]}", "")
        middle = place + width / 2
        parts.append(f'<text x="{middle:.0f}" y="{TOP + TALLEST + 18}">{upper}</text>')
        parts.append(f'<text class="small" x="{middle:.0f}" y="{TOP + TALLEST + 34}">{lower}</text>')
        place += width + GAP
        if index < len(shapes) - 1:
            y = TOP + TALLEST / 2
            parts.append(f'<path d="M{place - GAP + 6:.0f} {y:.0f}h{GAP - 14}m-5 -4l5 4l-5 4"/>')
    size = f"0 0 {place - GAP + EDGE:.0f} {TOP + TALLEST + BELOW}"
    words = ", ".join(" by ".join(map(str, shape)) for shape in shapes)
    label = escape(f"{title}: {words}")
    return Markup(f'<svg class="network" viewBox="{size}" role="img" aria-label="{label}">{"".join(parts)}</svg>')


def _size(shape):
    if len(shape) == 1:
        return 24 + 8 * np.log2(1 + shape[0]), 12
    return 20 + (TALLEST - 20) * min(1, np.log2(shape[0]) / 8), 14 + 7 * np.log2(1 + shape[2])
