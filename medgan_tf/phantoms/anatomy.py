"""The random model behind the phantoms: a patient's anatomy, an image's acquisition, and their geometry.

Lengths and positions are fractions of the side of the (square) image, x to the right and y downwards, unless a name
says otherwise. As on a PA film, the patient's left is on the image's right.
"""

import math
from dataclasses import dataclass

import numpy as np

SIDES = {"right": -1, "left": 1}  # the patient's side -> its direction from the midline in the image
MIDLINE = 0.5


@dataclass(frozen=True)
class Anatomy:
    """What is the same in all images of one patient, at mean breath and before shift and rotation."""

    sex: str
    age: int
    chest_depth_cm: float  # from back to front
    body_half_width: float
    lung_top: float
    lung_half_width: float
    apex_x: float  # distance of the lung apices from the midline
    mediastinum_half_width: float
    dome_right: float  # y of the diaphragm's highest points
    dome_left: float
    dome_depth: float  # from the dome down to the costophrenic angle
    heart_x: float  # centre of the heart
    heart_y: float
    heart_half_width: float
    heart_half_height: float
    aortic_knob_radius: float
    rib_count: int  # pairs
    rib_spacing: float
    rib_drop: float  # fall of a rib from the spine to its front end
    rib_radius: float
    breast_cm: float
    gas_cm: float  # thickness of the bubble in the stomach
    vessel_seed: int  # of the random tree of vessels


@dataclass(frozen=True)
class Acquisition:
    """What changes from one image of a patient to the next."""

    shift_x: float
    shift_y: float
    rotation: float  # degrees, clockwise in the image
    breath: float  # how much lower than at mean breath diaphragm and heart stand
    exposure: float  # relative dose: noise falls with its root
    noise: float  # relative noise of an unattenuated pixel of 1/256 of the image
    blur: float  # standard deviation of the focal spot's and detector's blur
    scatter: float  # scattered fraction of the dose behind the patient
    gamma: float  # steepness of the display curve
    marker: str  # lead letter, or "none"


def clipped_normal(rng, mean, deviation):
    """Draw from a normal distribution, clipped at 2.5 standard deviations."""
    return mean + deviation * float(np.clip(rng.standard_normal(), -2.5, 2.5))


def sample_anatomy(rng):
    """Draw one patient's `Anatomy` from the numpy Generator `rng`."""
    sex = str(rng.choice(["F", "M"]))
    lung_top = clipped_normal(rng, 0.125, 0.012)
    lung_half_width = clipped_normal(rng, 0.345, 0.014)
    dome_right = clipped_normal(rng, 0.70, 0.025)
    heart_half_width = lung_half_width * clipped_normal(rng, 0.45, 0.035)
    rib_count = int(rng.integers(9, 12))
    return Anatomy(
        sex=sex,
        age=int(rng.integers(18, 91)),
        chest_depth_cm=clipped_normal(rng, 22, 1.6),
        body_half_width=lung_half_width + 0.04 + min(float(rng.gamma(3, 0.018)), 0.13),
        lung_top=lung_top,
        lung_half_width=lung_half_width,
        apex_x=clipped_normal(rng, 0.125, 0.007),
        mediastinum_half_width=clipped_normal(rng, 0.062, 0.006),
        dome_right=dome_right,
        dome_left=dome_right + clipped_normal(rng, 0.025, 0.007),
        dome_depth=clipped_normal(rng, 0.13, 0.014),
        heart_x=MIDLINE + heart_half_width * clipped_normal(rng, 0.38, 0.05),
        heart_y=dome_right - clipped_normal(rng, 0.065, 0.01),
        heart_half_width=heart_half_width,
        heart_half_height=heart_half_width * clipped_normal(rng, 0.74, 0.05),
        aortic_knob_radius=clipped_normal(rng, 0.038, 0.005),
        rib_count=rib_count,
        rib_spacing=(dome_right + 0.06 - lung_top) / rib_count * clipped_normal(rng, 1, 0.03),
        rib_drop=clipped_normal(rng, 0.23, 0.025),
        rib_radius=clipped_normal(rng, 0.0135, 0.001),
        breast_cm=min(float(rng.gamma(4, 0.5)), 3.0) if sex == "F" else 0.0,
        gas_cm=float(rng.uniform(1.5, 5)) if rng.random() < 0.6 else 0.0,
        vessel_seed=int(rng.integers(2**31)),
    )


