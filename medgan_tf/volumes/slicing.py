"""Pictures of a volume: slices in one plane, upright, and the grey levels of their values."""

import numpy as np

from medgan_tf.dicom.grey_levels import TAILS, WINDOWS, Window

PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}  # the axis that a slice is perpendicular to
SHOWN = 0.1  # of the grey levels: brighter pixels count as foreground


def picture(values, plane, index):
    """A slice (H, W) of values (X, Y, Z) as radiologists look at it: the head or the front up.

    In axial and coronal slices the patient's right is at the left of the picture, in sagittal ones the front is.
    """
    return np.take(values, index, PLANES[plane])[::-1, ::-1].T


def pixel_aspect(spacing, plane):
    """Height over width of a pixel of `picture`."""
    across, down = (size for axis, size in enumerate(spacing) if axis != PLANES[plane])
    return down / across


def window_of(values, window):
    """The Window of values (X, Y, Z): a named one of `dicom.WINDOWS`, (center, width), or "auto".

    "auto" is that of the whole volume, so that its slices are shown alike, and robust: the background, which is all of
    one value in many files, is left out, and half a percent at each end becomes black or white.
    """
    if window != "auto":
        return Window(*WINDOWS.get(window, window))
    seen = values[values > values.min()]
    low, high = np.quantile(seen, TAILS) if seen.size else (0, 0)
    return Window((low + high) / 2, max(high - low, np.finfo(np.float32).tiny), "LINEAR_EXACT")


def chosen_slices(grey, plane, every, keep, mask=None):
    """The indices of every n-th slice of grey levels (X, Y, Z) in [0, 1] that is worth a picture.

    keep: "all", "foreground" for slices of which at least a tenth of what the fullest one has is brighter than `SHOWN`,
    or "mask" for those in which `mask` (X, Y, Z) is not 0.
    """
    others = tuple(axis for axis in range(3) if axis != PLANES[plane])
    if keep == "mask":
        wanted = mask.any(axis=others)
    else:
        bright = (grey > SHOWN).mean(axis=others)
        wanted = bright >= (0 if keep == "all" else 0.1 * bright.max())
    return [index for index in range(0, grey.shape[PLANES[plane]], every) if wanted[index]]
