"""Figures made of images."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from medgan_tf.networks.sampling import tile

from .style import STYLE, WIDTH

SAMPLE_ROWS, SAMPLE_COLUMNS = 4, 8  # of the grids that callbacks.SampleGrid draws


def pick(images, count=16, seed=0):
    """A fixed random choice of images, (count, H, W, 1): the rule by which every figure draws its real examples."""
    return images[np.random.default_rng(seed).permutation(len(images))[:count]]


def grids(panels, columns=8):
    """One titled grid of images below the other, all images of each. panels: {title: (n, H, W, 1) uint8}."""
    rows = [-(-len(images) // columns) for images in panels.values()]
    height, width = next(iter(panels.values())).shape[1:3]
    cell = WIDTH / columns * height / width
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, sum(rows) * cell + 0.3 * len(panels)), layout="constrained")
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=rows)[:, 0]
        for axis, (title, images) in zip(axes, panels.items(), strict=True):
            _picture(axis, tile(images, columns))
            axis.set_title(title)
    return figure


def progression(samples_dir, images=6, steps=8, kimg=None):
    """The same latents over the training: a column for each of `steps` grids that SampleGrid drew, a row a latent.

    kimg: instead of steps, after how many thousand images; the grids drawn nearest to them are taken.
    """
    paths = sorted(Path(samples_dir).glob("kimg_*.png"))
    drawn = np.array([float(path.stem.removeprefix("kimg_")) for path in paths])
    evenly = np.linspace(0, len(paths) - 1, steps).round()
    wanted = evenly if kimg is None else np.abs(np.subtract.outer(kimg, drawn)).argmin(1)
    chosen = [paths[int(index)] for index in np.unique(wanted)]
    columns = []
    for path in chosen:
        picture = np.asarray(Image.open(path))
        height, width = picture.shape[0] // SAMPLE_ROWS, picture.shape[1] // SAMPLE_COLUMNS
        latents = [picture[r : r + height, c : c + width] for r in range(0, len(picture), height) for c in (0, width)]
        columns.append(np.concatenate(latents[:images]))
    cell = WIDTH / steps
    down = cell * height / width * images + 0.5
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(cell * len(chosen), 2.5), down), layout="constrained")
        axis = figure.subplots()
        _picture(axis, np.concatenate(columns, axis=1))
        axis.set_axis_on()
        axis.set_frame_on(False)
        axis.set_xticks((np.arange(len(chosen)) + 0.5) * width, [f"{drawn[paths.index(path)]:.3g}" for path in chosen])
        axis.set_yticks([])
        axis.tick_params(length=0)
        axis.set_xlabel("thousand images seen")
    return figure


def mixing(rows, columns, images):
    """Sources on the left and on top, each mixture where its row and column meet; what `latents.mixing_grid` returns.

    rows: (r, H, W, 1) uint8. columns: (c, H, W, 1). images: (r, c, H, W, 1). Karras et al. 2019, figure 3.
    """
    across, (height, width) = len(columns) + 1, rows.shape[1:3]
    corner = np.full_like(rows[:1], np.iinfo(rows.dtype).max)
    lines = [corner, columns, *(part for row, mixed in zip(rows, images, strict=True) for part in (row[None], mixed))]
    picture = tile(np.concatenate(lines), across)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, WIDTH * len(picture) / picture.shape[1] + 0.3), layout="constrained")
        axis = figure.subplots()
        _picture(axis, picture)
        axis.axvline(width, color="white", linewidth=3)
        axis.axhline(height, color="white", linewidth=3)
        for place, name in (((0.5 + across / 2) * width, "styles of the mixed layers"), (width / 2, "all others")):
            axis.text(place, -0.05 * height, name, ha="center", va="bottom", fontsize=9)
    return figure


def pairs(originals, reconstructions, titles):
    """Each original above its reconstruction, under a title of its own, such as SSIM and PSNR; (n, H, W, 1) uint8."""
    with mpl.rc_context(STYLE):
        cell = WIDTH / len(originals) * originals.shape[1] / originals.shape[2]
        figure = Figure(figsize=(WIDTH, 2 * cell + 0.4), layout="constrained")
        axes = figure.subplots(2, len(originals), squeeze=False)
        for column, original, reconstruction, title in zip(axes.T, originals, reconstructions, titles, strict=True):
            _picture(column[0], original[..., 0])
            _picture(column[1], reconstruction[..., 0])
            column[0].set_title(title)
    return figure


def attention(images, maps, queries):
    """Where self-attention looks from some places: the image with the place marked, and the map laid over it.

    images: (n, H, W, 1) uint8. maps: (n, h, w, h/2, w/2), of `layers.attention_map`. queries: (row, column) of places
    as fractions of the image. A row an image, a column a place; each map is scaled to its own largest value.
    """
    with mpl.rc_context(STYLE):
        cell = WIDTH / (len(queries) + 1) * images.shape[1] / images.shape[2]
        figure = Figure(figsize=(WIDTH, cell * len(images) + 0.3), layout="constrained")
        axes = figure.subplots(len(images), len(queries) + 1, squeeze=False)
        for row, image, looks in zip(axes, images, np.asarray(maps), strict=True):
            _picture(row[0], image[..., 0])
            size = image.shape[:2]
            for axis, query in zip(row[1:], queries, strict=True):
                _picture(axis, image[..., 0])
                places = [int(part * length) for part, length in zip(query, looks.shape[:2], strict=True)]
                extent = (0, size[1], size[0], 0)
                look = looks[tuple(places)]
                shown = {"cmap": "inferno", "interpolation": "bilinear", "extent": extent}
                axis.imshow(look, alpha=0.75 * look / look.max(), **shown)
                axis.plot(query[1] * size[1], query[0] * size[0], "+", color="#56B4E9", ms=9, mew=2)
    return figure


def _picture(axis, picture):
    height, width = picture.shape
    limits = {"vmin": 0, "vmax": np.iinfo(picture.dtype).max, "extent": (0, width, height, 0)}
    axis.imshow(picture, cmap="gray", interpolation="nearest", **limits)
    axis.set_axis_off()