def sample_acquisition(rng):
    """Draw one image's `Acquisition` from the numpy Generator `rng`."""
    return Acquisition(
        shift_x=clipped_normal(rng, 0, 0.012),
        shift_y=clipped_normal(rng, 0, 0.012),
        rotation=clipped_normal(rng, 0, 1.2),
        breath=clipped_normal(rng, 0, 0.012),
        exposure=float(rng.lognormal(0, 0.3)),
        noise=float(rng.uniform(0.003, 0.007)),
        blur=float(rng.uniform(0.001, 0.0028)),
        scatter=float(rng.uniform(0.15, 0.45)),
        gamma=clipped_normal(rng, 3.6, 0.4),
        marker=str(rng.choice(["none", "L", "R"], p=[0.4, 0.3, 0.3])),
    )


def to_patient(acquisition, x, y):
    """Transform positions in the image to positions in the upright, centred patient."""
    cos, sin = cosine_sine(acquisition.rotation)
    x, y = x - 0.5 - acquisition.shift_x, y - 0.5 - acquisition.shift_y
    return 0.5 + cos * x + sin * y, 0.5 - sin * x + cos * y


def to_image(acquisition, x, y):
    """Transform positions in the upright, centred patient to positions in the image."""
    cos, sin = cosine_sine(acquisition.rotation)
    x, y = x - 0.5, y - 0.5
    return 0.5 + acquisition.shift_x + cos * x - sin * y, 0.5 + acquisition.shift_y + sin * x + cos * y


def cosine_sine(degrees):
    """Cosine and sine as Python floats, which keep float32 arrays in float32."""
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def dome_top(anatomy, breath, side):
    """y of the diaphragm's highest point on `side`, -1 (patient's right) or 1."""
    return (anatomy.dome_right if side < 0 else anatomy.dome_left) + breath


def lung_edges(anatomy, breath, x, y, side):
    """Distances inward from a lung's chest wall, mediastinum and diaphragm at positions in the patient.

    All three are positive inside the lung; `side` is -1 (patient's right) or 1. The heart is not subtracted.
    """
    a, dome = anatomy, dome_top(anatomy, breath, side)
    lateral = side * (x - MIDLINE)
    depth = np.clip((y - a.lung_top) / (dome + a.dome_depth - a.lung_top), 0, 1)
    wall = a.apex_x + (a.lung_half_width - a.apex_x) * (1 - (1 - depth) ** 2.7) ** 0.57
    inner = a.mediastinum_half_width + (a.apex_x - a.mediastinum_half_width) * np.exp(-np.sqrt(depth) / 0.22)
    summit = 0.42 * a.lung_half_width
    outward = np.clip((lateral - summit) / (a.lung_half_width - summit), 0, None)
    inward = np.clip((summit - lateral) / 0.2, 0, None)
    fall = a.dome_depth * outward**2.3 + 0.06 * inward**2.3
    return wall - lateral, lateral - inner, dome + fall - y


def heart_depth(anatomy, breath, x, y):
    """Depth inside the shadow of heart, aorta and great vessels at positions in the patient; negative outside."""
    a, heart_y = anatomy, anatomy.heart_y + breath
    ellipses = [  # x, y, half width, half height, tilt in degrees
        (a.heart_x, heart_y, a.heart_half_width, a.heart_half_height, 30),
        (MIDLINE - 0.022, heart_y - 0.015, 0.078, 0.105, -6),  # right atrium
        (MIDLINE + 0.040, heart_y - 0.13, 0.058, 0.13, -16),  # pulmonary trunk and left atrium
        (MIDLINE + 0.052, a.lung_top + 0.175, a.aortic_knob_radius, 1.2 * a.aortic_knob_radius, 0),
        (MIDLINE - 0.030, a.lung_top + 0.16, 0.048, 0.17, 0),  # superior vena cava
    ]
    depths = []
    for centre_x, centre_y, half_width, half_height, tilt in ellipses:
        dx, dy, (cos, sin) = x - centre_x, y - centre_y, cosine_sine(tilt)
        distance = np.hypot((cos * dx + sin * dy) / half_width, (cos * dy - sin * dx) / half_height)
        depths.append((1 - distance) * half_height)
    return np.max(depths, axis=0)


