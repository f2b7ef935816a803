"""Our metrics against reference implementations given the same features or images, on one core.

Features are correlated Gaussians, the fakes shifted and stretched; images are smoothed noise, the second of each pair
the first with noise. An error is the largest difference relative to the largest reference value. Frechet distances are
also measured at the 2048 dimensions of Inception's features.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_limits

from benchmarks import interleaved_timing
from medgan_tf import metrics

PAIRED = "noise added"
TORCH = {  # name in torch_fidelity_metrics.py: our metric
    "frechet": ("Frechet distance", metrics.frechet_distance),
    "kernel": ("kernel distance", metrics.kernel_distance),
    "precision and recall": (
        "precision, recall (k = 3)",
        lambda a, b: [metrics.precision_recall(a, b, 3)[name] for name in ("precision", "recall")],
    ),
}


def features(count, width, seed=0):
    """real and fake (count, width) float32, logits (count, 20) float32."""
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(width, width)) / np.sqrt(width) * np.geomspace(1, 0.05, width)
    real, fake = generator.normal(size=(2, count, width)) @ mixing
    return tuple(part.astype(np.float32) for part in (real, 1.1 * fake + 0.02, 3 * generator.normal(size=(count, 20))))


def images(count, size=192, seed=0):
    """Two uint8 sets (count, size, size, 1), pair by pair the same but for noise."""
    generator = np.random.default_rng(seed)
    smooth = gaussian_filter(generator.normal(size=(count, size, size, 1)), (0, 3, 3, 0))
    clean = 128 + 45 * smooth / smooth.std()
    return tuple(np.clip(x, 0, 255).astype(np.uint8) for x in (clean, clean + generator.normal(0, 12, clean.shape)))


def frechet_by_square_root(a, b):
    """The definition, with scipy's matrix square root."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    first, second = np.cov(a.T), np.cov(b.T)
    return np.square(a.mean(0) - b.mean(0)).sum() + np.trace(first + second - 2 * np.real(sqrtm(first @ second)))


def on_features(real, fake, logits):
    """{(metric, reference): (ours, theirs)}, functions without arguments."""
    import tensorflow as tf
    from prdc import compute_prdc

    from medgan_tf.metrics import tfgan

    tensors = [tf.constant(side, tf.float64) for side in (real, fake)]
    gan = tfgan.part("eval")

    def kernel_by_tensorflow_gan():
        return gan.kernel_classifier_distance_from_activations(*tensors, max_block_size=len(real)).numpy()

    def frechet():
        return metrics.frechet_distance(real, fake)

    return {
        ("Frechet distance", "scipy sqrtm"): (frechet, lambda: frechet_by_square_root(real, fake)),
        ("Frechet distance", "tensorflow-gan"): (
            frechet,
            lambda: gan.frechet_classifier_distance_from_activations(*tensors).numpy(),
        ),
        ("kernel distance", "tensorflow-gan"): (lambda: metrics.kernel_distance(real, fake), kernel_by_tensorflow_gan),
        ("Inception score", "tensorflow-gan"): (
            lambda: metrics.inception_score(logits),
            lambda: gan.classifier_score_from_logits(logits.astype(np.float64)).numpy(),
        ),
        ("precision, recall, density, coverage", "prdc"): (
            lambda: in_order(metrics.precision_recall(real, fake)),
            lambda: in_order(compute_prdc(real, fake, 5)),
        ),
    }


def in_order(measured):
    """The values of a dict by its keys' order in the alphabet."""
    return [measured[name] for name in sorted(measured)]


