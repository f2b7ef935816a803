"""What happens at the end of each epoch of a training: log row, sample grid, kernel distance, checkpoint."""

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
    """A bar over the steps of the whole training, with the last epoch's numbers behind it."""

    def __init__(self, description):
        super().__init__()
        self.description = description

    def on_train_begin(self, logs=None):
        """Start where the training stands."""
        total, done = self.params["epochs"] * self.params["steps"], int(self.model.step.numpy())
        self.bar = tqdm(desc=self.description, total=total, initial=done, unit="step")

    def on_epoch_begin(self, epoch, logs=None):
        """Count batches anew."""
        self.shown = 0

    def on_train_batch_end(self, batch, logs=None):
        """Keras calls this once for all the steps of one execution."""
        self.bar.update(batch + 1 - self.shown)
        self.shown = batch + 1

    def on_epoch_end(self, epoch, logs=None):
        """Show the epoch's numbers."""
        self.bar.set_postfix(logs)

    def on_train_end(self, logs=None):
        """Leave the bar."""
        self.bar.close()


class TrainingLog(keras.callbacks.Callback):
    """A CSV row an epoch: epoch, kimg, step, seconds, the training's means and what other callbacks put into the logs.

    Rows after the checkpoint that a run resumes from are dropped: they will be written again, alike.
    """

    def __init__(self, path):
        super().__init__()
        self.path = Path(path)
        self.rows = []

    def on_train_begin(self, logs=None):
        """Take up the rows up to the restored step."""
        if self.path.exists():
            table = pd.read_csv(self.path)
            self.rows = table[table["step"] <= int(self.model.step.numpy())].to_dict("records")
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Add this epoch's row."""
        position = {"kimg": int(self.model.images_seen.numpy()) / 1000, "step": int(self.model.step.numpy())}
        seconds = round(time.perf_counter() - self.started, 1)
        values = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append({"epoch": epoch + 1, **position, "seconds": seconds, **values})
        self.started = time.perf_counter()
        atomic_write(self.path, lambda path: pd.DataFrame(self.rows).to_csv(path, index=False))


class GrowthCallback(keras.callbacks.Callback):
    """Sets the stage of networks that grow, at the start of the epoch in which its schedule begins it."""

    def on_epoch_begin(self, epoch, logs=None):
        """Grow, and have Keras trace the step anew."""
        kimg = int(self.model.images_seen.numpy()) / 1000
        for network in (self.model.generator, self.model.discriminator, self.model.generator_ema):
            layer = network.get_layer("growing")
            stage, alpha = growth.schedule(kimg, layer.fade_kimg, layer.stable_kimg, layer.stages)
            grown = stage != layer.stage
            growth.set_stage(network, stage, alpha)
        if grown:
            self.model.make_train_function(force=True)


