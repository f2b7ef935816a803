"""Stands in for `python -m medgan_tf` in the tests of sweeps: takes its command lines, writes what it would write."""

import json
import os
import sys
import time
from dataclasses import asdict

from records import measured

from medgan_tf import config, results
from medgan_tf.__main__ import _parser


def note(line):
    """Add a line to the file that the test reads."""
    with open(os.environ["NOTES"], "a") as file:  # noqa: PTH123
        file.write(line + "\n")


def run_notebooks(options):
    """Prepare or measure."""
    (notebook,) = options["notebooks"]
    changes = config.read_changes(options["settings"])
    run = config.open_run(options["run"], options["profile"], options["data"], changes)
    if run.name.endswith("broken"):
        sys.exit("medgan_tf: too few patients in it.")
    done = run.directory / "notebooks" / f"{notebook}.done"
    if done.exists():
        return
    note(f"{notebook} {run.name}")
    done.parent.mkdir(exist_ok=True)
    done.touch()
    if notebook == "06_evaluation":
        for number, cell in enumerate(run.trained_seeds()):
            metrics = {"kernel_distance": measured(1.0 + number)}
            results.write(run.directory, f"quality/{run.model(*cell).name}", {"metrics": metrics})


def train(options):
    """Train, all seeds at a time; seed 1 fails at first."""
    run, seed = config.find_run(options["run"]), options["seed"]
    failed = run.directory / "failed"
    note(f"{run.name} {options['model']} {seed} {os.environ['TF_NUM_INTRAOP_THREADS']} {os.environ.get('TF_CONFIG')}")
    if seed == 1 and not failed.exists():
        failed.touch()
        sys.exit("medgan_tf: the disk is full.")
    time.sleep(0.5)
    folder = run.model(options["model"], seed)
    folder.mkdir(parents=True)
    (folder / "generator.weights.h5").touch()
    settings = json.loads(json.dumps(asdict(run.profile.training(options["model"], seed=seed))))
    record = {"settings": settings, "parameters": {"generator": 1, "discriminator": 1}, "kimg": 1, "seconds": 1.0}
    results.write(run.directory, f"training/{folder.name}", record | {"peak_memory_mib": 1.0})


if __name__ == "__main__":
    options = vars(_parser().parse_args())
    {"run_notebooks": run_notebooks, "train": train}[options.pop("command").__name__](options)
