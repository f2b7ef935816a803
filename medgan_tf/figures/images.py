"""Figures made of images: samples, progressions, style mixing, pairs, attention."""

from pathlib import Path

import numpy as np
from PIL import Image

from medgan_tf import metrics, results
from medgan_tf.generators import latents
from medgan_tf.networks.sampling import tile

from .cells import MODEL_NAMES, listed, sentence
from .saving import Figure
from .style import WIDTH, in_style, subplots

SAMPLE_ROWS, SAMPLE_COLUMNS = 4, 8  # of the grids that callbacks.SampleGrid draws
PSIS = (1.0, 0.7, 0.5, 0.0)


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
        _draw(axis, tile(images, columns))
        axis.set_title(title)
    return Figure(figure, name, caption)


def class_samples(data, generators=None):
    """Eight real training images of each class and, of conditional generators, each class from the same eight latents.

    data: the splits of `datasets.load`. generators: {title: generator}.
    """
    real = {name: pick(data.train.images[data.train.labels == label], 8) for label, name in enumerate(data.classes)}
    if not generators:
        caption = f"Real training images of each class at {data.image_size} px, drawn at random (seed 0)."
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
    """Sixteen real images above sixteen of each model. real: (n, H, W, 1) uint8. generated: {title: the same}."""
    panels = {title: pick(images) for title, images in ({real_title: real} | generated).items()}
    caption = f"Sixteen images each, drawn at random (seed 0): {listed(panels)}."
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


def class_interpolation(generator, name="cgan"):
    """Images between two latents of each class, and between the first and the last class."""
    first, *_, last = generator.classes
    panels = {f"between two latents: {label}": generator.between_latents(8, label) for label in generator.classes}
    panels[f"from {first} to {last}, two latents"] = np.concatenate(
        [generator.between_classes(first, last, 8, seed) for seed in (0, 1)]
    )
    caption = (
        "Images between two latents (spherical interpolation, seed 0), and between two classes (linear in the weights"
        " that belong to the class)."
    )
    return grids(panels, f"{name}_interpolation", caption)


def latent_interpolation(generator, label=None, name="stylegan2"):
    """Images between two latents: along the sphere in z, and along a straight line in w."""
    panels = {
        f"{title}: seeds 0 and 1": np.concatenate([generator.between_latents(8, label, s, space) for s in (0, 1)])
        for space, title in (("z", "z, spherical"), ("w", "w, linear"))
    }
    caption = f"{MODEL_NAMES[name]}: images between two latents, spherical in z and linear in w."
    return grids(panels, f"{name}_interpolation", caption)


def truncation(generator, label=None, psis=PSIS, name="stylegan2"):
    """The same eight latents with decreasing truncation psi."""
    images = latents.truncation_sweep(generator, psis, count=8, label=label)
    caption = (
        f"{MODEL_NAMES[name]}: the same eight latents (seed 0), with their distance from the average w multiplied by ψ."
    )
    panels = {f"ψ = {psi:g}": row for psi, row in zip(psis, images, strict=True)}
    return grids(panels, f"{name}_truncation", caption)


def latent_directions(generator, vectors, label=None, name="stylegan2"):
    """Two images moved along each direction of w, from -3 to 3 standard deviations. vectors: (k, D)."""
    w = generator.map_latents(2, label, seed=0)
    panels = {
        f"direction {number}, -3 to 3 sd": np.concatenate(latents.along(generator, w, vector, np.linspace(-3, 3, 8)))
        for number, vector in enumerate(vectors, 1)
    }
    caption = (
        f"{MODEL_NAMES[name]}: two images (seed 0, a row each) along the {len(vectors)} directions of w to which the"
        " layers react most."
    )
    return grids(panels, f"{name}_directions", caption)


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
    _draw(axis, np.concatenate(columns, axis=1))
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
def mixing(rows, columns, images, layers="fine", name="stylegan2"):
    """Style mixing: sources on the left and on top, each mixture where its row and column meet.

    The arguments are what `latents.mixing_grid` returns: rows (r, H, W, 1) uint8, columns (c, H, W, 1), images
    (r, c, H, W, 1). Karras et al. 2019, figure 3.
    """
    across, (height, width) = len(columns) + 1, rows.shape[1:3]
    corner = np.full_like(rows[:1], np.iinfo(rows.dtype).max)
    lines = [corner, columns, *(part for row, mixed in zip(rows, images, strict=True) for part in (row[None], mixed))]
    picture = tile(np.concatenate(lines), across)
    figure, axes = subplots(WIDTH * len(picture) / picture.shape[1] + 0.3)
    axis = axes[0, 0]
    _draw(axis, picture)
    axis.axvline(width, color="white", linewidth=3)
    axis.axhline(height, color="white", linewidth=3)
    for place, title in (((0.5 + across / 2) * width, "styles of the mixed layers"), (width / 2, "all others")):
        axis.text(place, -0.05 * height, title, ha="center", va="bottom", fontsize=9)
    caption = (
        f"{MODEL_NAMES[name]}, style mixing: the {layers} layers have the style of the image on top, all others that of"
        " the image on the left (seed 0)."
    )
    return Figure(figure, f"{name}_mixing_{layers}", caption)


