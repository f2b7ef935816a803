"""How seconds and memory grow with image size, batch, data and workers; and an estimate of large trainings.

Every point is a process of its own: the median of some steps after those that compile, and the most memory it held less
what it held before the network was built. Exponents are slopes of straight lines through the logarithms. The figure,
growth.png, is drawn from results alone. --price adds what an hour of a GPU costs to the estimate (see estimate.py).
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import estimate, interleaved_timing

FIGURE = Path(__file__).with_name("growth.png")
STEPS = 2  # a turn
AXES = {  # what grows: (values, settings of a point that has the value)
    "image size": ((32, 64, 128), lambda value: {"size": value}),
    "batch": ((8, 16, 32, 64), lambda value: {"batch": value}),
    "training images": ((500, 4000, 32000), lambda value: {"images": value}),
}
PLOTTED = (("processor_seconds", "processor s a step"), ("memory_mib", "memory, MiB"))
ARCHITECTURES = {"image size": ("dcgan", "stylegan2"), "batch": ("dcgan",), "training images": ("dcgan",)}


def step(architecture="dcgan", size=64, batch=16, images=500, threads=2, rounds=4):
    """Seconds and memory of one training step of the quick profile's network, in this process."""
    import tensorflow as tf

    from medgan_tf import config, training
    from medgan_tf.datasets import ImageSet

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    settings = config.PROFILES["quick"].training(architecture, batch_size=batch, steps_per_execution=1)
    before = interleaved_timing.peak_mib()
    pixels = np.random.default_rng(0).integers(0, 256, (images, size, size, 1), np.uint8)
    names = np.arange(images).astype(str)
    data = ImageSet(pixels, np.zeros(images, np.int32), names, names).batches(batch)
    gan = training.build(settings, size)

    def train():
        gan.fit(data, steps_per_epoch=STEPS, epochs=1, verbose=0, shuffle=False)

    train()
    found = [interleaved_timing.timed(train)[1] for _ in range(rounds)]
    seconds = {kind: float(np.median([turn[kind] for turn in found])) / STEPS for kind in found[0]}
    return seconds | {"memory_mib": interleaved_timing.peak_mib() - before}


def trainings(options):
    """Points of all axes, one by one."""
    for axis, (values, settings) in AXES.items():
        for architecture in ARCHITECTURES[axis]:
            for value in values:
                point = settings(value) | {"architecture": architecture}
                point |= {"threads": options.threads, "rounds": options.rounds}
                command = [sys.executable, "-m", "benchmarks.growth", "--one", json.dumps(point)]
                done = subprocess.run(
                    command,
                    check=True,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    cwd=interleaved_timing.ROOT,
                )
                measured = json.loads(done.stdout.splitlines()[-1])
                yield {"axis": axis, "architecture": architecture, "value": value} | measured


def conversions(options, patients=60):
    """Points of the number of workers that convert phantoms."""
    from benchmarks import conversion
    from medgan_tf import phantoms

    with tempfile.TemporaryDirectory() as folder, conversion.own_key(folder):
        phantoms.write_cohort(Path(folder) / "phantoms", patients, image_size=256)
        files = sorted((Path(folder) / "phantoms").rglob("*.dcm"))
        counts = sorted({1, *(2**power for power in range(1, 8) if 2**power <= options.threads), options.threads})
        sides = {count: lambda count=count: conversion.by_us(files, count) for count in counts}
        for count, (_, found) in interleaved_timing.interleave(sides, options.rounds).items():
            seconds = {kind: float(np.median([turn[kind] for turn in found])) / len(files) for kind in found[0]}
            yield {"axis": "workers", "architecture": "conversion", "value": count} | seconds


