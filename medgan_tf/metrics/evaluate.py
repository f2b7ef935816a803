"""All core metrics of synthetic against real images in one call, each with its n, interval and floor."""

from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from medgan_tf.intervals import TooFewError, draw_halves

from .agreement import knows_labels, label_agreement
from .copies import copies, nearest
from .coverage import precision_recall
from .distances import frechet_distance_infinity, inception_score, kernel_distance
from .features import extract
from .folders import read_sides
from .records import METRICS, record
from .similarity import Similarities, scales, similarities
from .statistics import (
    autocorrelation_distance,
    autocovariances,
    intensity_distance,
    intensity_histograms,
    power_spectra,
    power_spectrum_distance,
)

NEIGHBOURS = 5
PAIRS = 2000  # of images in MS-SSIM, a quarter of them within a half: with few, chance in drawing them is what counts
OF_PIXELS = {"ms_ssim", "power_spectrum_distance", "autocorrelation_distance", "intensity_distance"}
PIXELS = {"extractor": "pixels", "weights_sha256": None}
FEWEST_FOR_FRECHET = 5000  # images a side below which the kernel distance leads


@dataclass(frozen=True)
class Sample:
    """Images (N, H, W, 1) with what is known of each, one row an image."""

    features: np.ndarray  # (N, D)
    spectra: np.ndarray  # (N, R)
    histograms: np.ndarray  # (N, 256)
    covariances: np.ndarray  # (N, R + 1)
    places: np.ndarray  # (N,) in the set that `similarities` was taken of
    similarities: Similarities | None  # None where no class has images of two patients
    logits: np.ndarray | None  # (N, C)
    to_training: np.ndarray | None  # distance to the nearest training image
    patients: np.ndarray | None

    def take(self, indices):
        """The sample of these images."""
        return replace(
            self, **{name: part[indices] for name, part in vars(self).items() if isinstance(part, np.ndarray)}
        )


