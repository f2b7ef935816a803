"""A NIfTI file as an array with known axes, and what is odd about it in words."""

from dataclasses import dataclass

import nibabel
import numpy as np

TILT = 5  # degrees against the axes of the scanner from which a volume is said to be tilted
SAME = 1e-2  # mm by which two affines may differ: they are stored in float32, and one as a quaternion


class VolumeError(ValueError):
    """Why a file cannot be used, as a phrase that follows the file's name."""


@dataclass(frozen=True)
class Volume:
    """Values (X, Y, Z, T) float32 that run from left to right, from back to front, from foot to head, and in time."""

    values: np.ndarray
    spacing: tuple[float, float, float]  # mm from voxel to voxel along X, Y, Z
    affine: np.ndarray  # (4, 4), voxels to mm
    notes: tuple[str, ...]  # what is odd


def read_volume(path):
    """Read a NIfTI-1 or NIfTI-2 file, or an Analyze pair, in any orientation. Raises VolumeError.

    The axes are the nearest to those of the patient (nibabel's canonical ones): nothing is interpolated, so a tilted
    volume stays tilted. Voxels that are not numbers become the smallest value.
    """
    try:
        image = nibabel.load(path)
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError) as error:
        raise VolumeError("is no NIfTI volume, or a damaged one") from error
    if image.get_data_dtype().names:
        raise VolumeError("holds colours: only volumes of one value a voxel can be sliced")
    if not 2 <= len(image.shape) <= 7 or 0 in image.shape or any(side > 1 for side in image.shape[4:]):
        sides = " x ".join(map(str, image.shape))
        raise VolumeError(f"has the shape {sides}, where a volume has three sides and perhaps times")
    notes = list(_odd_orientation(image))
    image = nibabel.as_closest_canonical(image)
    try:
        values = image.get_fdata(dtype=np.float32, caching="unchanged").reshape((*image.shape, 1, 1)[:4])
    except (OSError, EOFError, ValueError) as error:
        raise VolumeError(f"is damaged: its voxels cannot be read ({_first_line(error)})") from error
    missing = ~np.isfinite(values)
    if missing.all():
        raise VolumeError("holds no numbers")
    if missing.any():
        notes.append(f"{missing.sum()} voxels that are not numbers are shown as the smallest value")
        values = np.where(missing, values[~missing].min(), values)
    spacing = tuple(float(each) for each in nibabel.affines.voxel_sizes(image.affine))
    return Volume(values, spacing, image.affine, tuple(notes))


def _odd_orientation(image):
    """Sentences on an orientation that is missing, contradictory or tilted."""
    header = image.header
    codes = [int(header[name]) if name in header else 0 for name in ("qform_code", "sform_code")]
    if not any(codes):
        yield "no orientation is stated: the file's own axes are taken for those of the patient"
    if all(codes) and not np.allclose(image.get_qform(), image.get_sform(), atol=SAME):
        yield "sform and qform disagree: the sform is used"
    tilt = np.degrees(nibabel.affines.obliquity(image.affine)).max()
    if tilt > TILT:
        yield f"tilted by {tilt:.0f} degrees: slices follow the axes of the file"


def _first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