@in_style
def pairs(above, below, titles, name, caption):
    """Images above the images they belong to, each pair with a title; (n, H, W, 1) uint8."""
    cell = WIDTH / len(above) * above.shape[1] / above.shape[2]
    figure, axes = subplots(2 * cell + 0.4, 2, len(above))
    for column, upper, lower, title in zip(axes.T, above, below, titles, strict=True):
        _draw(column[0], upper[..., 0])
        _draw(column[1], lower[..., 0])
        column[0].set_title(title)
    return Figure(figure, name, caption)


def inversions(originals, found, space, steps, name="stylegan2"):
    """Real images above their reconstructions, with SSIM and PSNR. found: of `generators.invert` in "w" or "w+"."""
    titles = [f"{ssim:.2f}, {psnr:.1f} dB" for ssim, psnr in zip(found.ssim, found.psnr, strict=True)]
    caption = (
        f"Test images (drawn at random, seed 0) and, below, their reconstructions by {MODEL_NAMES[name]} after {steps}"
        f" steps of inversion into {space.upper()}; SSIM and PSNR of each pair."
    )
    return pairs(originals, found.images, titles, f"{name}_inversion_{space.replace('+', '_plus')}", caption)


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


@in_style
def attention(run, images, maps, queries, name="cgan"):
    """Where self-attention looks from some places: the image with the place marked, and the attention map over it.

    images: (n, H, W, 1) uint8. maps: (n, h, w, h/2, w/2), of `attention_map`. queries: (row, column) of places as
    fractions of the image. One row for each image, one column for each place; each map is scaled to its own maximum.
    """
    cell = WIDTH / (len(queries) + 1) * images.shape[1] / images.shape[2]
    figure, axes = subplots(cell * len(images) + 0.3, len(images), len(queries) + 1)
    for row, image, looks in zip(axes, images, np.asarray(maps), strict=True):
        _draw(row[0], image[..., 0])
        size = image.shape[:2]
        for axis, query in zip(row[1:], queries, strict=True):
            _draw(axis, image[..., 0])
            look = looks[tuple(int(part * length) for part, length in zip(query, looks.shape[:2], strict=True))]
            shown = {"cmap": "inferno", "interpolation": "bilinear", "extent": (0, size[1], size[0], 0)}
            axis.imshow(look, alpha=0.75 * look / look.max(), **shown)
            axis.plot(query[1] * size[1], query[0] * size[0], "+", color="#56B4E9", ms=9, mew=2)
    gamma = results.read(run)["attention"]["gamma"]["discriminator"]
    caption = (
        "Where the critic's self-attention looks from the place of the cross, over real test images (drawn at random,"
        f" seed 0); each map is scaled to its own maximum. Its weight γ is {gamma:.3f}."
    )
    return Figure(figure, f"{name}_attention", caption)


def _draw(axis, picture):
    height, width = picture.shape
    limits = {"vmin": 0, "vmax": np.iinfo(picture.dtype).max, "extent": (0, width, height, 0)}
    axis.imshow(picture, cmap="gray", interpolation="nearest", **limits)
    axis.set_axis_off()
