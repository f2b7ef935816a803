"""Sweeps: train and measure every combination of data set, settings, model and seed in parallel processes.

Each data set has its own run for each combination of settings, which notebook 01 prepares and notebook 06 measures;
each seed of each model is a folder in it. Finished work is not repeated, also where another machine with the same
outputs/ finished it.
"""

import json
import os
import queue
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from itertools import product

import joblib
from tqdm import tqdm

from medgan_tf import config, results
from medgan_tf.reporting import comparison

COMMAND = [sys.executable, "-m", "medgan_tf"]
PREPARE, MEASURE = "01_dicom_to_jpg", "06_evaluation"


def sweep(name, sets, models, seeds, profile="quick", jobs=1, grid=None):
    """Prepare, train and measure what is missing, in `jobs` processes at a time; return (summary, failures).

    sets: a list of folders for each data set; an empty one stands for phantoms. grid: {setting: list of its values}, of
    which every combination is a run of its own, see `config.changed`. summary: `comparison.summarise` of all
    measured models, also written to outputs/NAME/results.json. failures: {task: a sentence}; tasks that do not depend
    on a failed one are still done. The output of the processes is in outputs/NAME/logs/. Raises ValueError for an
    unknown folder, model or profile, and where no model could be measured.
    """
    points = [dict(zip(grid or {}, values, strict=True)) for values in product(*(grid or {}).values())]
    for point in points:
        config.changed(config.PROFILES[profile], point)  # before anything is written
    runs = [
        config.open_run(_run_name(name, folders, point), profile, folders, point)
        for folders, point in product(sets, points)
    ]
    unknown = set(models) - set(config.PROFILES[profile].models)
    if unknown:
        raise ValueError(
            f"There is no model {', '.join(sorted(unknown))}; choose from {', '.join(config.PROFILES[profile].models)}."
        )
    folder = config.outputs() / name
    failures = _work("Preparing", {run.name: _notebook(run, PREPARE) for run in runs}, folder, jobs)
    runs = [run for run in runs if run.name not in failures]
    trainings = {
        f"{run.name}/{run.model(model, seed).name}": ["train", run.name, model, "--seed", str(seed)]
        for run, model, seed in product(runs, models, seeds)
        if not _is_trained(run, model, seed)
    }
    failures |= _work("Training", trainings, folder, jobs)
    for run in runs:
        _measure_anew(run)
    failures |= _work("Measuring", {f"{run.name} measured": _notebook(run, MEASURE) for run in runs}, folder, jobs)
    measured = [run for run in runs if not results.quality(run.directory).empty]
    if not measured:
        raise ValueError(f"Nothing could be measured. {' '.join(failures.values())}")
    table = comparison.models(measured)
    summary = comparison.summarise(table)
    stated = {
        "profile": profile,
        "grid": grid or {},
        "runs": [run.name for run in runs],
        "models": models,
        "seeds": seeds,
    }
    results.write(folder, "sweep", stated | {"grid": grid or {}, "failures": failures})
    results.write(folder, "models", table.to_dict("records"))
    results.write(folder, "comparison", summary.to_dict("records"))
    return summary, failures


def _run_name(name, folders, point):
    parts = [name, *([folder.name for folder in folders] or ["phantoms"])]
    return "-".join(parts + [re.sub(r"[^\w.=]+", "_", f"{each}={value}") for each, value in point.items()])


def _notebook(run, notebook):
    data = [str(folder) for folder in run.data]
    changes = [text for name, value in run.changes.items() for text in ("--set", f"{name}={value!r}")]
    return ["run", "--profile", run.profile.name, "--run", run.name, "--notebooks", notebook, *changes, "--data", *data]


def _is_trained(run, model, seed):
    record = results.section(run, f"training/{run.model(model, seed).name}")
    return record.get("settings") == json.loads(json.dumps(asdict(run.profile.training(model, seed=seed))))


def _measure_anew(run):
    """Make the notebook run again if a model was trained after its last execution."""
    done = run.directory / "notebooks" / f"{MEASURE}.done"
    weights = list(run.directory.glob("models/*/generator.weights.h5"))
    if done.exists() and any(path.stat().st_mtime > done.stat().st_mtime for path in weights):
        done.unlink()


def _work(title, commands, folder, jobs):
    """Run {task: arguments of medgan_tf} in processes; return {failed task: a sentence}."""
    environments = queue.SimpleQueue()
    for environment in _environments(jobs):
        environments.put(environment)
    parallel = joblib.Parallel(n_jobs=jobs, prefer="threads", return_as="generator_unordered")
    tasks = (joblib.delayed(_process)(task, command, folder, environments) for task, command in commands.items())
    failures = {}
    for task, failure in tqdm(parallel(tasks), title, len(commands), unit="process"):
        if failure:
            failures[task] = failure
            tqdm.write(failure, file=sys.stderr)
    return failures


def _process(task, command, folder, environments):
    """Run one task; return it and "", or a sentence that says how it failed."""
    log = folder / "logs" / f"{task.replace('/', '_').replace(' ', '_')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = environments.get()
    try:
        with log.open("w") as file:
            code = subprocess.run([*COMMAND, *command], stdout=file, stderr=file, env=environment).returncode
    finally:
        environments.put(environment)
    lines = [line for line in log.read_text().splitlines() if line.strip()]
    message = next((line for line in reversed(lines) if line.startswith("medgan_tf: ")), (lines or [""])[-1])
    return task, f"{task} failed ({message.removeprefix('medgan_tf: ')[:300]}); see {log}." if code else ""


def _environments(jobs):
    """The environment variables of each of `jobs` processes: its number of threads and, if there are GPUs, its GPU."""
    threads = str(max(joblib.cpu_count() // jobs, 1))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(_gpus())))).split(",")
    environment = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    environment |= {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads, "OMP_NUM_THREADS": threads}
    environment |= {"LOKY_MAX_CPU_COUNT": threads, "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    return [environment | {"CUDA_VISIBLE_DEVICES": visible[job % len(visible)]} for job in range(jobs)]


def _gpus():
    if not shutil.which("nvidia-smi"):
        return 0
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    return sum(line.startswith("GPU ") for line in listed.splitlines())