def evaluate(
    real,  # uint8 (N, H, W, 1), not seen by the generator; or a path
    fake,  # uint8 (M, H, W, 1), or a path; M >= N uses all of the real images
    extractor,  # features.Extractor
    real_labels=None,  # (N,); as all three, None for a path: what its class folders or manifest say
    fake_labels=None,  # (M,)
    real_patients=None,  # (N,); None for an array: every image is taken for its own patient
    repeats=20,
    seed=0,
    cache=None,  # folder for features
    training=None,  # uint8 (T, H, W, 1) or a path, what the generator learned from, of other patients than `real`
    image_size=None,  # pixels a side at which paths are read
    classes=None,  # names of the labels of arrays
    by_class=False,  # also each class by itself
    label_classifier=None,  # features.Extractor with logits and classes; None: the extractor, where it is one
):
    """{metric: record}, the leading metric first: the kernel distance under 5,000 images a side, from there on the
    Frechet distance, whose bias is then small.

    real, fake and training are arrays or paths, also mixed; a path is of a folder that holds class folders of JPG or
    PNG, or a manifest.csv with patients, of the manifest.csv itself, or of an .npy file. `folders.read_sides` reads
    them at one size and encodes them alike, and every record then has jpg_quality, that of the encoding, or None.
    Arrays alone are taken as they are: encode them alike before, see `encoding.alike`.

    Further the Frechet distance at infinite n, precision, recall, density, coverage, the Inception score where the
    extractor has logits, MS-SSIM within classes, the distances of power spectra, autocorrelations and intensities and,
    with `training`, `copies`. MS-SSIM and these three distances look at the pixels, all others at the features.

    A record has value, low, high (95%), the same of the real-against-real floor (floor, floor_low, floor_high), reading
    (`records.reading` in words), n (images a side in each comparison), repeats, patients (how many, or None),
    image_size ("height x width"), extractor, weights_sha256 and better. `intervals.draw_halves` explains the
    resampling, and `intervals` says how often intervals hold the truth in simulations. MS-SSIM is taken within classes
    where both sides have labels of the same classes (`within_classes`), and records its number of `scales`. For MS-SSIM
    and Inception score, which look at one set only, the floor is the same figure of real images.
    `frechet_distance_infinity` also has sizes, the distances at each of these n, and floor_distances.

    Where the labels of the synthetic images are known to a classifier, `label_agreement` is how often it names the
    class that was asked for, the mean over classes and `by_class`, without resampling by halves: n are all synthetic
    images, and the floor, if the real images' labels are known, is of all real ones, by patient; see
    `agreement.label_agreement`. A judge that chose among the generator's states is no independent one.

    With by_class there is one key more, "classes": what `evaluate_classes` returns of both sides' labels.

    Raises ValueError where the sets differ in image size or type or lack the labels asked for, and TooFewError, one
    too, where they are too small.
    """
    real, fake, training, quality = read_sides(real, fake, training, image_size)
    real = real.known(real_labels, classes, real_patients)
    fake = fake.known(fake_labels, classes)
    _check(real.images, fake.images, real.labels, fake.labels, real.patients, training)
    labelled = real.labels is not None and fake.labels is not None and real.classes == fake.classes
    labelled = labelled and len(real.classes) != 1
    if by_class and not (labelled and real.classes):
        raise ValueError(
            "each class by itself needs the same classes on both sides, not"
            f" {list(real.classes) or 'unknown ones'} and {list(fake.classes) or 'unknown ones'}"
        )
    if label_classifier is None and knows_labels(extractor, fake):
        label_classifier = extractor
    agreed = (
        {} if label_classifier is None else {"label_agreement": label_agreement(label_classifier, real, fake, cache)}
    )
    records = _evaluate(real, fake, extractor, labelled, repeats, seed, cache, training) | agreed
    if by_class:
        settings = {"repeats": repeats, "seed": seed, "cache": cache, "training": training}
        labels = real.labels, fake.labels, real.patients
        records["classes"] = evaluate_classes(real.images, fake.images, extractor, real.classes, *labels, **settings)
    if real.encodings or fake.encodings:
        for measured in (records, *records.get("classes", {}).values()):
            for name, each in measured.items():
                if name not in ("classes", "too_few"):
                    each["jpg_quality"] = quality
    return records


