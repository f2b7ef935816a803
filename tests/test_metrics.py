"""The metrics against reference implementations, known answers, and the intervals against simulated truth."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.linalg import sqrtm
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import medgan_tf.metrics
from medgan_tf.datasets import ImageSet
from medgan_tf.intervals import draw_halves, half_split_interval
from medgan_tf.metrics import (
    autocorrelation_distance,
    custom,
    diversity,
    evaluate,
    extract,
    frechet_distance,
    frechet_distance_infinity,
    inception_score,
    intensity_distance,
    kernel_distance,
    ms_ssim,
    power_spectrum_distance,
    precision_recall,
    psnr,
    ssim,
    train_feature_classifier,
)
from medgan_tf.metrics.copies import copies
from medgan_tf.metrics.evaluate import PAIRS
from medgan_tf.metrics.similarity import WEIGHTS, scales, similarities

CHEST_XRAY = Path(__file__).parents[2] / "shared" / "data" / "chest_xray"
REFERENCE = {"rel": 1e-3, "abs": 1e-9}


def textures(count, sigma=2.0, seed=0, size=32, patients=None):
    """uint8 (count, size, size, 1): smoothed noise, coarser with sigma; images of a patient share three
    quarters."""
    generator = np.random.default_rng(seed)
    owner = np.arange(count) if patients is None else np.asarray(patients)
    shared = generator.normal(size=(owner.max() + 1, size, size))[owner]
    noise = 0.75 * shared + 0.25 * generator.normal(size=shared.shape) if patients is not None else shared
    smooth = ndimage.gaussian_filter(noise, (0, sigma, sigma))
    return np.clip(128 + 45 * smooth / smooth.std(), 0, 255).astype(np.uint8)[..., None]


def chest_xrays():
    """400 real chest radiographs at 64 px with their classes, no two of one patient."""
    from PIL import Image

    if not CHEST_XRAY.is_dir():
        pytest.skip("needs shared/data/chest_xray")
    table = pd.read_csv(CHEST_XRAY / "manifest.csv").drop_duplicates("patient_group").sample(400, random_state=0)
    images = [
        np.asarray(Image.open(CHEST_XRAY / name).convert("L").resize((64, 64), Image.Resampling.BICUBIC))
        for name in table["file"]
    ]
    return np.stack(images)[..., None], pd.factorize(table["class"], sort=True)[0]


@pytest.fixture(scope="module", params=["random", "textures", "chest_xray"])
def pair(request):
    """Two feature sets of unequal size, (real, fake, logits)."""
    generator = np.random.default_rng(0)
    if request.param == "random":
        return (
            generator.normal(size=(300, 96)).astype(np.float32),
            (0.3 + 1.2 * generator.normal(size=(250, 96))).astype(np.float32),
            3 * generator.normal(size=(300, 10)).astype(np.float32),
        )
    if request.param == "textures":
        images, labels = np.concatenate([textures(150, 1.5, 1), textures(150, 3.0, 2)]), np.repeat([0, 1], 150)
    else:
        images, labels = chest_xrays()
    known = ImageSet(images, labels, classes=np.unique(labels))
    feature_classifier = train_feature_classifier(known, image_size=images.shape[1], steps=60)
    features, logits = extract(feature_classifier, images)
    fake = np.clip(images + generator.normal(0, 12, images.shape), 0, 255).astype(np.uint8)
    return features[::2], extract(feature_classifier, fake[1:250:2]).features, logits


@pytest.fixture(scope="module")
def averages():
    """An extractor that needs no training: the image averaged to 6 x 6, and two of these as logits."""
    import tensorflow as tf

    def network(images):
        flat = tf.reshape(tf.image.resize(images, (6, 6), antialias=True), (len(images), 36))
        return flat, 4 * flat[:, :2]

    return custom("averages", network, 32)


def test_importing_the_package_does_not_import_tensorflow():
    code = "import sys, medgan_tf.metrics as m; assert callable(m.evaluate); print('tensorflow' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_frechet_distance_agrees_with_tensorflow_gan_and_scipy(pair):
    from medgan_tf.metrics import tfgan

    real, fake, _ = pair
    ours = frechet_distance(real, fake)
    theirs = tfgan.part("eval").frechet_classifier_distance_from_activations(real, fake)
    a, b = np.cov(real.astype(np.float64).T), np.cov(fake.astype(np.float64).T)
    means = np.square(real.mean(0, np.float64) - fake.mean(0, np.float64)).sum()
    assert ours == pytest.approx(float(theirs), **REFERENCE)
    assert ours == pytest.approx(means + np.trace(a + b - 2 * np.real(sqrtm(a @ b))), **REFERENCE)


def test_frechet_distance_with_fewer_samples_than_dimensions_agrees_with_tensorflow_gan():
    from medgan_tf.metrics import tfgan

    real, fake = np.random.default_rng(1).normal(size=(2, 60, 200))
    theirs = tfgan.part("eval").frechet_classifier_distance_from_activations(real, fake)
    assert frechet_distance(real, fake) == pytest.approx(float(theirs), **REFERENCE)


def test_kernel_distance_agrees_with_tensorflow_gan(pair):
    from medgan_tf.metrics import tfgan

    real, fake = (side.astype(np.float64) for side in pair[:2])
    import tensorflow as tf

    theirs = tfgan.part("eval").kernel_classifier_distance_from_activations(
        tf.constant(real), tf.constant(fake), max_block_size=1000
    )
    assert kernel_distance(real, fake) == pytest.approx(float(theirs), **REFERENCE)


def test_kernel_distance_does_not_depend_on_block_size(pair, monkeypatch):
    whole = kernel_distance(*pair[:2])
    monkeypatch.setattr("medgan_tf.metrics.distances.ROWS", 37)
    assert kernel_distance(*pair[:2]) == pytest.approx(whole, rel=1e-9)


def test_inception_score_agrees_with_tensorflow_gan(pair):
    from medgan_tf.metrics import tfgan

    theirs = tfgan.part("eval").classifier_score_from_logits(pair[2].astype(np.float64))
    assert inception_score(pair[2]) == pytest.approx(float(theirs), **REFERENCE)


@pytest.mark.parametrize("k", [3, 5])
def test_precision_recall_density_coverage_agree_with_prdc(pair, k, monkeypatch):
    from prdc import compute_prdc

    theirs = compute_prdc(pair[0], pair[1], k)
    assert precision_recall(pair[0], pair[1], k) == pytest.approx(theirs, **REFERENCE)
    monkeypatch.setattr("medgan_tf.metrics.coverage.ROWS", 37)
    assert precision_recall(pair[0], pair[1], k) == pytest.approx(theirs, **REFERENCE)


def test_precision_recall_treats_ties_and_duplicates_as_prdc_does():
    from prdc import compute_prdc

    points = np.repeat(np.random.default_rng(0).integers(0, 4, (60, 3)), 2, axis=0).astype(np.float32)
    assert precision_recall(points, points[:90]) == pytest.approx(compute_prdc(points, points[:90], 5))


def test_frechet_distance_of_gaussians_is_the_closed_form():
    generator = np.random.default_rng(0)
    mixing, mean = generator.normal(size=(2, 5, 5)), generator.normal(size=(2, 5))

    def exact(mean, mixing):  # a sample whose mean and covariance are exactly these
        sample = generator.normal(size=(400, 5))
        sample -= sample.mean(0)
        return mean + sample @ np.linalg.inv(np.linalg.cholesky(np.cov(sample.T))).T @ mixing.T

    a, b = (mixing[side] @ mixing[side].T for side in (0, 1))
    truth = np.square(mean[0] - mean[1]).sum() + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert frechet_distance(exact(mean[0], mixing[0]), exact(mean[1], mixing[1])) == pytest.approx(truth, rel=1e-9)


@pytest.mark.parametrize("count", [30, 64, 65, 300])
@pytest.mark.parametrize("spectrum", ["flat", "steep", "dead dimensions", "one direction", "nearly the same", "same"])
def test_frechet_distance_is_accurate_for_nearly_singular_covariances(spectrum, count):
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(2, count, 64))
    if spectrum == "steep":
        a, b = a * np.geomspace(1, 1e-9, 64), b * np.geomspace(1e-9, 10, 64)
    elif spectrum == "dead dimensions":
        a[:, 20:] = b[:, :40] = 1.0
    elif spectrum == "one direction":
        a, b = a[:, :1] @ b[:1], b + 3
    elif spectrum == "nearly the same":
        b = a + 1e-5 * b
    elif spectrum == "same":
        b = a.copy()
    centred = [(x - x.mean(0)) / np.sqrt(count - 1) for x in (a, b)]
    trace = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
    truth = np.square(a.mean(0) - b.mean(0)).sum() + sum(np.square(x).sum() for x in centred) - 2 * trace
    assert frechet_distance(a, b) == pytest.approx(truth, rel=1e-6, abs=1e-11)


def test_frechet_distance_at_infinity_is_the_line_through_the_parts():
    a, b = np.random.default_rng(0).normal(size=(2, 90, 20)) * np.array([1, 1.2])[:, None, None]
    value, sizes, distances = frechet_distance_infinity(a, b, seed=3)
    assert sizes == [90, 45, 30]
    assert distances[0] == pytest.approx(frechet_distance(a, b))
    slope, intercept = np.linalg.lstsq(np.stack([1 / np.array(sizes), np.ones(3)], 1), distances, rcond=None)[0]
    assert value == pytest.approx(intercept) and slope > 0
    assert frechet_distance_infinity(a[:60], b).sizes == [60, 30]  # 20 images do not fill 20 dimensions
    assert frechet_distance_infinity(a[:10], b).sizes == [10, 5]
    with pytest.raises(ValueError, match="at least 4 rows"):
        frechet_distance_infinity(a[:3], b)


def test_frechet_distance_at_infinity_needs_whole_patients():
    generator = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 8)
    finite, whole, torn = [], [], []
    for _ in range(200):  # two cohorts of one distribution: the truth is 0
        a, b = np.sqrt(0.9) * generator.normal(size=(2, 40, 4))[:, patients]
        a, b = (side + np.sqrt(0.1) * generator.normal(size=side.shape) for side in (a, b))
        finite.append(frechet_distance(a, b))
        whole.append(frechet_distance_infinity(a, b, patients, patients).value)
        torn.append(frechet_distance_infinity(a, b).value)
    assert abs(np.mean(whole)) < 3 * np.std(whole) / np.sqrt(200) < 0.15 * np.mean(finite)
    assert np.mean(torn) > 0.7 * np.mean(finite)  # images alone leave the patients' part of the bias


def test_identical_sets_have_no_distance_and_full_coverage():
    points = np.random.default_rng(0).normal(size=(200, 20))
    assert frechet_distance(points, points) == pytest.approx(0, abs=1e-9)
    assert kernel_distance(points, points) <= 0  # unbiased: each point meets itself across the sets only
    measured = precision_recall(points, points)
    assert measured == {"precision": 1, "recall": 1, "density": 1, "coverage": 1}


def test_inception_score_of_known_predictions():
    certain = 1000 * np.eye(5)[np.arange(50) % 5]
    assert inception_score(certain) == pytest.approx(5)
    assert inception_score(np.tile(certain[:1], (50, 1))) == pytest.approx(1)


def test_distances_raise_for_invalid_features():
    points = np.zeros((10, 3))
    with pytest.raises(ValueError, match="one D"):
        frechet_distance(points, np.zeros((10, 4)))
    with pytest.raises(ValueError, match="at least 2 rows"):
        kernel_distance(points, points[:1])
    with pytest.raises(ValueError, match="not finite"):
        frechet_distance(points, np.full((10, 3), np.nan))
    with pytest.raises(ValueError, match="at least 6 points"):
        precision_recall(points[:5], points)


def test_ms_ssim_is_that_of_tf_image_with_the_published_weights():
    import tensorflow as tf

    a, b = textures(3, 3, size=176), textures(3, 3, size=176, seed=1)
    b = (0.5 * a + 0.5 * b).astype(np.uint8)
    assert scales(176, 176) == 5
    np.testing.assert_allclose(ms_ssim(a, b), tf.image.ssim_multiscale(a, b, 255).numpy(), rtol=1e-3)


@pytest.mark.parametrize(("size", "count"), [(11, 1), (21, 2), (53, 3), (64, 3), (81, 4), (161, 5), (181, 5)])
def test_ms_ssim_uses_as_many_scales_as_the_size_allows(size, count):
    import tensorflow as tf

    a = textures(2, 2, size=size)
    b = (0.8 * a + 20).astype(np.uint8)
    weights = np.array(WEIGHTS[:count]) / sum(WEIGHTS[:count])
    assert scales(size, size) == count
    expected = tf.image.ssim_multiscale(a, b, 255, power_factors=tuple(weights)).numpy()
    np.testing.assert_allclose(ms_ssim(a, b), expected, rtol=1e-4)  # theirs is computed in float32
    if count < len(WEIGHTS):  # one scale more is refused by the library: the count is the largest possible
        with pytest.raises(tf.errors.InvalidArgumentError):
            tf.image.ssim_multiscale(a, b, 255, power_factors=WEIGHTS[: count + 1])


def test_ms_ssim_raises_for_images_smaller_than_its_window():
    with pytest.raises(ValueError, match="at least 11 pixels"):
        ms_ssim(textures(2, size=10), textures(2, size=10))


def test_ssim_and_psnr_agree_with_skimage_and_need_declared_pairs():
    a = textures(3, size=48)
    b = np.clip(a + np.random.default_rng(0).normal(0, 9, a.shape), 0, 255).astype(np.uint8)
    options = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    np.testing.assert_allclose(
        ssim(a, b, paired_by="noise"),
        [structural_similarity(x[..., 0], y[..., 0], **options) for x, y in zip(a, b, strict=True)],
    )
    np.testing.assert_allclose(
        psnr(a, b, paired_by="noise"),
        [peak_signal_noise_ratio(x, y, data_range=255) for x, y in zip(a, b, strict=True)],
    )
    assert np.isinf(psnr(a, a, paired_by="identity")).all()
    with pytest.raises(ValueError, match="paired_by"):
        ssim(a, b)
    with pytest.raises(ValueError, match="one shape"):
        psnr(a, b[:2], paired_by="noise")


def test_ssim_agrees_with_tf_image():
    import tensorflow as tf

    a, b = textures(3, size=48), textures(3, size=48, seed=0, sigma=2.2)
    # tf.image keeps only the windows that lie inside the image, so the borders of skimage's map are left out
    theirs = tf.image.ssim(tf.constant(a), tf.constant(b), 255).numpy()
    np.testing.assert_allclose(ssim(a, b, paired_by="filter"), theirs, rtol=1e-3)


def test_diversity_pairs_only_images_of_one_class_and_of_different_patients():
    two = textures(2, size=32)
    images, labels = two[[0, 0, 0, 1, 1, 1]], np.array([0, 0, 0, 1, 1, 1])
    assert diversity(images, labels) == pytest.approx(1)
    assert diversity(images) < 0.9
    assert diversity(images, patients=labels) == pytest.approx(float(ms_ssim(two[:1], two[1:])[0]), rel=1e-4)
    with pytest.raises(ValueError, match="two images of one class"):
        diversity(images, labels, patients=labels)


def held(metric, truth, patients=200, images=1, known=True, simulations=200):
    """Share of simulated studies whose 95% interval holds the truth; the images of a patient correlate by
    0.7."""
    generator, hits = np.random.default_rng(1), 0
    for seed in range(simulations):
        centre = np.sqrt(0.7) * generator.normal(size=(patients, 1, 8))
        real = (centre + np.sqrt(0.3) * generator.normal(size=(patients, images, 8))).reshape(-1, 8)
        fake = 0.3 + generator.normal(size=(len(real), 8))
        owner = np.repeat(np.arange(patients), images) if known else np.arange(len(real))
        sides = [], []
        for draw in draw_halves(owner, len(fake), seed=seed):
            for side, half, fakes in zip(
                sides, (draw.reference, draw.other), (draw.fake, draw.other_fake), strict=True
            ):
                side.append(metric(real[half], fake[fakes], owner[half]))
        _, low, high = half_split_interval(*sides)
        hits += low <= truth <= high
    return hits / simulations


def mean_difference(real, fake, owner):
    return fake[:, 0].mean() - real[:, 0].mean()


def infinite_frechet_distance(real, fake, owner):
    return frechet_distance_infinity(real, fake, owner).value


def finite_frechet_distance(real, fake, owner):
    return frechet_distance(real, fake)


def brightness_distance(real, fake, owner):
    """Of images of one grey level each, so far apart in the mean that the distance is the difference of the means."""
    levels = (np.clip(np.rint(90 + 20 * side[:, 0]), 0, 255).astype(int) for side in (real, fake + 4))
    return intensity_distance(*(np.eye(256, dtype=int)[level] for level in levels))


def spectrum_distance(real, fake, owner):
    """Of spectra of 8 rings that vary by 1 dB from image to image and differ by 3 dB."""
    return power_spectrum_distance(real, fake + 2.7)


def shifted_kernel_distance():
    """Kernel distance of N(0, I) and N(0.3, I) in 8 dimensions from E[(x.y/d + 1)^3], by its moments.

    x.y/d has mean m, variance v and third central moment t, and E[(1 + z)^3] = (1 + m)^3 + 3 (1 + m) v + t.
    """
    d, shift = 8, 0.3

    def expectation(a, b):  # means a, b in every coordinate; products of unit normals
        mean = a * b
        variance = (1 + a**2 + b**2) / d
        third = 6 * a * b / d**2
        return (1 + mean) ** 3 + 3 * (1 + mean) * variance + third

    return expectation(0, 0) + expectation(shift, shift) - 2 * expectation(0, shift)


@pytest.mark.parametrize(
    ("metric", "truth"),
    [
        (mean_difference, 0.3),
        (lambda real, fake, owner: kernel_distance(real, fake), shifted_kernel_distance()),
        (infinite_frechet_distance, 8 * 0.3**2),
        (brightness_distance, 20 * 4.3),
        (spectrum_distance, 3.0),
    ],
    ids=["mean", "kernel", "frechet at infinity", "intensity", "spectrum"],
)
def test_interval_coverage_is_95_percent(metric, truth):
    assert 0.90 <= held(metric, truth) <= 0.98
    assert 0.90 <= held(metric, truth, patients=60, images=4) <= 0.98


AT_THIS_N = ("precision", "recall", "density", "coverage", "frechet_distance", "inception_score")
AT_THIS_N += ("autocorrelation_distance", "copies")


def values_at_this_n(real, fake):
    """(8,) the values of `AT_THIS_N`, of autocovariances that vary with the features, and of a distance that does."""
    near = precision_recall(real, fake)
    covariances = [np.insert(2 + 0.5 * side[:, :7], 0, 4.0, axis=1) for side in (real, fake)]
    return [
        *(near[name] for name in AT_THIS_N[:4]),
        *(frechet_distance(real, fake), inception_score(3 * fake), autocorrelation_distance(*covariances)),
        copies(np.exp(real[:, 0]), np.exp(fake[:, 0] - 1)),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("patients", "images"), [(200, 1), (60, 4)])
def test_interval_coverage_of_the_expectation_at_n_is_95_percent(patients, images):
    """These depend on n: the truth is the mean over 800 fresh pairs of sets of n images."""
    generator, owner = np.random.default_rng(1), np.repeat(np.arange(patients), images)

    def draw(patients):
        centre = np.sqrt(0.7) * generator.normal(size=(patients, 1, 8))
        real = (centre + np.sqrt(0.3) * generator.normal(size=(patients, images, 8))).reshape(-1, 8)
        return real, 0.3 + generator.normal(size=(len(real), 8))

    truth = np.mean([values_at_this_n(*draw(patients // 2)) for _ in range(800)], axis=0)
    hits = np.zeros(len(AT_THIS_N))
    for seed in range(200):
        real, fake = draw(patients)
        draws = draw_halves(owner, len(fake), seed=seed)
        assert len(draws[0].fake) == patients // 2 * images
        values = np.array([values_at_this_n(real[draw.reference], fake[draw.fake]) for draw in draws])
        others = np.array([values_at_this_n(real[draw.other], fake[draw.other_fake]) for draw in draws])
        ends = np.array([half_split_interval(*columns) for columns in zip(values.T, others.T, strict=True)])
        hits += (ends[:, 1] <= truth) & (truth <= ends[:, 2])
    shares = dict(zip(AT_THIS_N, hits / 200, strict=True))
    assert all(0.90 <= share <= 0.98 for share in shares.values()), shares


@pytest.mark.slow
def test_interval_coverage_of_ms_ssim_is_95_percent():
    """Images of 16 pixels are mixtures of 8 patterns with noise, the four of a patient alike."""
    generator, hits, owner = np.random.default_rng(0), 0, np.repeat(np.arange(60), 4)
    patterns = ndimage.gaussian_filter(generator.normal(size=(8, 16, 16)), (0, 2, 2))
    patterns /= patterns.std((1, 2), keepdims=True)

    def draw(patients, images):
        centre = np.sqrt(0.7) * generator.normal(size=(patients, 1, 8))
        mixture = (centre + np.sqrt(0.3) * generator.normal(size=(patients, images, 8))).reshape(-1, 8)
        grey = 128 + 12 * np.tensordot(mixture, patterns, 1) + 5 * generator.normal(size=(len(mixture), 16, 16))
        return np.clip(np.rint(grey), 0, 255).astype(np.uint8)[..., None]

    truth = diversity(draw(20_000, 1), pairs=20_000)
    for seed in range(100):
        similar = similarities(draw(60, 4), pairs=PAIRS, seed=seed, patients=owner)
        draws = draw_halves(owner, len(owner), seed=seed)
        halves = ([similar.within(getattr(draw, half)) for draw in draws] for half in ("reference", "other"))
        _, low, high = half_split_interval(*halves)
        hits += low <= truth <= high
    assert 90 <= hits <= 98


def test_interval_coverage_is_low_for_biased_distances_and_unknown_patients():
    assert held(finite_frechet_distance, 8 * 0.3**2) < 0.5
    assert held(mean_difference, 0.3, patients=60, images=6, known=False) < 0.85


def test_evaluate_finds_a_faithful_generator_as_close_as_real(averages):
    patients = np.arange(160) // 2
    fake = textures(160, seed=1, patients=patients)
    measured = evaluate(ImageSet(textures(160, patients=patients), patients=patients), fake, averages)
    assert set(measured) == {
        *("frechet_distance", "kernel_distance", "precision", "recall", "density", "coverage"),
        *("inception_score", "ms_ssim", "frechet_distance_infinity", "power_spectrum_distance", "intensity_distance"),
        "autocorrelation_distance",
    }
    assert next(iter(measured)) == "kernel_distance"  # leads under 5,000 images
    for name, record in measured.items():
        assert record["better"] == "higher" or record["low"] <= record["real_vs_real_high"], name
        assert record["better"] == "lower" or record["high"] >= record["real_vs_real_low"], name
        assert record["low"] <= record["value"] <= record["high"], name
        assert record["n"] == 80 and record["patients"] == 80
        of_pixels = name in {"ms_ssim", "power_spectrum_distance", "autocorrelation_distance", "intensity_distance"}
        assert record["extractor"] == ("pixels" if of_pixels else "averages")
        assert record["weights_sha256"] == (None if of_pixels else averages.weights_sha256)
        assert record["interpretation"] in {
            "as close as real images are to each other",
            "not distinguishable at this n",
            "closer than real images are to each other",
        }, name
    assert measured["ms_ssim"]["scales"] == 2
    infinite = measured["frechet_distance_infinity"]
    assert infinite["sizes"] == [80, 40]
    assert infinite["distances"][0] == pytest.approx(measured["frechet_distance"]["value"])
    assert (
        infinite["real_vs_real_low"] < 0 < infinite["real_vs_real_high"] < measured["frechet_distance"]["real_vs_real"]
    )


def test_evaluate_detects_a_collapsed_generator(averages):
    real = textures(160)
    collapsed = np.clip(real[:1] + np.random.default_rng(0).normal(0, 4, (160, 32, 32, 1)), 0, 255).astype(np.uint8)
    measured = evaluate(real, collapsed, averages)
    assert measured["recall"]["high"] < measured["recall"]["real_vs_real_low"]
    assert measured["coverage"]["high"] < 0.1 < measured["coverage"]["real_vs_real_low"]
    assert measured["ms_ssim"]["low"] > 0.8 > measured["ms_ssim"]["real_vs_real_high"]
    assert measured["precision"]["value"] > 0.95  # which fidelity alone does not see
    assert measured["frechet_distance"]["patients"] is None


def test_evaluate_measures_diversity_within_classes(averages):
    labels = np.arange(120) % 2
    one_image_a_class = textures(2)[labels]
    real = textures(120)
    real, one_image_a_class = ImageSet(real, labels), ImageSet(one_image_a_class, labels)
    measured = evaluate(real, one_image_a_class, averages, repeats=3)
    assert measured["ms_ssim"]["within_classes"] and measured["ms_ssim"]["value"] == pytest.approx(1)
    assert evaluate(real, one_image_a_class.pixels, averages, repeats=3)["ms_ssim"]["within_classes"] is False


def test_diversity_has_an_interval_with_few_real_and_many_synthetic_images(averages):
    measured = evaluate(textures(30), textures(1500, seed=1), averages, repeats=4)["ms_ssim"]
    assert (
        measured["low"] < measured["value"] < measured["high"]
        and measured["real_vs_real_low"] < measured["real_vs_real_high"]
    )


def test_evaluate_is_reproducible_and_differs_by_seed(averages):
    real, fake = textures(60), textures(60, seed=1)
    first, again, other = (evaluate(real, fake, averages, repeats=3, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first["frechet_distance"]["value"] != other["frechet_distance"]["value"]


def test_evaluate_leaves_out_the_inception_score_without_logits():
    extractor = custom("mean", lambda images: np.asarray(images)[:, ::8, ::8, 0].reshape(len(images), -1), 32)
    assert "inception_score" not in evaluate(textures(40), textures(40, seed=1), extractor, repeats=2)


def test_evaluate_raises_for_sets_that_cannot_be_compared(averages):
    real = textures(40)
    with pytest.raises(ValueError, match="prepare all at one size"):
        evaluate(real, textures(40, size=48), averages)
    with pytest.raises(ValueError, match="must be uint8"):
        evaluate(real, real / 255, averages)
    with pytest.raises(ValueError, match="at least 12"):
        evaluate(real[:20], real, averages)
    with pytest.raises(ValueError, match="39 entries for 40 images"):
        ImageSet(real, patients=np.arange(39))


def save(folder, images, owner, classes):
    """PNG files in class folders, with a manifest that has their patients; returns the folder."""
    from PIL import Image

    rows = []
    for number, (image, patient) in enumerate(zip(images, owner, strict=True)):
        name = classes[number % len(classes)]
        (folder / name).mkdir(parents=True, exist_ok=True)
        rows.append({"file": f"{name}/{number:03d}.png", "class": name, "patient": f"p{patient:03d}"})
        Image.fromarray(image[..., 0]).save(folder / rows[-1]["file"])
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    return folder


def test_evaluate_measures_the_same_from_arrays_folders_and_manifests(averages, tmp_path):
    patients, classes = np.arange(80) // 2, ("even", "odd")
    real, fake, learned = textures(80, patients=patients), textures(80, seed=1), textures(80, seed=2)
    labels = np.arange(80) % 2
    settings = {"repeats": 3, "by_class": True}
    known = ImageSet(real, labels, patients, classes=classes), ImageSet(fake, labels, classes=classes)
    arrays = evaluate(*known, averages, learned, **settings)
    places = [
        save(tmp_path / name, images, owner, classes)
        for name, images, owner in (("real", real, patients), ("fake", fake, labels), ("learned", learned, labels))
    ]
    np.save(tmp_path / "learned.npy", learned[..., 0])
    folders = evaluate(*places[:2], averages, places[2], **settings)
    manifest = str(places[0] / "manifest.csv")
    mixed = evaluate(manifest, known[1], averages, tmp_path / "learned.npy", **settings)
    assert arrays["kernel_distance"]["patients"] == 40 and arrays["ms_ssim"]["within_classes"]
    for measured in (folders, mixed):
        assert list(measured) == list(arrays) and list(measured["classes"]) == ["even", "odd"]
        for records, others in (
            (measured, arrays),
            *zip(*(each["classes"].values() for each in (measured, arrays)), strict=True),
        ):
            for metric in set(records) - {"classes"}:
                assert records[metric]["jpg_quality"] is None
                assert records[metric] == others[metric], metric


def test_folders_without_common_classes_cannot_be_measured_by_class(averages, tmp_path):
    places = [
        save(tmp_path / name, textures(40, seed=seed), np.arange(40), classes)
        for seed, (name, classes) in enumerate({"real": ("a", "b"), "fake": ("a", "c")}.items())
    ]
    assert evaluate(*places, averages, repeats=2)["ms_ssim"]["within_classes"] is False
    with pytest.raises(ValueError, match=r"same classes on both sides, not \['a', 'b'\] and \['a', 'c'\]"):
        evaluate(*places, averages, repeats=2, by_class=True)
    with pytest.raises(ValueError, match="is not a folder"):
        evaluate(tmp_path / "nowhere", places[1], averages)


def test_a_patient_with_half_of_the_images_only_drops_repeats():
    generator = np.random.default_rng(0)
    real, fake = generator.integers(0, 256, (2, 60, 32, 32, 1), np.uint8)
    patients = np.array(["large"] * 30 + [f"p{i}" for i in range(30)])
    pixels = medgan_tf.metrics.custom("pixels", lambda images: images[:, ::4, ::4].numpy().reshape(len(images), -1), 32)
    records = evaluate(ImageSet(real, patients=patients), fake, pixels, repeats=12)
    assert np.isfinite([records["ms_ssim"][key] for key in ("value", "low", "high", "real_vs_real")]).all()
