"""What the latents of a style-based generator hold: styles mixed, truncated, and moved along found directions.

All functions take an `inference.Generator` of a StyleGAN2 or StyleGAN3 and raise ValueError for other architectures.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

GROUPS = ("coarse", "middle", "fine")
SPREAD = 1000  # latents that tell how far w reaches along a direction


class Mixing(NamedTuple):
    """Two lists of sources, (rows, H, W, 1) and (columns, H, W, 1), and their mixtures (rows, columns, H, W, 1)."""

    rows: np.ndarray
    columns: np.ndarray
    images: np.ndarray


class Directions(NamedTuple):
    """Orthonormal directions in w (D, D), a row each, and how strongly the layers react to them (D,), falling."""

    vectors: np.ndarray
    eigenvalues: np.ndarray


def layer_numbers(generator, layers):
    """The numbers of the vectors that `layers` names: "coarse", "middle", "fine", "all", or numbers themselves.

    The three groups are a third of the vectors each; for StyleGAN2 at 64 px these are the maps of 4 to 8, of 16 to 32
    and of 64 px, the groups of Karras et al. 2019, figure 3. Raises ValueError for other names and numbers.
    """
    num_ws = generator.styles.num_ws
    cuts = [round(part * num_ws / len(GROUPS)) for part in range(len(GROUPS) + 1)]
    groups = {name: range(*cuts[i : i + 2]) for i, name in enumerate(GROUPS)} | {"all": range(num_ws)}
    numbers = groups.get(layers, ()) if isinstance(layers, str) else layers
    if (isinstance(layers, str) and layers not in groups) or not set(numbers) <= set(range(num_ws)):
        raise ValueError(f"Layers are {', '.join(groups)} or numbers from 0 to {num_ws - 1}, not {layers!r}.")
    return list(numbers)


def mixing_grid(generator, rows=4, columns=6, layers="fine", label=None, seed=0, truncation=1.0):
    """A `Mixing`: each image has the vectors of `layers` from its column's source, all others from its row's.

    The sources are the first rows + columns images of `Generator.sample`. With layers "fine" rows give the anatomy and
    columns its texture; with "coarse" the other way round. Karras et al. 2019, figure 3.
    """
    chosen = layer_numbers(generator, layers)
    w = generator.map_latents(rows + columns, label, seed, truncation)
    sources = generator.synthesise(w)
    ws = np.repeat(generator.for_layers(w[:rows])[:, None], columns, axis=1)  # (rows, columns, num_ws, D)
    ws[:, :, chosen] = w[rows:, None]
    images = generator.synthesise(ws.reshape(-1, *ws.shape[2:]))
    return Mixing(sources[:rows], sources[rows:], images.reshape(rows, columns, *images.shape[1:]))


def truncation_sweep(generator, psis=(1.0, 0.7, 0.5, 0.3, 0.0), count=6, label=None, seed=0):
    """(psis, count, H, W, 1) uint8: the same latents from most varied to the average image, Karras et al. 2019, B."""
    return np.stack([generator.synthesise(generator.map_latents(count, label, seed, psi)) for psi in psis])


def directions(generator, layers="all"):
    """The `Directions` of w that change the styles of `layers` most: closed-form factorisation (Shen and Zhou 2021).

    Unit eigenvectors of A^T A, A (C, D) being the weights of the affine functions that turn w into the styles of these
    layers. No image or label takes part: what a direction does, if one thing at all, one has to look at.
    """
    chosen = layer_numbers(generator, layers)
    affines = generator.network.get_layer("synthesis").affines()
    kernels = [affine.scale * affine.kernel.numpy() for number in chosen for affine in affines[number]]
    transposed = np.concatenate(kernels, axis=1, dtype=float)  # A^T, (D, C)
    eigenvalues, vectors = np.linalg.eigh(transposed @ transposed.T)
    return Directions(vectors.T[::-1].astype(np.float32), eigenvalues[::-1].clip(0))


def along(generator, w, direction, strengths=(-3, -1.5, 0, 1.5, 3), layers="all"):
    """(n, strengths, H, W, 1) uint8: images whose vectors of `layers` are moved along a direction (D,).

    w: (n, D) of `Generator.map_latents`, or (n, num_ws, D) of `inversion.invert`. Strengths are in standard deviations
    of w along the direction: those far beyond 2 leave what training has seen.
    """
    moves = np.asarray(strengths, float)[:, None]
    images = [moved(generator, w, [direction], move, layers) for move in moves]
    return np.stack(images, axis=1)


def moved(generator, w, vectors, strengths, layers="all"):
    """(n, H, W, 1) uint8: images whose vectors of `layers` are moved along several directions (k, D) at once.

    strengths: (k,), and w as for `along`.
    """
    vectors = np.asarray(vectors, np.float32)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    spreads = np.std(generator.map_latents(SPREAD) @ vectors.T, axis=0)  # (k,)
    ws = generator.for_layers(w).copy()
    ws[:, layer_numbers(generator, layers)] += (np.asarray(strengths) * spreads).astype(np.float32) @ vectors
    return generator.synthesise(ws)


def save_animation(images, path, frames_per_second=12):
    """Write uint8 images (n, H, W, 1) as GIF, without loss, or as MP4 (H.264), by the path's suffix; return the path.

    Raises ValueError for another suffix or other images, ImportError where PyAV, which writes MP4, is not installed.
    """
    path, images = Path(path), np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 1 or images.dtype != np.uint8 or len(images) == 0:
        raise ValueError(f"An animation is of uint8 images (n, H, W, 1), not {images.dtype} {images.shape}.")
    if path.suffix == ".gif":
        first, *others = (Image.fromarray(image[..., 0]) for image in images)
        first.save(path, save_all=True, append_images=others, duration=round(1000 / frames_per_second), loop=0)
    elif path.suffix == ".mp4":
        _save_mp4(images, path, frames_per_second)
    else:
        raise ValueError(f"{path.name} is neither .gif nor .mp4.")
    return path


def _save_mp4(images, path, frames_per_second):
    """H.264 with colours at half the resolution, which every browser plays; it needs even sides."""
    try:
        import av  # noqa: F401, what imageio writes with
        import imageio.v3 as imageio
    except ImportError as error:
        raise ImportError(f"{path.name} needs PyAV: pip install 'imageio[pyav]', or save a .gif.") from error
    height, width = images.shape[1:3]
    even = np.pad(images, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    with imageio.imopen(path, "w", plugin="pyav") as video:
        video.write(even.repeat(3, axis=-1), codec="libx264", fps=frames_per_second, out_pixel_format="yuv420p")