def on_images(a, b):
    """The same of image pairs."""
    import tensorflow as tf
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    options = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    pairs = [(x[..., 0], y[..., 0]) for x, y in zip(a, b, strict=True)]
    tensors = tf.constant(a), tf.constant(b)

    def ssim():
        return metrics.ssim(a, b, PAIRED)

    def psnr():
        return metrics.psnr(a, b, PAIRED)

    return {
        ("SSIM", "scikit-image"): (ssim, lambda: [structural_similarity(*pair, **options) for pair in pairs]),
        ("SSIM", "tf.image"): (ssim, lambda: tf.image.ssim(*tensors, 255).numpy()),
        ("PSNR", "scikit-image"): (psnr, lambda: [peak_signal_noise_ratio(*pair, data_range=255) for pair in pairs]),
        ("PSNR", "tf.image"): (psnr, lambda: tf.image.psnr(*tensors, 255).numpy()),
        ("MS-SSIM", "tf.image"): (
            lambda: metrics.ms_ssim(a, b),
            lambda: tf.image.ssim_multiscale(*tensors, 255).numpy(),
        ),
    }


def on_torch(real, fake, options, suffix):
    """Rows against torch-fidelity, which measures itself between our rounds; without it they say "not run"."""
    rounds = {}
    with tempfile.TemporaryDirectory() as folder:
        if options.torch_python:
            np.savez(Path(folder) / "features.npz", real=real, fake=fake)
            script = Path(__file__).resolve().with_name("torch_fidelity_metrics.py")
            command = [options.torch_python, script, Path(folder) / "features.npz", str(options.rounds)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
            if done.returncode:
                sys.exit(f"{options.torch_python} failed as said above; are its torch and torchvision of one build?")
            rounds = json.loads(done.stdout)
    for name, (metric, ours) in TORCH.items():
        value, own = interleaved_timing.interleave({name: lambda ours=ours: ours(real, fake)}, options.rounds)[name]
        theirs = rounds.get(name)
        error = {"relative_error": relative_error(value, theirs["value"])} if theirs else {}
        yield interleaved_timing.compared(
            metric + suffix, "torch-fidelity", 1, "calls", own, theirs and theirs["timings"], **error
        )


def relative_error(value, reference):
    """The largest difference over the largest reference value."""
    value, reference = np.asarray(value, np.float64), np.asarray(reference, np.float64)
    return float(np.abs(value - reference).max() / np.abs(reference).max())


def side_by_side(pairs, rounds, suffix=""):
    """A row for each {(metric, reference): (ours, theirs)}."""
    for (metric, reference), functions in pairs.items():
        found = interleaved_timing.interleave(dict(zip(("ours", "theirs"), functions, strict=True)), rounds)
        (value, ours), (expected, theirs) = found["ours"], found["theirs"]
        error = relative_error(value, expected)
        yield interleaved_timing.compared(metric + suffix, reference, 1, "calls", ours, theirs, relative_error=error)


def main():
    """Measure, print the table."""
    parser = interleaved_timing.parser(__doc__, rounds=3)
    parser.add_argument("--count", type=int, default=2000, help="features a side")
    parser.add_argument("--width", type=int, default=512, help="of the features")
    parser.add_argument("--images", type=int, default=32, help="pairs of 192 pixels")
    parser.add_argument("--large", type=int, default=2048, help="width of the features of the large Frechet distances")
    options = parser.parse_args()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    real, fake, logits = features(options.count, options.width)
    rows = []

    def keep(found):
        for row in found:
            rows.append(row)
            interleaved_timing.save(options.json, rows)

    with threadpool_limits(1):
        suffix = f", {options.count} x {options.width}"
        keep(side_by_side(on_features(real, fake, logits), options.rounds, suffix))
        keep(side_by_side(on_images(*images(options.images)), options.rounds))
        keep(on_torch(real, fake, options, suffix))
        for count in (options.large, 2 * options.large):
            pairs = on_features(*features(count, options.large))
            frechet = {names: pair for names, pair in pairs.items() if names[0] == "Frechet distance"}
            keep(side_by_side(frechet, min(options.rounds, 2), f", {count} x {options.large}"))
    interleaved_timing.show(rows)


if __name__ == "__main__":
    main()
