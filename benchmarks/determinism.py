"""What `deterministic=True` costs: the quick profile's trainings at 64 px with and without it, side by side.

python benchmarks/determinism.py [--models dcgan cgan stylegan2] [--rounds 10] [--json benchmarks/determinism.json]

The switch holds for a whole process, so each side is a process that waits for its turn; turns go to and fro, so that
other load on the machine meets both alike. A turn is some executions of `fit` on random images, its data pipeline
included. Ratios are of seconds with the switch to seconds without it, within a round; the first round, which compiles,
does not count.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

CLASSES, IMAGES = 3, 512


def serve(model, deterministic):
    """Answer each line, a number of steps, with the seconds and processor seconds that they took."""
    from medgan_tf import config, datasets, fitting, networks

    settings = replace(config.PROFILES["quick"].models[model], deterministic=deterministic)
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (IMAGES, 64, 64, 1), np.uint8)
    labels = np.arange(IMAGES, dtype=np.int32) % CLASSES
    split = datasets.Split(pixels, labels, labels.astype(str), labels.astype(str))
    gan = fitting.build(settings, 64, 0 if settings.architecture in networks.WITHOUT_LABELS else CLASSES)
    batches = split.batches(settings.batch_size * settings.discriminator_steps, balanced=settings.balanced)
    for line in sys.stdin:
        started, worked = time.perf_counter(), time.process_time()
        gan.fit(batches, steps_per_epoch=int(line), epochs=1, verbose=0, shuffle=False)
        took = {"seconds": time.perf_counter() - started, "processor_seconds": time.process_time() - worked}
        print(json.dumps(took), flush=True)


def measure(model, rounds, steps):
    """{seconds, processor_seconds: {deterministic, not}, and the ratio}: medians with quartiles over the rounds."""
    command = [sys.executable, __file__, "--serve", model]
    quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    sides = [subprocess.Popen([*command, side], env=environment, **quiet) for side in ("off", "on")]
    turns = []
    try:
        for turn in range(rounds + 1):
            for side in sides if turn % 2 else reversed(sides):
                print(steps, file=side.stdin, flush=True)
                answer = side.stdout.readline()
                if not answer:
                    raise RuntimeError(f"{' '.join(map(str, side.args))} stopped; run it and write {steps} to see why.")
                turns.append({"turn": turn, "side": side.args[-1], **json.loads(answer)})
            print(f"{model}, round {turn}: {[round(row['seconds'], 2) for row in turns[-2:]]} s", file=sys.stderr)
    finally:
        for side in sides:
            side.kill()
    found = {"steps_a_turn": steps}
    for kind in ("seconds", "processor_seconds"):
        off, on = (np.array([row[kind] for row in turns if row["side"] == side][1:]) / steps for side in ("off", "on"))
        found[f"{kind} a step"] = {"off": quartiles(off), "on": quartiles(on), "ratio": quartiles(on / off)}
    return found


def quartiles(values):
    """Median, and the quartiles around it."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return {"median": float(median), "quartiles": [float(low), float(high)]}


def main():
    """Measure model by model, write and print the table."""
    from medgan_tf import results

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["dcgan", "cgan", "stylegan2"])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=16, help="in a turn; a multiple of 8")
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    rows = {model: measure(model, settings.rounds, settings.steps) for model in settings.models}
    table = {"environment": results.environment(), "rounds": settings.rounds, "models": rows}
    if settings.json:
        settings.json.write_text(json.dumps(table, indent=2) + "\n")
    print(json.dumps(table, indent=2))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], sys.argv[3] == "on")
    else:
        main()