def evaluate_classes(real, fake, extractor, classes, real_labels, fake_labels=None, real_patients=None, **settings):
    """`evaluate` for each class by itself: {class: {metric: record}}.

    fake_labels: (M,), what was asked for; None for a generator that cannot be asked, all of whose images are then held
    against each class. Rare classes are not hidden in a mean: a class with too few images for any metric comes back
    as {"too_few": n}, its number of real images. settings: repeats, seed, cache and training, as for `evaluate`.
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


def _evaluate(real, fake, extractor, labelled, repeats, seed, cache, training):
    """The records of two `folders.Side`."""
    patients = np.arange(len(real.images)) if real.patients is None else np.asarray(real.patients)
    draws = draw_halves(patients, len(fake.images), repeats, seed)
    n = len(draws[0].fake)
    if n < 2 * (NEIGHBOURS + 1):
        raise TooFewError(
            f"{len(real.images)} real images of {len(np.unique(patients))} patients and {len(fake.images)} "
            f"synthetic ones leave {n} in each half; the metrics need at least {2 * (NEIGHBOURS + 1)}"
        )
    learned = None if training is None else extract(extractor, training, cache).features
    labels = (np.asarray(real.labels), np.asarray(fake.labels)) if labelled else (None, None)
    known, size = real.patients is not None, real.images.shape[1:3]
    pool = np.union1d(draws[0].fake, draws[0].other_fake)
    real = _sample(real.images, extractor, cache, learned, labels[0], np.arange(len(patients)), patients)
    fake = _sample(fake.images, extractor, cache, learned, labels[1], pool)
    values, others, real_vs_real = [], [], []
    for repeat, draw in enumerate(tqdm(draws, "metrics", unit="repeat", leave=False)):
        reference, other = real.take(draw.reference), real.take(draw.other)
        values.append(_measure(reference, fake.take(draw.fake), repeat))
        others.append(_measure(other, fake.take(draw.other_fake), repeat))
        real_vs_real.append(_measure(reference, other, repeat))
    shared = {"n": n, "repeats": repeats, "patients": len(np.unique(patients)) if known else None}
    shared["image_size"] = "{} x {}".format(*size)
    features = {"extractor": extractor.name, "weights_sha256": extractor.weights_sha256}
    records = {
        metric: record(metric, values, others, real_vs_real) | shared | (PIXELS if metric in OF_PIXELS else features)
        for metric in METRICS
        if metric in values[0]
    }
    records["frechet_distance_infinity"] |= _curve(values + others, real_vs_real)
    records["ms_ssim"] |= {"scales": scales(*size), "within_classes": labelled}
    leading = "kernel_distance" if n < FEWEST_FOR_FRECHET else "frechet_distance"
    return {leading: records[leading]} | records


def _sample(images, extractor, cache, learned, labels, pool, patients=None):
    """pool: indices of the images that halves are drawn from."""
    features, logits = extract(extractor, images, cache)
    to_training = None if learned is None else nearest(features, learned)
    statistics = power_spectra(images), intensity_histograms(images), autocovariances(images)
    known = {"labels": labels, "patients": patients}
    known = {name: column[pool] for name, column in known.items() if column is not None}
    try:
        pairs = similarities(images[pool], pairs=PAIRS, **known)
        pairs = replace(pairs, pairs=pool[pairs.pairs])
    except ValueError:  # each class is of one patient
        pairs = None
    return Sample(features, *statistics, np.arange(len(images)), pairs, logits, to_training, patients)


def _measure(reference, sample, seed):
    """{metric: float} of one sample against the reference, with the Frechet distance's `curve` over n."""
    frechet = frechet_distance_infinity(reference.features, sample.features, reference.patients, sample.patients, seed)
    values = {
        "frechet_distance": frechet.distances[0],
        "frechet_distance_infinity": frechet.value,
        "curve": frechet,
        "kernel_distance": kernel_distance(reference.features, sample.features),
        **precision_recall(reference.features, sample.features, NEIGHBOURS),
        "power_spectrum_distance": power_spectrum_distance(reference.spectra, sample.spectra),
        "autocorrelation_distance": autocorrelation_distance(reference.covariances, sample.covariances),
        "intensity_distance": intensity_distance(reference.histograms, sample.histograms),
    }
    if sample.logits is not None:
        values["inception_score"] = inception_score(sample.logits)
    if sample.to_training is not None:
        values["copies"] = copies(reference.to_training, sample.to_training)
    values["ms_ssim"] = np.nan if sample.similarities is None else sample.similarities.within(sample.places)
    return values


def _curve(values, real_vs_real):
    """Mean distances at each size, of the model and of the floor."""
    model, real_vs_real = (
        np.mean([each["curve"].distances for each in side], axis=0).tolist() for side in (values, real_vs_real)
    )
    return {"sizes": values[0]["curve"].sizes, "distances": model, "real_vs_real_distances": real_vs_real}


def _check(real, fake, real_labels, fake_labels, real_patients, training):
    for name, images in (("real", real), ("synthetic", fake), ("training", training)):
        if images is not None and (
            images.ndim != 4 or images.shape[-1] != 1 or images.dtype != np.uint8 or len(images) < 2
        ):
            raise ValueError(f"{name} images must be uint8 (N, H, W, 1), not {images.dtype} {images.shape}")
        if images is not None and images.shape[1:3] != real.shape[1:3]:
            raise ValueError(
                f"real images are {real.shape[1]} x {real.shape[2]} and {name} ones "
                f"{images.shape[1]} x {images.shape[2]}: prepare both at one size"
            )
    given = {"real_labels": (real_labels, real), "fake_labels": (fake_labels, fake)}
    for name, (column, images) in (given | {"real_patients": (real_patients, real)}).items():
        if column is not None and len(column) != len(images):
            raise ValueError(f"{name} has {len(column)} entries for {len(images)} images")