def fitted(points):
    """Rows: exponents of seconds and memory, with standard errors where there are more than two points."""
    for (axis, architecture), group in pd.DataFrame(points).groupby(["axis", "architecture"], sort=False):
        for column, what in (
            ("processor_seconds", "processor seconds"),
            ("seconds", "seconds"),
            ("memory_mib", "memory"),
        ):
            if len(group) < 2 or group[column].isna().any():
                continue
            slope, error = slope_of(group["value"], group[column])
            title = f"{architecture}: exponent of {what} in {axis}"
            yield interleaved_timing.measured(title, slope, "", error and [slope - error, slope + error], len(group))


def slope_of(x, y):
    """(slope of log y over log x, its standard error or None)."""
    x, y = np.log(np.asarray(x, float)), np.log(np.maximum(np.asarray(y, float), 1e-9))
    if len(x) < 3:
        return float(np.polyfit(x, y, 1)[0]), None
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    return float(slope), float(np.sqrt(covariance[0, 0]))


def draw(points, path=FIGURE):
    """One figure of all points: seconds above, memory below, a column for each axis, exponents over the panels."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from medgan_tf.figures import style

    table = pd.DataFrame(points)
    names = list(dict.fromkeys(table["axis"]))
    with mpl.rc_context(style.STYLE):
        figure, grid = plt.subplots(2, len(names), figsize=(style.WIDTH, 3.6), squeeze=False, layout="constrained")
        for column, axis in enumerate(names):
            for row, (name, label) in enumerate(PLOTTED):
                if axis == "workers" and not row:
                    name, label = "seconds", "s a file, by the clock"
                panel, shown = grid[row, column], table[(table["axis"] == axis) & table[name].notna()]
                if shown.empty:
                    panel.set_axis_off()
                    continue
                for number, (architecture, group) in enumerate(shown.groupby("architecture", sort=False)):
                    slope, _ = slope_of(group["value"], group[name])
                    colour, marker = style.COLOURS[number], style.MARKERS[number]
                    panel.plot(group["value"], group[name], marker + "-", color=colour, markersize=4)
                    title = f"{architecture}: {slope:.2f}"
                    panel.text(0, 1.02 + 0.13 * number, title, color=colour, fontsize=6, transform=panel.transAxes)
                panel.set(xscale="log", yscale="log", xlabel=axis if row or shown["memory_mib"].isna().all() else "")
                values = sorted(set(shown["value"]))
                panel.set_xticks(values, [f"{value / 1000:g}k" if value >= 4000 else f"{value:g}" for value in values])
                panel.minorticks_off()
                middle = np.sqrt(shown[name].min() * shown[name].max())  # a decade at least: no noise drawn large
                spread = max(np.sqrt(10), 1.3 * shown[name].max() / middle)
                panel.set_ylim(middle / spread, middle * spread)
                style.plain_ticks(panel.yaxis)
                if not column or axis == "workers":
                    panel.set_ylabel(label)
        figure.savefig(path)
        plt.close(figure)


def main():
    """Measure, fit, draw, estimate."""
    parser = interleaved_timing.parser(__doc__, rounds=4)
    parser.add_argument("--price", action="append", type=estimate.price, default=[], metavar="GPU=DOLLARS:SOURCE")
    parser.add_argument("--one", type=json.loads, help="settings of one point, measured here")
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(step(**options.one)))
        return
    estimates = estimate.table(estimate.PRICES | dict(options.price))
    published = [
        interleaved_timing.measured(
            f"{configuration} on {gpu}, published: exponent of seconds in image size", slope, "", n=3
        )
        for (configuration, gpu), slope in estimate.exponents().items()
    ]
    points, rows = [], published
    for found in (trainings(options), conversions(options)):
        for point in found:
            points.append({"memory_mib": None} | point)
            rows = [*fitted(points), *published] if len(points) > 1 else published
            more = {"points": points, "estimates": estimates, "assumptions": estimate.ASSUMPTIONS}
            interleaved_timing.save(options.json, rows, **more)
    draw(points)
    interleaved_timing.show(rows)
    print(estimate.ASSUMPTIONS)
    print(pd.DataFrame(estimates).drop(columns="price_source").to_string(index=False))


if __name__ == "__main__":
    main()
