"""All core metrics of synthetic against real images in one call, each with its n, interval and floor."""

from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from .coverage import precision_recall
from .distances import frechet_distance, inception_score, kernel_distance
from .features import extract
from .intervals import TooFewError, draw_halves, summary
from .similarity import diversity, scales

NEIGHBOURS = 5
METRICS = {  # name: (which direction is better, lowest and highest possible value)
    "frechet_distance": ("lower", 0, np.inf),
    "kernel_distance": ("lower", -np.inf, np.inf),  # unbiased, so it may be negative
    "precision": ("higher", 0, 1),
    "recall": ("higher", 0, 1),
    "density": ("closer to floor", 0, np.inf),  # above 1 where fakes crowd into the densest real places
    "coverage": ("higher", 0, 1),
    "inception_score": ("higher", 1, np.inf),
    "ms_ssim": ("closer to floor", 0, 1),
}


@dataclass(frozen=True)
class Sample:
    """Images (N, H, W, 1) with what is known of each: features (N, D), logits (N, C), labels (N,), patients
    (N,)."""

    images: np.ndarray
    features: np.ndarray
    logits: np.ndarray | None = None
    labels: np.ndarray | None = None
    patients: np.ndarray | None = None

    def take(self, indices):
        """The sample of these images."""
        return replace(self, **{name: part[indices] for name, part in vars(self).items() if part is not None})


def evaluate(
    real,  # uint8 (N, H, W, 1), not seen by the generator
    fake,  # uint8 (M, H, W, 1); M >= N uses all of the real images
    extractor,  # features.Extractor
    real_labels=None,  # (N,)
    fake_labels=None,  # (M,)
    real_patients=None,  # (N,); None: every image is taken for its own patient
    repeats=20,
    seed=0,
    cache=None,  # folder for features
):
    """{metric: record} for the Frechet and kernel distance, precision, recall, density, coverage, MS-SSIM
    within classes and, where the extractor has logits, the Inception score.

    A record has value, low, high (95%), the same of the real-against-real floor (floor, floor_low,
    floor_high), n (images a side in each comparison), repeats, patients (how many, or None), extractor,
    weights_sha256 and better. `intervals.draw_halves` explains the resampling. MS-SSIM is taken within
    classes where both sides have labels (`within_classes`), and records its number of `scales`. For MS-SSIM
    and Inception score, which look at one set only, the floor is the same figure of real images.

    Raises ValueError where the sets differ in image size or type, and TooFewError, one too, where they are too small.
    """
    _check(real, fake, real_labels, fake_labels, real_patients)
    labelled = real_labels is not None and fake_labels is not None
    patients = np.arange(len(real)) if real_patients is None else np.asarray(real_patients)
    real = Sample(
        real,
        *extract(extractor, real, cache),
        np.asarray(real_labels) if labelled else None,
        patients=patients,
    )
    fake = Sample(fake, *extract(extractor, fake, cache), np.asarray(fake_labels) if labelled else None)
    draws = draw_halves(patients, len(fake.images), repeats, seed)
    n = len(draws[0].fake)
    if n < 2 * (NEIGHBOURS + 1):
        raise TooFewError(
            f"{len(real.images)} real images of {len(np.unique(patients))} patients and {len(fake.images)} "
            f"synthetic ones leave {n} in each half; the metrics need at least {2 * (NEIGHBOURS + 1)}"
        )
    values, floors = [], []
    for repeat, draw in enumerate(tqdm(draws, "metrics", unit="repeat", leave=False)):
        reference = real.take(draw.reference)
        values.append(_measure(reference, fake.take(draw.fake), repeat))
        floors.append(_measure(reference, real.take(draw.other), repeat))
    shared = {
        "n": n,
        "repeats": repeats,
        "patients": None if real_patients is None else len(np.unique(patients)),
        "extractor": extractor.name,
        "weights_sha256": extractor.weights_sha256,
    }
    records = {name: _record(name, values, floors) | shared for name in values[0]}
    records["ms_ssim"] |= {"scales": scales(*real.images.shape[1:3]), "within_classes": labelled}
    return records


def evaluate_classes(real, fake, extractor, classes, real_labels, fake_labels=None, real_patients=None, **settings):
    """`evaluate` for each class by itself: {class: {metric: record}}.

    fake_labels: (M,), what was asked for; None for a generator that cannot be asked, all of whose images are then held
    against each class. Rare classes are not hidden in a mean: a class with too few images for any metric comes back
    as {"too_few": n}, its number of real images. settings: repeats, seed and cache, as for `evaluate`.
    """
    patients = np.arange(len(real)) if real_patients is None else np.asarray(real_patients)
    records = {}
    for label, name in enumerate(classes):
        own = np.asarray(real_labels) == label
        asked = fake if fake_labels is None else fake[np.asarray(fake_labels) == label]
        try:
            records[name] = evaluate(real[own], asked, extractor, real_patients=patients[own], **settings)
        except TooFewError:
            records[name] = {"too_few": int(own.sum())}
    return records


def _measure(reference, sample, seed):
    """{metric: float} of one sample against the reference."""
    values = {
        "frechet_distance": frechet_distance(reference.features, sample.features),
        "kernel_distance": kernel_distance(reference.features, sample.features),
        **precision_recall(reference.features, sample.features, NEIGHBOURS),
    }
    if sample.logits is not None:
        values["inception_score"] = inception_score(sample.logits)
    try:
        values["ms_ssim"] = diversity(sample.images, sample.labels, seed=seed, patients=sample.patients)
    except ValueError:  # a half that happens to hold one patient alone has no two images to compare
        values["ms_ssim"] = np.nan
    return values


def _record(name, values, floors):
    better, *limits = METRICS[name]
    value, low, high = summary([each[name] for each in values], *limits)
    floor, floor_low, floor_high = summary([each[name] for each in floors], *limits)
    return {
        "value": value,
        "low": low,
        "high": high,
        "floor": floor,
        "floor_low": floor_low,
        "floor_high": floor_high,
        "better": better,
    }


def _check(real, fake, real_labels, fake_labels, real_patients):
    for name, images in (("real", real), ("synthetic", fake)):
        if images.ndim != 4 or images.shape[-1] != 1 or images.dtype != np.uint8 or len(images) < 2:
            raise ValueError(f"{name} images must be uint8 (N, H, W, 1), not {images.dtype} {images.shape}")
    if real.shape[1:3] != fake.shape[1:3]:
        raise ValueError(
            f"real images are {real.shape[1]} x {real.shape[2]} and synthetic ones "
            f"{fake.shape[1]} x {fake.shape[2]}: prepare both at one size"
        )
    given = {"real_labels": (real_labels, real), "fake_labels": (fake_labels, fake)}
    for name, (column, images) in (given | {"real_patients": (real_patients, real)}).items():
        if column is not None and len(column) != len(images):
            raise ValueError(f"{name} has {len(column)} entries for {len(images)} images")
