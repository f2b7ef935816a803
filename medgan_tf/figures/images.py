"""Figures made of images: samples, progressions, pairs."""

from pathlib import Path

import numpy as np
from PIL import Image

from medgan_tf import metrics, results
from medgan_tf.config import in_pixels
from medgan_tf.networks.sampling import tile
from medgan_tf.sources import displayed

from .cells import MODEL_NAMES, listed, sentence
from .saving import Figure
from .style import WIDTH, in_style, subplots

SAMPLE_ROWS, SAMPLE_COLUMNS = 4, 8  # of the grids that callbacks.SampleGrid draws


def pick(images, count=16, seed=0):
    """A fixed random choice of images, (count, H, W, 1): the rule by which every figure draws its examples."""
    return images[np.random.default_rng(seed).permutation(len(images))[:count]]


@in_style
def grids(panels, name, caption, columns=8):
    """Titled grids of images, one below the other. panels: {title: (n, H, W, 1) uint8}."""
    rows = [-(-len(images) // columns) for images in panels.values()]
    height, width = next(iter(panels.values())).shape[1:3]
    cell = WIDTH / columns * height / width
    figure, axes = subplots(sum(rows) * cell + 0.3 * len(panels), len(panels), height_ratios=rows)
    for axis, (title, images) in zip(axes[:, 0], panels.items(), strict=True):
        draw(axis, tile(images, columns))
        axis.set_title(title)
    return Figure(figure, name, caption)


def class_samples(data, generators=None):
    """Eight real training images of each class and, of conditional generators, each class from the same eight latents.

    data: the splits of `datasets.load`. generators: {title: generator}.
    """
    real = {name: pick(data.train.images[data.train.labels == label], 8) for label, name in enumerate(data.classes)}
    if not generators:
        caption = f"Real training images of each class at {in_pixels(data.image_size)}, drawn at random (seed 0)."
        return grids(real, "data_classes", caption)
    panels = {f"real: {name}": images for name, images in real.items()}
    for title, generator in generators.items():
        panels |= {f"{title}: {name}": generator.sample(8, name, seed=0) for name in data.classes}
    caption = (
        "Real training images of each class (drawn at random, seed 0), and images of each class that"
        f" {listed(generators)} make of the same eight latents (seed 0)."
    )
    return grids(panels, f"{next(iter(generators))}_classes", caption)


def samples(real, generated, name="real_and_synthetic", real_title="real, held out"):
    """Eight real images above eight of each model. real: (n, H, W, 1) uint8. generated: {title: the same}."""
    panels = {title: pick(images, 8) for title, images in ({real_title: real} | generated).items()}
    caption = f"Eight images each, drawn at random (seed 0): {listed(panels)}."
    return grids(panels, name, caption)


def nearest_training_images(sets, training, extractor, cache=None):
    """Images of each set that lie nearest to a training image, with that training image below each.

    sets: {title: ImageSet}. training: an ImageSet. extractor: of the features compared. cache: a folder for them.
    """
    panels = {}
    for title, images in sets.items():
        own, partner, distance = metrics.nearest_pairs(images, training, extractor, 8, cache)
        pairs_of_set = np.concatenate([images.images[own], training.images[partner]])
        panels[f"{title}: distance {distance[0]:.2f} to {distance[-1]:.2f}"] = pairs_of_set
    n = ", ".join(f"{title} {len(images)}" for title, images in sets.items())
    caption = (
        "The eight images of each set that lie nearest to a training image, which is below each; Euclidean distance"
        f" between features {extractor.name} ({extractor.weights_sha256[:8]}). Images: {n}."
    )
    return grids(panels, "nearest_training_images", caption)


@in_style
def progression(run, model, images=6, steps=8, kimg=None):
    """The same latents over a training: one column for each of `steps` sample grids, one row for each latent.

    kimg: instead of steps, the thousands of images seen; the nearest sample grids are taken.
    """
    paths = sorted((Path(run) / "models" / model / "samples").glob("kimg_*.png"))
    drawn = np.array([float(path.stem.removeprefix("kimg_")) for path in paths])
    evenly = np.linspace(0, len(paths) - 1, steps).round()
    wanted = evenly if kimg is None else np.abs(np.subtract.outer(kimg, drawn)).argmin(1)
    chosen = np.unique(wanted).astype(int)
    columns = []
    for index in chosen:
        picture = np.asarray(Image.open(paths[index]))
        height, width = picture.shape[0] // SAMPLE_ROWS, picture.shape[1] // SAMPLE_COLUMNS
        rows = [picture[r : r + height, c : c + width] for r in range(0, len(picture), height) for c in (0, width)]
        columns.append(np.concatenate(rows[:images]))
    cell = WIDTH / steps
    figure, axes = subplots(cell * height / width * images + 0.5, width=max(cell * len(chosen), 2.5))
    axis = axes[0, 0]
    draw(axis, np.concatenate(columns, axis=1))
    axis.set_axis_on()
    axis.set_frame_on(False)
    axis.set_xticks((np.arange(len(chosen)) + 0.5) * width, [f"{seen:.3g}" for seen in drawn[chosen]])
    axis.set_yticks([])
    axis.tick_params(length=0)
    axis.set_xlabel("thousand images seen")
    caption = (
        f"{sentence(MODEL_NAMES.get(model, model))}: the same {images} latents, a row each, as training goes on"
        " (generator with averaged weights)."
    )
    return Figure(figure, f"{model}_progression", caption)


@in_style
def pairs(above, below, titles, name, caption):
    """Images above the images they belong to, each pair with a title; (n, H, W, 1) uint8."""
    cell = WIDTH / len(above) * above.shape[1] / above.shape[2]
    figure, axes = subplots(2 * cell + 0.4, 2, len(above))
    for column, upper, lower, title in zip(axes.T, above, below, titles, strict=True):
        draw(column[0], displayed(upper))
        draw(column[1], displayed(lower))
        column[0].set_title(title)
    return Figure(figure, name, caption)


def suspicious_pairs(run, model, synthetic, training, count=6):
    """The synthetic images that the privacy audit found nearest to a training image, above that training image.

    synthetic, training: the images that the audit compared, (n, H, W, 1) uint8.
    """
    found = results.privacy(run)[model]["memorisation"]["pixels"]["pairs"][:count]
    above, below = synthetic[[pair["synthetic"] for pair in found]], training[[pair["training"] for pair in found]]
    caption = (
        f"{model}: the {len(found)} synthetic images (above) most like a training image (below), with their distance"
        " (1 - correlation after registration)."
    )
    return pairs(above, below, [f"{pair['distance']:.3f}" for pair in found], f"privacy_pairs_{model}", caption)


def draw(axis, picture):
    """Show a picture, grey (H, W) or RGB (H, W, 3), without axes."""
    height, width = picture.shape[:2]
    limits = {"vmin": 0, "vmax": np.iinfo(picture.dtype).max, "extent": (0, width, height, 0)}
    axis.imshow(picture, cmap="gray", interpolation="nearest", **limits)
    axis.set_axis_off()
