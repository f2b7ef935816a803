"""Draw the radiograph of a chest-like phantom from its anatomy, acquisition and lesions.

It follows the physics of projection radiography: thicknesses of soft tissue, bone and air along the beam are added up,
attenuated by exp(-mu t), scattered, blurred, given quantum noise and displayed on a logarithmic scale. Positions and
lengths are fractions of the image side, as in `anatomy`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from .anatomy import MIDLINE, SIDES, dome_top, heart_depth, lung_edges, rib_lines, to_image, to_patient, vessel_tree

FIELD_CM = 40.0  # side of the image
TISSUE, BONE, LEAD = 0.20, 0.45, 30.0  # attenuation per cm: tissue, the additional one of bone, a marker's lead
AIR_DEPTH = 0.49  # air in the lungs along the beam, as a fraction of the chest's depth
STROKES = {  # of the lead letters: x, y of both ends in letter heights
    "L": [(0, 0, 0, 1), (0, 1, 0.6, 1)],
    "R": [(0, 0, 0, 1), (0, 0, 0.6, 0.1), (0.6, 0.1, 0.6, 0.4), (0.6, 0.4, 0, 0.5), (0.2, 0.5, 0.6, 1)],
}


@dataclass(frozen=True)
class Lesion:
    """One finding; x, y is its centre in the image (for an effusion the centre of the fluid's area)."""

    kind: str  # pneumonia, nodule or effusion
    side: str  # the patient's right or left
    x: float
    y: float
    size: float  # diameter; for an effusion the fluid's height above the costophrenic angle
    contrast: float  # fraction of the lung's air that it replaces at its centre


def draw(anatomy, acquisition, lesions, image_size, rng):
    """Draw one radiograph: float32 (image_size, image_size) in [0, 1], bone bright, air dark.

    rng: numpy Generator, for tissue texture and noise only. Its use does not depend on the lesions, so two calls with
    the same random stream differ by the lesions only.
    """
    q, size = acquisition, image_size
    lump, fluff = power_law_texture(rng, size, 1.4), power_law_texture(rng, size, 1.9, coarsest=7)
    grain = rng.standard_normal((size, size), np.float32)
    image_x, image_y = pixel_grid(size)
    x, y = to_patient(q, image_x, image_y)
    attenuation = TISSUE * soft_tissue(anatomy, q, lesions, image_x, image_y, lump, fluff)
    attenuation += BONE * bones(anatomy, q, x, y)
    if q.marker != "none":
        attenuation += LEAD * lead_marker(q.marker, size)
    dose = gaussian_filter(np.exp(-attenuation), q.blur * size)
    scattered = gaussian_filter(np.minimum(dose, 0.15), 0.06 * size, truncate=2.5, mode="nearest")
    dose += 0.3 * q.scatter * scattered
    dose += q.noise * (size / 256) * np.sqrt(dose / q.exposure) * grain
    return display_curve(-np.log(np.maximum(dose, 1e-4)), TISSUE * anatomy.chest_depth_cm, q.gamma)


def display_curve(density, full, gamma):
    """S-shaped curve from attenuation to brightness in [0, 1]; `full` is the attenuation of a chest without lungs."""
    low, high = logistic(-0.5, 1 / gamma), logistic(0.5, 1 / gamma)
    shade = logistic((density - 0.18 * full) / (0.90 * full) - 0.5, 1 / gamma)
    return np.clip((shade - low) / (high - low), 0, 1).astype(np.float32)


def soft_tissue(anatomy, acquisition, lesions, image_x, image_y, lump, fluff):
    """Soft tissue along the beam in cm; `lump` is its texture, `fluff` makes pneumonia uneven."""
    a, breath, size = anatomy, acquisition.breath, len(image_x)
    x, y = to_patient(acquisition, image_x, image_y)
    vessel_x, vessel_y, radius = vessel_tree(a, breath)
    vessels = FIELD_CM * tubes(*to_image(acquisition, vessel_x, vessel_y), radius, size)
    heart = logistic(heart_depth(a, breath, x, y), 0.003)
    tissue = body(a, x, y)
    for name, side in SIDES.items():
        wall, inner, floor = lung_edges(a, breath, x, y, side)
        apex = 0.55 + 0.45 * np.clip((y - a.lung_top) / 0.2, 0, 1)
        lung = apex * saturating(wall, 0.032) * saturating(inner, 0.02) * saturating(floor, 0.012) * (1 - 0.82 * heart)
        solid = np.zeros_like(x)
        for lesion in (lesion for lesion in lesions if lesion.side == name):
            solid = np.maximum(solid, lesion_fraction(a, acquisition, lesion, image_x, image_y, fluff))
        air = AIR_DEPTH * a.chest_depth_cm * (1 + 0.04 * lump)
        tissue -= (lung * air - 2.0 * np.clip(3 * lung, 0, 1) * vessels) * (1 - solid)
        hilum = np.hypot((x - MIDLINE - 0.08 * side) / 0.04, (y - a.lung_top - 0.3 + 0.01 * side) / 0.06)
        tissue += 1.5 * sphere(hilum)
        breast = np.hypot((x - MIDLINE - 0.19 * side) / 0.16, (y - a.dome_right + 0.02) / 0.16)
        tissue += a.breast_cm * sphere(breast) * np.clip((y - 0.42) / 0.2, 0, 1)
    gas = np.hypot((x - MIDLINE - 0.14) / 0.07, (y - a.dome_left - breath - 0.058) / 0.04)
    tissue -= a.gas_cm * sphere(gas) ** 2 + airways(a, acquisition, size)
    return np.clip(tissue * (1 + 0.012 * lump), 0, None)


def body(anatomy, x, y):
    """Thickness of the filled body along the beam in cm: trunk and shoulders, neck, arms."""
    a, offset = anatomy, np.abs(x - MIDLINE)
    below_shoulder = y - 0.045 - 0.5 * np.clip(offset - 0.09, 0, None) ** 1.2
    trunk = a.chest_depth_cm * sphere(offset / a.body_half_width) ** 0.5
    trunk *= 0.74 + 0.26 * saturating(below_shoulder, 0.2)
    gap = a.body_half_width + 0.01 + 0.35 * np.clip(y - 0.33, 0, None)
    arm = 10 * np.sqrt(saturating(offset - gap, 0.06) + logistic(0.36 - y, 0.02) * (offset > 0.25)).clip(0, 1)
    neck = 11 * sphere(offset / (0.105 + 0.2 * np.clip(0.06 - y, 0, None)))
    below = np.maximum(trunk, arm) * np.sqrt(saturating(below_shoulder, 0.04))
    return np.maximum(below, neck * logistic(0.2 - y, 0.02))


def airways(anatomy, acquisition, size):
    """Air in the trachea and main bronchi along the beam in cm."""
    carina = anatomy.lung_top + 0.235
    t = np.linspace(0, 1, size)[None]
    trachea = MIDLINE - 0.008 * t, -0.1 + (carina + 0.1) * t
    reach, fall = np.array([[-0.065], [0.08]]), np.array([[0.07], [0.06]])  # of the right and left bronchus
    bronchi = MIDLINE - 0.008 + reach * t, carina - 0.012 + fall * t
    air = 0.85 * tubes(*to_image(acquisition, *trachea), 0.021 - 0.009 * t**6, size)
    air += 0.7 * tubes(*to_image(acquisition, *bronchi), np.full((2, size), 0.013), size)
    return FIELD_CM * air


def bones(anatomy, acquisition, x, y):
    """Bone along the beam in cm: ribs, clavicles, shoulder blades, upper arms and spine."""
    a, size = anatomy, len(x)
    t = np.linspace(0, 1, size)[None]
    sides = np.array([[-1], [1]])

    rib_x, rib_y, radius = rib_lines(a, size)
    bone = tubes(*to_image(acquisition, rib_x, rib_y), radius, size, hollow=0.7)
    clavicle_y = np.tile(a.lung_top + 0.08 - 0.07 * t - 0.02 * np.sin(2 * np.pi * t), (2, 1))
    clavicle = to_image(acquisition, MIDLINE + sides * (0.028 + 0.32 * t), clavicle_y)
    bone += 1.3 * tubes(*clavicle, np.tile(0.012 + 0.005 * (2 * t - 1) ** 2, (2, 1)), size, hollow=0.7)
    shoulder = a.body_half_width + 0.01
    humerus = MIDLINE + sides * (shoulder + 0.02 + 0.14 * t**1.5), np.tile(0.22 + 0.5 * t, (2, 1))
    bone += tubes(*to_image(acquisition, *humerus), np.full((2, size), 0.028), size, hollow=0.6)
    bone *= FIELD_CM

    lateral = np.abs(x - MIDLINE)
    bone += 1.6 * sphere(np.hypot(lateral - shoulder, y - 0.215) / 0.055)
    medial, upper, outer = lateral - 0.23 - 0.2 * y, y - 0.13 - 0.1 * lateral, 0.56 - y / 2 - lateral
    blade = np.min([medial, upper, outer, 0.44 - y], axis=0)
    bone += logistic(blade, 0.004) * (0.35 + 0.7 * np.exp(-np.clip(blade, 0, None) / 0.008))

    phase = (y - 0.02) / 0.056 % 1  # within a vertebra and its disc
    waist = 0.036 + 0.004 * np.cos(2 * np.pi * phase)
    bone += (0.3 + 0.3 * logistic(0.38 - np.abs(phase - 0.5), 0.04)) * np.sqrt(sphere((x - MIDLINE) / waist))
    for offset, level in [(-0.021, 0.35), (0.021, 0.35), (0, 0.8)]:  # pedicles and spinous process
        bone += 0.35 * sphere(np.hypot((x - MIDLINE - offset) / 0.009, (phase - level) * 0.056 / 0.013))
    return bone


def lesion_fraction(anatomy, acquisition, lesion, image_x, image_y, fluff):
    """Fraction of the lung's air that a lesion replaces at positions in the image."""
    if lesion.kind == "effusion":
        x, y = to_patient(acquisition, image_x, image_y)
        depth = effusion_depth(anatomy, acquisition.breath, x, y, SIDES[lesion.side], lesion.size)
        return lesion.contrast * logistic(depth, 0.005)
    radius = np.hypot(image_x - lesion.x, image_y - lesion.y) / (lesion.size / 2)
    if lesion.kind == "nodule":
        return lesion.contrast * sphere(radius) ** 0.8
    bronchi = [line[:120] for line in vessel_tree(anatomy, acquisition.breath)]  # the larger ones follow vessels
    bronchi[:2] = to_image(acquisition, bronchi[0] + 0.006, bronchi[1] - 0.006)
    aerated = np.clip(25 * tubes(*bronchi, len(fluff)), 0, 0.35)
    return lesion.contrast * logistic(1 - radius + 0.3 * fluff, 0.15) * (1 - aerated)


def effusion_depth(anatomy, breath, x, y, side, height):
    """Depth below the surface of an effusion: a meniscus that reaches `height` above the costophrenic angle."""
    wall = lung_edges(anatomy, breath, x, y, side)[0]
    top = dome_top(anatomy, breath, side) + anatomy.dome_depth - height
    return y - top - 0.4 * height * (1 - np.exp(-np.clip(wall, 0, None) / 0.06))


def lead_marker(letter, size):
    """Thickness in cm of a lead letter beside the patient's shoulder, in the image's upper corner."""
    left, height = (0.9 if letter == "L" else 0.06), 0.05
    x1, y1, x2, y2 = (np.array(STROKES[letter]).T * height)[..., None]
    t = np.linspace(0, 1, size)
    x, y = left + x1 + (x2 - x1) * t, height + y1 + (y2 - y1) * t
    return FIELD_CM * tubes(x, y, np.full(x.shape, 0.0035), size)


def tubes(x, y, radius, size, hollow=0.0):
    """Project round tubes: their thickness along the beam in image widths, float32 (size, size).

    x, y, radius: (tubes, points), centre lines in the image and the radius along them. hollow: inner radius as a
    fraction of the radius. Small pieces of volume are added to the pixels bilinearly, so thin tubes get faint instead
    of broken.
    """
    dx, dy = np.gradient(x, axis=1), np.gradient(y, axis=1)
    step = np.hypot(dx, dy)
    count = int(np.ceil(3 * size * radius.max())) + 3
    across = (np.arange(count) + 0.5) / count * 2 - 1
    chord = 2 * (np.sqrt(1 - across**2) - np.sqrt(np.clip(hollow**2 - across**2, 0, None)))
    volume = (step * radius**2)[..., None] * chord * (2 / count) * size**2
    columns = (x[..., None] - (dy / step * radius)[..., None] * across) * size - 0.5
    rows = (y[..., None] + (dx / step * radius)[..., None] * across) * size - 0.5
    inside = (columns > -1) & (columns < size) & (rows > -1) & (rows < size)
    columns, rows, volume = columns[inside] + 1, rows[inside] + 1, volume[inside]  # a border of one pixel
    left, top = columns.astype(np.int32), rows.astype(np.int32)
    right_weight, lower_weight = columns - left, rows - top
    width = size + 2
    image = np.zeros(width * width)
    for down, weight in [(0, volume * (1 - lower_weight)), (1, volume * lower_weight)]:
        index = (top + down) * width + left
        image += np.bincount(index, weight * (1 - right_weight), image.size)
        image += np.bincount(index + 1, weight * right_weight, image.size)
    return image.reshape(width, width)[1:-1, 1:-1].astype(np.float32)


def power_law_texture(rng, size, exponent, coarsest=1):
    """Random texture float32 (size, size): mean 0, deviation 1, power-law spectrum, flat below `coarsest` cycles."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]) * size
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / np.maximum(frequency, coarsest) ** exponent
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, s=(size, size))
    return (field / field.std()).astype(np.float32)


def pixel_grid(size):
    """x and y of the pixel centres, each float32 (size, size)."""
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size
    return np.meshgrid(centres, centres)


def sphere(radius):
    """Relative thickness of a ball at `radius` from its centre: 1 at 0, 0 from 1 on."""
    return np.sqrt(np.clip(1 - radius**2, 0, None))


def saturating(distance, length):
    """0 at and outside an edge; approaches 1 inside it exponentially, with this length."""
    return 1 - np.exp(-np.clip(distance, 0, None) / length)


def logistic(distance, width):
    """Logistic edge from 0 to 1, `width` being its scale."""
    return 1 / (1 + np.exp(np.clip(-distance / width, -40, 40)))
