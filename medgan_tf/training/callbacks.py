"""Keras callbacks of a training: progress, log, sample grids, evaluation, growth, peak memory."""

import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from medgan_tf import metrics
from medgan_tf.files import atomic_write
from medgan_tf.networks import growth
from medgan_tf.networks.sampling import latents, tile


class Progress(keras.callbacks.Callback):
    """A progress bar over the steps of the whole training, which shows the logs of the last epoch."""

    def __init__(self, description):
        super().__init__()
        self.description = description

    def on_train_begin(self, logs=None):
        """Start at the step of the checkpoint."""
        total, done = self.params["epochs"] * self.params["steps"], int(self.model.step.numpy())
        self.bar = tqdm(desc=self.description, total=total, initial=done, unit="step")

    def on_train_batch_end(self, batch, logs=None):
        """Keras calls this once for all steps of one execution."""
        self.bar.update(self.model.steps_per_execution)

    def on_epoch_end(self, epoch, logs=None):
        """Show the logs."""
        self.bar.set_postfix(logs)

    def on_train_end(self, logs=None):
        """Close the progress bar."""
        self.bar.close()


class TrainingLog(keras.callbacks.Callback):
    """Writes one CSV row per epoch: epoch, kimg, step, seconds, and everything in the logs.

    A resumed training drops the rows after its checkpoint, since it computes those epochs again.
    """

    def __init__(self, path):
        super().__init__()
        self.path = Path(path)
        self.rows = []

    def on_train_begin(self, logs=None):
        """Read the rows up to the restored step."""
        if self.path.exists():
            table = pd.read_csv(self.path)
            self.rows = table[table["step"] <= int(self.model.step.numpy())].to_dict("records")
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Write the row of this epoch."""
        position = {"kimg": int(self.model.images_seen.numpy()) / 1000, "step": int(self.model.step.numpy())}
        seconds = round(time.perf_counter() - self.started, 1)
        values = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append({"epoch": epoch + 1, **position, "seconds": seconds, **values})
        self.started = time.perf_counter()
        atomic_write(self.path, lambda path: pd.DataFrame(self.rows).to_csv(path, index=False))


class Forecast(keras.callbacks.Callback):
    """Adds to the logs which kernel distance to expect at the end of the training, for the progress bar.

    It is the power law a * images^b through the second half of the evaluations so far, LEAST or more, with two standard
    deviations of their scatter around it. The curve may level off earlier: the less is left, the better it is known.

    Args: log: the `TrainingLog`, which must come before; kimg: thousand images of the whole training.
    """

    LEAST = 4

    def __init__(self, log, kimg):
        super().__init__()
        self.log, self.kimg = log, kimg

    def on_epoch_end(self, epoch, logs=None):
        """Add the expected distance, where there are enough evaluations and images are still to come."""
        rows = [row for row in self.log.rows if row.get("kernel_distance", 0) > 0]
        chosen = rows[len(rows) // 2 :]
        if len(chosen) < self.LEAST or chosen[-1]["kimg"] >= self.kimg:
            return
        images, distances = (np.log([row[name] for row in chosen]) for name in ("kimg", "kernel_distance"))
        line = np.polynomial.Polynomial.fit(images, distances, 1)
        scatter = np.std(distances - line(images), ddof=2)
        middle, low, high = np.exp(line(np.log(self.kimg)) + scatter * np.array([0, -2, 2]))
        logs["expected_at_end"] = f"{middle:.3g} ({low:.3g} to {high:.3g})"


class GrowthCallback(keras.callbacks.Callback):
    """Sets the stage of growing networks at the start of the epoch in which their schedule begins it."""

    def on_epoch_begin(self, epoch, logs=None):
        """Set the stage; Keras must trace the step again where it has changed."""
        kimg = int(self.model.images_seen.numpy()) / 1000
        for network in (self.model.generator, self.model.discriminator, self.model.generator_ema):
            layer = network.get_layer("growing")
            stage, alpha = growth.schedule(kimg, layer.fade_kimg, layer.stable_kimg, layer.stages)
            grown = stage != layer.stage
            growth.set_stage(network, stage, alpha)
        if grown:
            self.model.make_train_function(force=True)


class RecomputeBatchNorm(keras.callbacks.Callback):
    """Recomputes the BatchNorm statistics of the averaged generator; must come before callbacks that sample from it.

    A running average of the generator's own statistics would fit no set of weights. These are the means over `batches`
    batches of fresh latents (standing statistics, Brock et al. 2019, arXiv 1809.11096, section 3.1). labels: (n,) int,
    divided among the batches.
    """

    def __init__(self, labels, batches=16):
        super().__init__()
        self.labels, self.batches = labels, batches

    def on_epoch_end(self, epoch, logs=None):
        """Recompute the statistics, if there are any."""
        generator = self.model.generator_ema
        layers = [layer for layer in generator._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
        if not layers:
            return
        momenta = [layer.momentum for layer in layers]
        drawn = latents(len(self.labels), self.model.latent_dim, self.model.seed)
        batches = (np.array_split(part, self.batches) for part in (drawn, self.labels))
        for index, (z, labels) in enumerate(zip(*batches, strict=True)):
            for layer in layers:
                layer.momentum = index / (index + 1)  # the mean of all batches so far
            generator([z, labels] if self.model.conditional else z, training=True)
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


class SampleGrid(keras.callbacks.Callback):
    """Saves images of the same latents from the averaged generator at each epoch, as folder/kimg_000012.800.png.

    labels: (ROWS * COLUMNS,) int for a conditional generator, else None. log_dir: of TensorBoard, which shows them.
    """

    ROWS, COLUMNS = 4, 8

    def __init__(self, folder, labels, log_dir):
        super().__init__()
        self.folder, self.labels, self.log_dir = Path(folder), labels, str(log_dir)

    def on_train_begin(self, logs=None):
        """Begin with the untrained generator."""
        self.writer = tf.summary.create_file_writer(self.log_dir)
        if not int(self.model.step.numpy()):
            self.on_epoch_end(-1)

    def on_epoch_end(self, epoch, logs=None):
        """Save the grid."""
        images = self.model.sample(self.ROWS * self.COLUMNS, self.labels)
        name = f"kimg_{int(self.model.images_seen.numpy()) / 1000:010.3f}.png"
        grid = tile(images, self.COLUMNS)
        atomic_write(self.folder / name, lambda path: Image.fromarray(grid).save(path, "PNG"))
        with self.writer.as_default(step=epoch + 1):
            tf.summary.image("samples", np.atleast_3d(grid)[None])


class EvaluationCallback(keras.callbacks.Callback):
    """Measures samples of the averaged generator at each epoch, keeps the best weights and reports a collapse.

    Args:
        extractor: metrics.Extractor in whose features samples are compared.
        train, validation: datasets.ImageSet, of which the first 1,000 images are used. A conditional generator is asked
            for the labels of `train`.
        best_weights: file for the weights with the smallest kernel_distance so far.

    Adds to the logs:
        kernel_distance, frechet_distance, recall, coverage: against training images
        validation_distance: kernel distance to validation images
        ms_ssim: similarity of samples to each other, within classes where the generator has them
        critic_gap: the discriminator's mean score of training images minus that of samples
        overfitting: (train - validation) / (train - samples) of mean scores, r_v of Karras et al. 2020 (ADA, arXiv
            2006.06676): 0 where unseen real images score as training images do, 1 where they score as samples do
        collapsed: 1 where samples are more alike than real images (MS-SSIM higher by MARGIN) and coverage is below half
            of its best or, in the second half of the training, below LOW_COVERAGE

    These choose among the states of one training. The numbers to report are from held-out images: notebook 06.
    """

    IMAGES, MARGIN, LOW_COVERAGE = 1000, 0.05, 0.1

    def __init__(self, extractor, train, validation, best_weights):
        super().__init__()
        self.features = lambda images: metrics.extract(extractor, images).features
        self.real = [(split.images[: self.IMAGES], split.labels[: self.IMAGES]) for split in (train, validation)]
        self.real_features = [self.features(images) for images, _ in self.real]
        self.best_weights = Path(best_weights)

    def on_train_begin(self, logs=None):
        """Measure how similar real images are to each other."""
        images, labels = self.real[0]
        self.real_similarity = metrics.diversity(images, labels if self.model.conditional else None)

    def on_epoch_end(self, epoch, logs=None):
        """Measure, and keep the weights if they are the best so far."""
        requested = self.real[0][1]
        labels = requested if self.model.conditional else None
        samples = self.model.sample(len(requested), labels, seed=1)
        features = self.features(samples)
        distance, validation_distance = (metrics.kernel_distance(real, features) for real in self.real_features)
        neighbours = metrics.precision_recall(self.real_features[0], features)
        similarity = metrics.diversity(samples, labels)
        train, validation, generated = (
            float(np.mean(self.model.scores(*each))) for each in (*self.real, (samples, requested))
        )
        logs |= {
            "kernel_distance": distance,
            "validation_distance": validation_distance,
            "frechet_distance": metrics.frechet_distance(self.real_features[0], features),
            "recall": neighbours["recall"],
            "coverage": neighbours["coverage"],
            "ms_ssim": similarity,
            "critic_gap": train - generated,
            "overfitting": (train - validation) / (train - generated) if train != generated else float("nan"),
            "collapsed": float(self._has_collapsed(epoch, neighbours["coverage"], similarity)),
        }
        if distance < float(self.model.best_score.numpy()):
            self.model.best_score.assign(distance)
            atomic_write(self.best_weights, self.model.generator_ema.save_weights)

    def _has_collapsed(self, epoch, coverage, similarity):
        best = max(coverage, float(self.model.best_coverage.numpy()))
        self.model.best_coverage.assign(best)
        late = epoch + 1 > self.params["epochs"] / 2  # earlier the samples may not be diverse yet
        lost = coverage < max(best / 2, self.LOW_COVERAGE if late else 0)
        if not (lost and similarity > self.real_similarity + self.MARGIN):
            return False
        tqdm.write(
            f"Epoch {epoch + 1}: the samples have collapsed (MS-SSIM {similarity:.2f}, coverage {coverage:.2f})."
        )
        return True


class PeakMemory(keras.callbacks.Callback):
    """Logs peak_memory_mib since the training began or resumed; must come before TrainingLog.

    With a GPU it is TensorFlow's memory on it, otherwise that of the whole process, with data and libraries. Without a
    GPU it is known on Linux only and not logged elsewhere.
    """

    GPU, STATUS, RESET = "GPU:0", Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def on_train_begin(self, logs=None):
        """Reset the peak."""
        self.on_gpu = bool(tf.config.list_physical_devices("GPU"))
        if self.on_gpu:
            tf.config.experimental.reset_memory_stats(self.GPU)
        elif self.RESET.exists():
            self.RESET.write_text("5")  # see proc(5)

    def on_epoch_end(self, epoch, logs=None):
        """Log peak memory."""
        if self.on_gpu:
            logs["peak_memory_mib"] = tf.config.experimental.get_memory_info(self.GPU)["peak"] / 2**20
        elif self.STATUS.exists():
            lines = dict(line.split(":", 1) for line in self.STATUS.read_text().splitlines())
            logs["peak_memory_mib"] = int(lines["VmHWM"].split()[0]) / 2**10
