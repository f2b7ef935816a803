"""Similarity of two images after registration: a small shift and a mirroring are undone."""

import numpy as np
from skimage.measure import block_reduce
from skimage.registration import phase_cross_correlation
from tqdm import tqdm

COARSE = 16  # image side in pixels for the search of candidates, where a shift of a few pixels matters little
CANDIDATES = 8  # for each mirroring; these are registered one by one
LARGEST_SHIFT = 0.1  # fraction of the image side


def most_similar(images, references):
    """(index of the most similar reference for each image (N,) int, their correlation (N,)).

    images, references: uint8 (N, H, W, 1) and (M, H, W, 1).

    The largest correlation of grey levels, -1 to 1, over both mirrorings (left to right) and shifts of up to a tenth of
    the side, on the region that both images cover. Brightness and contrast do not matter. Candidates are the references
    with the largest correlation at 16 x 16 pixels, with a shift of at most one pixel there.
    """
    coarse = _normalised(_coarse(references)).T
    best = np.zeros(len(images), int), np.full(len(images), -1.0)
    variants = [(each, _coarse_correlation(each, coarse)) for each in (images, images[..., ::-1, :])]
    count = min(CANDIDATES, len(references))
    for index in tqdm(range(len(images)), "nearest images", unit="image", leave=False):
        for pictures, similarities in variants:
            image = pictures[index, ..., 0]
            for candidate in np.argpartition(-similarities[index], count - 1)[:count]:
                correlation = registered_correlation(references[candidate, ..., 0], image)
                if correlation > best[1][index]:
                    best[0][index], best[1][index] = candidate, correlation
    return best


def registered_correlation(reference, image):
    """The correlation of two grey images (H, W), with or without a shift of up to a tenth of the side; the larger."""
    reference, image = (picture.astype(np.float32) for picture in (reference, image))
    centred = reference - reference.mean(), image - image.mean()
    shift = phase_cross_correlation(*centred, normalization=None)[0].astype(int)
    plain = _correlation(reference, image)
    if not shift.any() or (np.abs(shift) > LARGEST_SHIFT * np.array(image.shape)).any():
        return plain
    overlap = lambda steps: tuple(slice(max(s, 0), min(s, 0) or None) for s in steps)  # noqa: E731
    return max(plain, _correlation(reference[overlap(shift)], image[overlap(-shift)]))


def _correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / norm) if norm else 0.0


def _coarse_correlation(images, references):
    """(N, M) the largest correlation over nine shifts; references (at least 256, M) are normalised."""
    coarse, steps = _coarse(images), (-1, 0, 1)
    shifted = (np.roll(coarse, (down, across), (1, 2)) for down in steps for across in steps)
    return np.max([_normalised(each) @ references for each in shifted], axis=0)


def _coarse(images):
    """(N, h, w) float32: means over blocks, about 16 x 16."""
    block = max(1, images.shape[1] // COARSE), max(1, images.shape[2] // COARSE)
    return block_reduce(images.mean(-1), (1, *block), np.mean).astype(np.float32)


def _normalised(images):
    rows = images.reshape(len(images), -1)
    rows = rows - rows.mean(1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