def in_lung(anatomy, breath, x, y, side, margin=0.0):
    """Whether positions in the patient lie in the visible lung of `side`, clear of heart and diaphragm."""
    edges = np.min(lung_edges(anatomy, breath, x, y, side), axis=0)
    return (edges > margin) & (heart_depth(anatomy, breath, x, y) < -margin)


def rib_lines(anatomy, points):
    """Centre lines of all ribs, tilted hoops around the chest: x, y and radius, each (ribs, points)."""
    a = anatomy
    number = np.arange(a.rib_count)[:, None]
    end = 2.25 - 0.12 * np.clip(number - 5, 0, None)  # the lowest ribs end in the flank
    angle = 0.14 + (end - 0.14) * np.linspace(0, 1, points)  # 0 at the spine, pi / 2 aside, pi at the sternum
    drop = a.rib_drop * np.clip(0.45 + 0.13 * number, None, 1)
    arch = 0.02 * np.sin(np.clip(1.6 * angle, 0, np.pi))
    y = a.lung_top - 0.015 + number * a.rib_spacing - arch + drop * (1 - np.cos(angle)) / 2
    reach = (lung_edges(a, 0, MIDLINE, y, 1)[0] + 0.008) * np.sin(angle)
    radius = a.rib_radius * (0.85 + 0.1 * angle) * np.clip(0.75 + 0.07 * number, None, 1)
    return np.concatenate([MIDLINE - reach, MIDLINE + reach]), np.tile(y, (2, 1)), np.tile(radius, (2, 1))


def vessel_tree(anatomy, breath, levels=5, roots=8):
    """Centre lines of the vessels of both lungs: x, y and radius, each (vessels, 24), thickest first."""
    rng = np.random.default_rng(anatomy.vessel_seed)
    t = np.linspace(0, 1, 24)
    side = np.repeat([-1.0, 1.0], roots)
    angle = np.tile(np.linspace(-1.25, 1.4, roots), 2) + rng.normal(0, 0.1, 2 * roots)  # below the horizontal
    x = MIDLINE + side * (anatomy.mediastinum_half_width + 0.008)
    y = anatomy.lung_top + 0.29 - 0.01 * side + breath / 2 + np.tile(np.linspace(-0.035, 0.05, roots), 2)
    radius = rng.uniform(0.007, 0.011, 2 * roots)
    lines = []
    for _ in range(levels):
        length, bend = rng.uniform(0.03, 0.09, len(x)), rng.normal(0, 0.3, len(x))
        course = angle[:, None] + bend[:, None] * t
        line_x = x[:, None] + (side * length)[:, None] * np.cos(course).cumsum(1) / len(t)
        line_y = y[:, None] + length[:, None] * np.sin(course).cumsum(1) / len(t)
        lines.append((line_x, line_y, radius[:, None] * (1 - 0.25 * t)))
        fork = rng.uniform(0.2, 0.6, len(x)) * rng.choice([-1, 1], len(x))
        x, y, side = np.repeat(line_x[:, -1], 2), np.repeat(line_y[:, -1], 2), np.repeat(side, 2)
        angle = np.stack([course[:, -1] - 0.4 * fork, course[:, -1] + fork], 1).ravel()
        radius = np.stack([0.74 * radius, 0.58 * radius], 1).ravel()
    return [np.concatenate(part) for part in zip(*lines, strict=True)]
