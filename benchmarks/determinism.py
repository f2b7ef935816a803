"""What `deterministic=True` costs: the quick profile's training steps at 64 px without the switch against with it.

The switch holds for a whole process, so each side is a process that waits for its turn. A turn is some executions of
`fit` on random images, its data pipeline included. The ratio is the price: how many times as fast it is without.
"""

import json
import sys
from dataclasses import replace

import numpy as np

from benchmarks import interleaved_timing

CLASSES, IMAGES = 3, 512


def settings(model, deterministic=False):
    """config.TrainingConfig of the quick profile."""
    from medgan_tf import config

    return replace(config.PROFILES["quick"].models[model], deterministic=deterministic)


def serve(model, side):
    """Answer each line "steps N" with the seconds and processor seconds that they took."""
    from medgan_tf import datasets, networks, training

    own = settings(model, side == "on")
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 64, 64, 1), np.uint8)
    labels = np.arange(IMAGES, dtype=np.int32) % CLASSES
    split = datasets.ImageSet(pixels, labels, labels.astype(str), labels.astype(str))
    gan = training.build(own, 64, 0 if own.architecture in networks.WITHOUT_LABELS else CLASSES)
    batches = split.batches(own.batch_size * own.discriminator_steps, balanced=own.balanced)
    for line in sys.stdin:
        steps = int(line.split()[1])
        _, took = interleaved_timing.timed(
            lambda steps=steps: gan.fit(batches, steps_per_epoch=steps, verbose=0, shuffle=False)
        )
        print(json.dumps(took), flush=True)


def measure(model, options):
    """A row of one model."""
    script = [sys.executable, "-m", "benchmarks.determinism", "--serve", model]
    off, on = (interleaved_timing.TimedProcess(side, [*script, side]) for side in ("off", "on"))
    try:
        interleaved_timing.interleave_steps((off, on), options.steps, options.rounds)
    finally:
        for contestant in (off, on):
            contestant.process.kill()
    batch = settings(model).batch_size * settings(model).discriminator_steps
    what = f"{model} step, quick profile, 64 px"
    return interleaved_timing.compared(
        what, "deterministic=True", options.steps * batch, "images", off.timings, on.timings
    )


def main():
    """Model by model."""
    parser = interleaved_timing.parser(__doc__, rounds=6)
    parser.add_argument("--models", nargs="+", default=["dcgan", "cgan", "stylegan2"])
    parser.add_argument("--steps", type=int, default=8, help="in a turn; a multiple of 8")
    options, rows = parser.parse_args(), []
    for model in options.models:
        rows.append(measure(model, options))
        interleaved_timing.save(options.json, rows)
    interleaved_timing.show(rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        main()
