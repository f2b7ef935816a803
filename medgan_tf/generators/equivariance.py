"""Equivariance: do details move with the image? (Karras et al. 2021, arXiv 2106.12423, appendix E.3)

The input of the synthesis is translated or rotated, and the images are compared with the original images translated or
rotated likewise: 10 log10(I^2 / mean squared difference) in dB, with I = 2, the range of values, over the pixels that
both show.
"""

from contextlib import contextmanager

import numpy as np
import scipy.ndimage
import tensorflow as tf
from tqdm import tqdm

from medgan_tf.networks.sampling import latents

LARGEST_SHIFT = 1 / 8  # of the longer side of the image
REACH = 8  # pixels on either side of the windowed sinc
BATCH = 4  # images with the same translation or rotation
NAMES = ("EQ-T", "EQ-T_frac", "EQ-R")


def measure_equivariance(generator, count=128, seed=0, repeats=1000):
    """Measure the equivariance of a StyleGAN2 or StyleGAN3 generator (keras.Model).

    Returns {"EQ-T": record, "EQ-T_frac": record, "EQ-R": record}; a record has value and 95% interval (low, high) in
    dB, by bootstrap over n translations or rotations of 4 images each, and n. count: images in all; repeats: bootstrap
    samples.

    EQ-T translates by whole pixels, up to an eighth of the image; EQ-T_frac by any distance; EQ-R rotates by any angle.
    The references of the last two are interpolated: translations by a windowed sinc of 17 pixels, rotations by quintic
    splines after both images are blurred (Gaussian, sigma 1 px), because no interpolation rotates the finest details
    correctly. The paper's EQ-R blurs less and is stricter. The sine waves of StyleGAN3 are moved exactly. StyleGAN2
    starts from a constant map, which is translated by its Fourier series; it has no EQ-R, and its noise stays in place.

    Raises ValueError for a generator without styles, or with images under 32 px, which are too small to interpolate.
    """
    if "synthesis" not in [layer.name for layer in generator.layers]:
        raise ValueError("Equivariance is measured for generators with styles: stylegan2 or stylegan3.")
    synthesis = generator.get_layer("synthesis")
    if min(synthesis.image_size) < 4 * REACH:
        raise ValueError(f"Equivariance needs images of {4 * REACH} px and more, not {synthesis.image_size}.")
    to_styles, to_images = _compiled_halves(generator)
    random = np.random.default_rng(seed)
    errors = {name: [] for name in (NAMES if hasattr(synthesis, "sines") else NAMES[:2])}
    for group in tqdm(range(-(-count // BATCH)), "equivariance", unit="batch", leave=False):
        ws = to_styles(latents(BATCH, generator.inputs[0].shape[-1], seed + group))
        images = to_images(ws)
        longer = max(images.shape[1:])
        for name, values in errors.items():
            if name == "EQ-R":
                angle = random.uniform(-np.pi, np.pi)
                with _transformed_input(synthesis, _rotation(angle)):
                    values.append(_rotation_error(images, to_images(ws), angle))
                continue
            shift = random.uniform(-LARGEST_SHIFT, LARGEST_SHIFT, 2) * longer  # right, down; in pixels
            shift = shift.round() if name == "EQ-T" else shift
            with _transformed_input(synthesis, _translation(shift / longer)):
                values.append(_translation_error(images, to_images(ws), shift))
    return {name: _record(np.array(values), repeats, random) for name, values in errors.items()}


def _compiled_halves(generator):
    """Functions latents (BATCH, latent_dim) -> ws, and ws -> images (BATCH, H, W) in NumPy, the means of channels."""
    mapping, styles, synthesis = (generator.get_layer(name) for name in ("mapping", "styles", "synthesis"))
    conditional = len(generator.inputs) > 1
    labels = tf.range(BATCH) % 2  # every conditional model has the classes 0 and 1
    to_styles = tf.function(lambda z: styles(mapping([z, labels] if conditional else z), training=False))
    to_images = tf.function(lambda ws: tf.reduce_mean(synthesis(ws, training=False), -1))
    return to_styles, lambda ws: to_images(ws).numpy()


@contextmanager
def _transformed_input(synthesis, matrix):
    """Transform the input of the synthesis by `matrix` (3, 3), in units of the longer side; restore it afterwards."""
    variable = synthesis.sines.transform if hasattr(synthesis, "sines") else synthesis.constant
    before = variable.numpy()
    if hasattr(synthesis, "sines"):
        variable.assign(np.linalg.inv(matrix))
    else:
        size, sides = np.array(synthesis.image_size), np.array(before.shape[:2])
        cells = matrix[[1, 0], 2] * max(size) * sides / size  # down, right
        spectrum = np.fft.fftn(before, axes=(0, 1))
        variable.assign(np.fft.ifftn(scipy.ndimage.fourier_shift(spectrum, (*cells, 0)), axes=(0, 1)).real)
    try:
        yield
    finally:
        variable.assign(before)


def _translation(shift):
    return np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]])


def _rotation(angle):
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])


def _translation_error(images, moved, shift):
    """Mean squared difference of `images` translated by `shift`, (right, down) in pixels, from the images `moved`."""
    right, down = shift
    if not np.any(shift % 1):
        reference, reach = np.roll(images, (int(down), int(right)), axis=(1, 2)), 0
    else:
        reach = REACH
        filtered = scipy.ndimage.convolve1d(images, _sinc(right % 1), axis=2)
        filtered = scipy.ndimage.convolve1d(filtered, _sinc(down % 1), axis=1)
        reference = np.roll(filtered, (int(np.floor(down)), int(np.floor(right))), axis=(1, 2))
    inside = np.zeros(images.shape[1:], bool)
    rows, columns = (
        slice(reach + max(int(np.ceil(by)), 0), side - reach + min(int(np.floor(by)), 0))
        for by, side in zip((down, right), images.shape[1:], strict=True)
    )
    inside[rows, columns] = True
    return np.mean((reference - moved)[:, inside] ** 2)


def _sinc(shift):
    """Filter taps that shift a row by `shift` pixels, 0 to 1: a sinc with a Kaiser window."""
    places = np.arange(-REACH, REACH + 1) - shift
    return np.sinc(places) * np.i0(6 * np.sqrt(np.clip(1 - (places / REACH) ** 2, 0, 1))) / np.i0(6)


def _rotation_error(images, moved, angle):
    """As `_translation_error`, within the disc that is visible at any angle, minus the reach of the splines."""
    blurred = [scipy.ndimage.gaussian_filter(each, (0, 1, 1)) for each in (images, moved)]
    turned = scipy.ndimage.rotate(blurred[0], -np.degrees(angle), axes=(1, 2), reshape=False, order=5)
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in images.shape[1:])
    disc = np.hypot(rows[:, None], columns) < min(images.shape[1:]) / 2 - 4
    return np.mean((turned - blurred[1])[:, disc] ** 2)


def _record(errors, repeats, random):
    """Value and interval in dB; as in the paper, errors are averaged before the logarithm."""
    means = errors[random.integers(len(errors), size=(repeats, len(errors)))].mean(axis=1)
    value, high, low = (float(_decibels(mean)) for mean in (errors.mean(), *np.quantile(means, [0.025, 0.975])))
    return {"value": value, "low": low, "high": high, "n": len(errors), "unit": "dB"}


def _decibels(error):
    return 10 * np.log10(4 / np.maximum(error, 1e-12))
