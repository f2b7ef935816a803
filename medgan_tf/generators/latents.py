"""Explore the latent space of a StyleGAN: style mixing, truncation, directions; save the result as an animation.

All functions take a `generators.Generator` of a StyleGAN2 or StyleGAN3 and raise ValueError for other architectures.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from medgan_tf.sources import displayed

GROUPS = ("coarse", "middle", "fine")
SPREAD_LATENTS = 1000  # latents that the standard deviation of w along a direction is estimated from


class Mixing(NamedTuple):
    """Source images (rows, H, W, 1) and (columns, H, W, 1), and their mixtures (rows, columns, H, W, 1); uint8."""

    rows: np.ndarray
    columns: np.ndarray
    images: np.ndarray


class Directions(NamedTuple):
    """Orthonormal directions in w, the rows of (D, D), and how strongly the layers react to them, (D,) decreasing."""

    vectors: np.ndarray
    eigenvalues: np.ndarray


def layer_numbers(generator, layers):
    """List the layer numbers of a group ("coarse", "middle", "fine" or "all"); a list of numbers is only checked.

    Each group is a third of the layers. For StyleGAN2 at 64 px these are the maps of 4 to 8 px, 16 to 32 px and 64 px,
    the groups of Karras et al. 2019, figure 3. Raises ValueError for other names and numbers.
    """
    num_ws = generator.styles.num_ws
    cuts = [round(part * num_ws / len(GROUPS)) for part in range(len(GROUPS) + 1)]
    groups = {name: range(*cuts[i : i + 2]) for i, name in enumerate(GROUPS)} | {"all": range(num_ws)}
    numbers = groups.get(layers, ()) if isinstance(layers, str) else layers
    if (isinstance(layers, str) and layers not in groups) or not set(numbers) <= set(range(num_ws)):
        raise ValueError(f"Layers are {', '.join(groups)} or numbers from 0 to {num_ws - 1}, not {layers!r}.")
    return list(numbers)


def mixing_grid(generator, rows=4, columns=6, layers="fine", label=None, seed=0, truncation=1.0):
    """Mix styles: a `Mixing` whose images take `layers` from their column's source and all others from their row's.

    The sources are the first rows + columns images of `Generator.sample`. With layers "fine", rows determine the
    anatomy and columns the texture; with "coarse" it is the other way round (Karras et al. 2019, figure 3).
    """
    chosen = layer_numbers(generator, layers)
    w = generator.map_latents(rows + columns, label, seed, truncation)
    sources = generator.synthesise(w)
    ws = np.repeat(generator.for_layers(w[:rows])[:, None], columns, axis=1)  # (rows, columns, num_ws, D)
    ws[:, :, chosen] = w[rows:, None]
    images = generator.synthesise(ws.reshape(-1, *ws.shape[2:]))
    return Mixing(sources[:rows], sources[rows:], images.reshape(rows, columns, *images.shape[1:]))


def truncation_sweep(generator, psis=(1.0, 0.7, 0.5, 0.3, 0.0), count=6, label=None, seed=0):
    """Images (psis, count, H, W, 1) uint8 of the same latents, truncated by each psi (Karras et al. 2019, B)."""
    return np.stack([generator.synthesise(generator.map_latents(count, label, seed, psi)) for psi in psis])


def directions(generator, layers="all"):
    """Find the `Directions` of w that change the styles of `layers` most, by closed-form factorisation (SeFa).

    They are the unit eigenvectors of A^T A, where A (C, D) are the weights of the affine functions from w to the styles
    of these layers (Shen and Zhou 2021, arXiv 2007.06600). No image or label is used: look at the images to see what a
    direction changes, and whether it is one thing.
    """
    chosen = layer_numbers(generator, layers)
    affines = generator.network.get_layer("synthesis").affines()
    kernels = [affine.scale * affine.kernel.numpy() for number in chosen for affine in affines[number]]
    transposed = np.concatenate(kernels, axis=1, dtype=float)  # A^T, (D, C)
    eigenvalues, vectors = np.linalg.eigh(transposed @ transposed.T)
    return Directions(vectors.T[::-1].astype(np.float32), eigenvalues[::-1].clip(0))


def along(generator, w, direction, strengths=(-3, -1.5, 0, 1.5, 3), layers="all"):
    """Images (n, strengths, H, W, 1) uint8 of w, moved along a direction (D,) in the given layers.

    w: (n, D) of `Generator.map_latents`, or (n, num_ws, D) of `generators.invert`. strengths: in standard deviations of
    w along the direction; far above 2, images are unlike those of training.
    """
    return np.stack([moved(generator, w, [direction], [strength], layers) for strength in strengths], axis=1)


def moved(generator, w, vectors, strengths, layers="all"):
    """Images (n, H, W, 1) uint8 of w, moved along several directions (k, D) at once in the given layers.

    strengths: (k,); w and the unit of strengths are those of `along`.
    """
    vectors = np.asarray(vectors, np.float32)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    spreads = np.std(generator.map_latents(SPREAD_LATENTS) @ vectors.T, axis=0)  # (k,)
    ws = generator.for_layers(w).copy()
    ws[:, layer_numbers(generator, layers)] += (np.asarray(strengths) * spreads).astype(np.float32) @ vectors
    return generator.synthesise(ws)


def save_animation(images, path, frames_per_second=12):
    """Save uint8 images (n, H, W, C) as GIF or as MP4 (H.264), by the path's suffix; return the path.

    A GIF has up to 256 colours, so that grey is lossless. Raises ValueError for another suffix or other images, and
    ImportError for MP4 without PyAV.
    """
    path, images = Path(path), np.asarray(images)
    if images.ndim != 4 or images.dtype != np.uint8 or len(images) == 0:
        raise ValueError(f"An animation is of uint8 images (n, H, W, C), not {images.dtype} {images.shape}.")
    pictures = np.stack([displayed(image) for image in images])
    if path.suffix == ".gif":
        first, *others = map(Image.fromarray, pictures)
        first.save(path, save_all=True, append_images=others, duration=round(1000 / frames_per_second), loop=0)
    elif path.suffix == ".mp4":
        _save_mp4(pictures, path, frames_per_second)
    else:
        raise ValueError(f"{path.name} is neither .gif nor .mp4.")
    return path


def _save_mp4(pictures, path, frames_per_second):
    """Write H.264 with 4:2:0 colours, which every browser plays and which needs an even height and width."""
    try:
        import av  # noqa: F401, imageio uses it
        import imageio.v3 as imageio
    except ImportError as error:
        raise ImportError(f"{path.name} needs PyAV: pip install 'imageio[pyav]', or save a .gif.") from error
    if pictures.ndim == 3:
        pictures = pictures[..., None].repeat(3, axis=-1)
    height, width = pictures.shape[1:3]
    even = np.pad(pictures, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    with imageio.imopen(path, "w", plugin="pyav") as video:
        video.write(even, codec="libx264", fps=frames_per_second, out_pixel_format="yuv420p")
