"""Our metrics against reference implementations given the same features or images, on the CPU.

python benchmarks/metrics.py [--torch-python VENV/bin/python] [--count 2000] [--width 512] [--threads 1] [--json FILE]

Features are correlated Gaussians, the fakes shifted and stretched; images are smoothed noise, the second of each pair
the first with noise. torch-fidelity lives in an environment of its own (pip install torch torch-fidelity) and is "not
run" without --torch-python. A row is a metric and a reference; its error is the largest difference relative to the
largest reference value, and its seconds are medians over rounds in which the two take turns, after one that warms up.
They are seconds of the processor, of all threads together, so that what else the machine does counts little.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_limits

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

    from medgan_tf.tfgan import tfgan

    tensors = [tf.constant(side, tf.float64) for side in (real, fake)]
    gan = tfgan.eval

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


def on_torch(real, fake, settings):
    """Rows against torch-fidelity, whose process measures itself; without it they say "not run"."""
    answers = {}
    if settings.torch_python:
        with tempfile.TemporaryDirectory() as folder:
            np.savez(Path(folder) / "features.npz", real=real, fake=fake)
            script = Path(__file__).resolve().with_name("torch_fidelity_metrics.py")
            command = [settings.torch_python, script, Path(folder) / "features.npz", settings.rounds, settings.threads]
            done = subprocess.run(map(str, command), capture_output=True, text=True, check=True)
            answers = json.loads(done.stdout)
    rows = []
    for name, (metric, ours) in TORCH.items():
        row = {"metric": metric, "reference": "torch-fidelity"}
        if name in answers:
            value, seconds = timed([lambda ours=ours: ours(real, fake)], settings.rounds)[0]
            row |= compared(value, seconds, answers[name]["value"], answers[name]["seconds"])
        else:
            row["relative error"] = "not run"
        rows.append(row)
    return rows


def timed(functions, rounds):
    """(value, median seconds) of each; they take turns, and the first round does not count."""
    values, seconds = [], []
    for _ in range(rounds + 1):
        started = [time.process_time()]
        values = []
        for function in functions:
            values.append(function())
            started.append(time.process_time())
        seconds.append(np.diff(started))
    return list(zip(values, np.median(seconds[1:], axis=0), strict=True))


def compared(value, seconds, reference, reference_seconds):
    """The columns of a row: relative error, our seconds, theirs and how many times longer they take."""
    value, reference = np.asarray(value, np.float64), np.asarray(reference, np.float64)
    return {
        "relative error": float(np.abs(value - reference).max() / np.abs(reference).max()),
        "our seconds": float(seconds),
        "their seconds": float(reference_seconds),
        "ratio": float(reference_seconds / seconds),
    }


def main():
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", type=Path, help="interpreter of the environment with torch-fidelity")
    parser.add_argument("--count", type=int, default=2000, help="features a side")
    parser.add_argument("--width", type=int, default=512, help="of the features")
    parser.add_argument("--images", type=int, default=32, help="pairs of 192 pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
    real, fake, logits = features(settings.count, settings.width)
    rows = []
    with threadpool_limits(settings.threads):
        for (metric, reference), functions in (
            on_features(real, fake, logits) | on_images(*images(settings.images))
        ).items():
            (value, seconds), (expected, their_seconds) = timed(functions, settings.rounds)
            row = {"metric": metric, "reference": reference}
            rows.append(row | compared(value, seconds, expected, their_seconds))
        rows += on_torch(real, fake, settings)
    print(f"{settings.count} x {settings.width} features a side, {settings.images} pairs, {settings.threads} threads")
    print(pd.DataFrame(rows).to_string(index=False, float_format=lambda number: f"{number:.2g}", na_rep=""))
    if settings.json:
        options = {name: getattr(settings, name) for name in ("count", "width", "images", "rounds", "threads")}
        settings.json.write_text(json.dumps(options | {"rows": rows}, indent=2))


if __name__ == "__main__":
    main()