class RecomputeBatchNorm(keras.callbacks.Callback):
    """Gives the averaged generator the BatchNorm statistics of its own weights; before the callbacks that draw from it.

    The running average of the generator's statistics belongs to no set of weights; these are the means over `batches`
    batches of fresh latents (standing statistics, Brock et al. 2019, section 3.1). labels: (n,) int, from which each
    batch takes its share; its size is n / batches.
    """

    def __init__(self, labels, batches=16):
        super().__init__()
        self.labels, self.batches = labels, batches

    def on_epoch_end(self, epoch, logs=None):
        """Settle."""
        generator = self.model.generator_ema
        layers = [layer for layer in generator._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
        momenta = [layer.momentum for layer in layers]
        drawn = latents(len(self.labels), self.model.latent_dim, self.model.seed)
        shares = (np.array_split(part, self.batches) for part in (drawn, self.labels))
        for index, (z, labels) in enumerate(zip(*shares, strict=True)):
            for layer in layers:
                layer.momentum = index / (index + 1)  # the mean of all batches so far
            generator([z, labels] if self.model.conditional else z, training=True)
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


class SampleGrid(keras.callbacks.Callback):
    """A PNG of the averaged generator's images of the same latents at each epoch: folder/kimg_000012.800.png.

    labels: (rows * columns,) int for a conditional generator, else None.
    """

    def __init__(self, folder, labels=None, rows=4, columns=8, seed=0):
        super().__init__()
        self.folder, self.labels, self.rows, self.columns, self.seed = Path(folder), labels, rows, columns, seed

    def on_train_begin(self, logs=None):
        """The untrained generator is the first picture."""
        if not int(self.model.step.numpy()):
            self.on_epoch_end(-1)

    def on_epoch_end(self, epoch, logs=None):
        """Draw the grid."""
        images = self.model.sample(self.rows * self.columns, self.labels, self.seed)
        name = f"kimg_{int(self.model.images_seen.numpy()) / 1000:010.3f}.png"
        atomic_write(self.folder / name, lambda path: Image.fromarray(tile(images, self.columns)).save(path, "PNG"))


class EvaluationCallback(keras.callbacks.Callback):
    """Measures samples at each epoch against real images, keeps the best generator, and tells a collapse.

    train, validation: datasets.ImageSet, of which the first images are used; train's labels are what a conditional
    generator is asked for. Logs, in the features of `extractor`, kernel_distance, frechet_distance, recall and coverage
    of the training images and validation_distance, the kernel distance to the validation images; ms_ssim, within
    classes where the generator knows them; critic_gap, the discriminator's mean score of training images less that of
    generated ones; overfitting, the discriminator's of its training images: (train - validation) / (train - generated)
    of the mean scores, 0 where it has learnt none by heart and 1 where it takes unseen real images for generated ones
    (r_v of Karras et al. 2020, ADA); and collapsed, which is 1 where samples resemble each other more than real images
    do (MS-SSIM higher by MARGIN) while coverage is below half of its best or, in the second half of the training, below
    SLIGHT. The best generator is the one of least kernel_distance.
    The numbers to report come from held-out images, in notebook 06.
    """

    IMAGES, MARGIN, SLIGHT = 1000, 0.05, 0.1

    def __init__(self, extractor, train, validation, best_weights, seed=1):
        super().__init__()
        self.features = lambda images: metrics.extract(extractor, images).features
        self.real = [(split.images[: self.IMAGES], split.labels[: self.IMAGES]) for split in (train, validation)]
        self.real_features = [self.features(images) for images, _ in self.real]
        self.best_weights, self.seed = Path(best_weights), seed

    def on_train_begin(self, logs=None):
        """How alike real images are."""
        images, labels = self.real[0]
        self.real_similarity = metrics.diversity(images, labels if self.model.conditional else None)

    def on_epoch_end(self, epoch, logs=None):
        """Measure, and keep the weights if they are the best so far."""
        asked = self.real[0][1]
        labels = asked if self.model.conditional else None
        fakes = self.model.sample(len(asked), labels, self.seed)
        features = self.features(fakes)
        distance, validation_distance = (metrics.kernel_distance(real, features) for real in self.real_features)
        covered = metrics.precision_recall(self.real_features[0], features)
        coverage = covered["coverage"]
        similarity = metrics.diversity(fakes, labels)
        self.model.best_coverage.assign(max(coverage, float(self.model.best_coverage.numpy())))
        alike = similarity > self.real_similarity + self.MARGIN
        late = epoch + 1 > self.params["epochs"] / 2  # before, a generator may not have spread yet
        expected = max(float(self.model.best_coverage.numpy()) / 2, self.SLIGHT if late else 0)
        collapsed = float(alike and coverage < expected)
        train, validation, generated = (
            float(np.mean(self.model.scores(*each))) for each in (*self.real, (fakes, asked))
        )
        logs |= {
            "kernel_distance": distance,
            "validation_distance": validation_distance,
            "frechet_distance": metrics.frechet_distance(self.real_features[0], features),
            "recall": covered["recall"],
            "coverage": coverage,
            "ms_ssim": similarity,
            "critic_gap": train - generated,
            "overfitting": (train - validation) / (train - generated) if train != generated else float("nan"),
            "collapsed": collapsed,
        }
        if collapsed:
            tqdm.write(
                f"Epoch {epoch + 1}: the samples have collapsed (MS-SSIM {similarity:.2f}, coverage {coverage:.2f})."
            )
        if distance < float(self.model.best_score.numpy()):
            self.model.best_score.assign(distance)
            atomic_write(self.best_weights, self.model.generator_ema.save_weights)


class PeakMemory(keras.callbacks.Callback):
    """Logs peak_memory_mib, the most memory since the training began or resumed; comes before TrainingLog.

    On a GPU what TensorFlow took of it, else all that the process held, its data and libraries too. Where the system
    cannot tell (it must be Linux to), nothing is logged.
    """

    GPU, STATUS, RESET = "GPU:0", Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def on_train_begin(self, logs=None):
        """Forget the peak of what came before."""
        self.on_gpu = bool(tf.config.list_physical_devices("GPU"))
        if self.on_gpu:
            tf.config.experimental.reset_memory_stats(self.GPU)
        elif self.RESET.exists():
            self.RESET.write_text("5")  # see proc(5)

    def on_epoch_end(self, epoch, logs=None):
        """Ask."""
        if self.on_gpu:
            logs["peak_memory_mib"] = tf.config.experimental.get_memory_info(self.GPU)["peak"] / 2**20
        elif self.STATUS.exists():
            lines = dict(line.split(":", 1) for line in self.STATUS.read_text().splitlines())
            logs["peak_memory_mib"] = int(lines["VmHWM"].split()[0]) / 2**10


class Checkpoint(keras.callbacks.Callback):
    """Saves the whole training state at each epoch's end; comes last, so that a log row has its checkpoint."""

    def __init__(self, path):
        super().__init__()
        self.path = Path(path)

    def on_epoch_end(self, epoch, logs=None):
        """Save."""
        self.model.save_state(self.path)
