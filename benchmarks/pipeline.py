"""Batches for a training: ours against `keras.utils.image_dataset_from_directory`, what they cost a step, and traces.

The set: grey JPEGs of 224 pixels, shown at 64. Ours reads and resizes them once and keeps the integers; the other reads
them in every epoch, or keeps float32 with `.cache()`. A step fed by our batches is held against one whose batch lies
in memory. Traces count how often a training of several epochs builds the graph of its step.
"""

import functools
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from benchmarks import interleaved_timing

SIDE, SHOWN, BATCH = 224, 64, 64


def write_images(folder, count):
    """Smoothed noise in two class folders; every image a patient of its own."""
    generator = np.random.default_rng(0)
    for number in range(count):
        smooth = gaussian_filter(generator.normal(size=(SIDE, SIDE)), 4)
        path = folder / "ab"[number % 2] / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.uint8(np.clip(128 + 45 * smooth / smooth.std(), 0, 255))).save(path, quality=90)


def directory(folder, cache):
    """Endless batches the way Keras's guides make them, in [-1, 1]."""
    import keras
    import tensorflow as tf

    data = keras.utils.image_dataset_from_directory(
        folder, color_mode="grayscale", image_size=(SHOWN, SHOWN), batch_size=BATCH, verbose=False
    )
    data = data.map(lambda images, labels: (images / 127.5 - 1.0, labels), num_parallel_calls=tf.data.AUTOTUNE)
    return (data.cache() if cache else data).repeat().prefetch(tf.data.AUTOTUNE)


def batches(folder):
    """Ours, of all images of the folder's training split."""
    from medgan_tf import datasets

    return datasets.load(folder, SHOWN).train.batches(BATCH)


def drawer(data, count):
    """A function that takes the next `count` batches."""
    iterator = iter(data)

    def draw():
        for _ in range(count):
            images, _ = next(iterator)
        return float(images[0, 0, 0, 0])

    return draw


def compare_batches(folder, count, rounds):
    """Rows: batch by batch, and from the files to the end of a first epoch."""
    epoch = count * 8 // 10 // BATCH  # ours trains on eight tenths
    kept, fresh = (f"image_dataset_from_directory{what}" for what in (", cached", ""))
    sides = {name: directory(folder, name == kept) for name in (fresh, kept)} | {"ours": batches(folder)}
    found = interleaved_timing.interleave({name: drawer(data, 2 * epoch) for name, data in sides.items()}, rounds)
    for name in (fresh, kept):
        theirs = found[name][1]
        amount = 2 * epoch * BATCH
        yield interleaved_timing.compared(f"batches of {BATCH}", name, amount, "images", found["ours"][1], theirs)
    first = {
        "ours": lambda: drawer(batches(folder), epoch)(),
        "theirs": lambda: drawer(directory(folder, False), epoch)(),
    }
    found = interleaved_timing.interleave(first, rounds)
    what = "reading the files and a first epoch"
    yield interleaved_timing.compared(what, fresh, epoch * BATCH, "images", found["ours"][1], found["theirs"][1])


def compare_steps(folder, rounds, steps=16):
    """A row: training steps fed by our batches against the same steps with a batch in memory."""
    import tensorflow as tf

    from medgan_tf import config, datasets, training
    from medgan_tf.datasets import input_pipeline

    settings = config.PROFILES["quick"].training("dcgan", steps_per_execution=1)
    gan = training.build(settings, SHOWN)
    data = datasets.load(folder, SHOWN).train.batches(settings.batch_size)
    fixed = input_pipeline.without_autotune(tf.data.Dataset.from_tensors(next(iter(data))).repeat())
    train = functools.partial(gan.fit, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False)
    found = interleaved_timing.interleave({"ours": lambda: train(data), "fixed": lambda: train(fixed)}, rounds)
    amount = steps * settings.batch_size
    what = "DCGAN step, quick profile, fed by our batches"
    yield interleaved_timing.compared(
        what, "one batch in memory", amount, "images", found["ours"][1], found["fixed"][1]
    )


def count_traces(architecture="dcgan", size=32, epochs=3, **changes):
    """How often a training's step is traced in `epochs` epochs, with all callbacks: once, or something is wrong."""
    from medgan_tf import config, datasets, training

    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder) / "images", 40)
        data = datasets.load(Path(folder) / "images", size)
        settings = config.PROFILES["smoke"].training(
            architecture, kimg=epochs * 0.032, kimg_per_epoch=0.032, batch_size=8, steps_per_execution=2, **changes
        )
        gan = training.build(settings, size, len(data.classes) if architecture in ("cgan", "pggan") else 0)
        traces, step = [], gan.train_step
        gan.train_step = lambda batch: traces.append(1) or step(batch)
        training.fit(gan, settings, data, Path(folder) / "model")
    return len(traces)


def main():
    """All of it."""
    parser = interleaved_timing.parser(__doc__, rounds=5)
    parser.add_argument("--count", type=int, default=1000, help="images in the set")
    options, rows = parser.parse_args(), []
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder), options.count)
        for found in (compare_batches(folder, options.count, options.rounds), compare_steps(folder, options.rounds)):
            for row in found:
                rows.append(row)
                interleaved_timing.save(options.json, rows)
    for architecture in ("dcgan", "cgan", "stylegan2"):
        rows.append(
            interleaved_timing.measured(
                f"{architecture}: traces of the step in 3 epochs", count_traces(architecture), "traces"
            )
        )
        interleaved_timing.save(options.json, rows)
    interleaved_timing.show(rows)


if __name__ == "__main__":
    main()
