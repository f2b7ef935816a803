"""What docs/scaling.md promises, as far as it can be held to the program without Slurm and without a cloud."""

import json
import os
import re
import shlex
import subprocess
from itertools import product
from pathlib import Path

import pytest

from medgan_tf.__main__ import _parser

DOCS = Path(__file__).parents[1] / "docs"
SLURM, BATCH = DOCS / "sweep.sbatch", DOCS / "sweep.batch.json"
CELLS = {f"train chest-site_a {model} --seed {seed}" for model, seed in product(("dcgan", "cgan"), range(3))}


def commands():
    """Every command line of medgan_tf in the page, the script and the job."""
    (runnable,) = json.loads(BATCH.read_text())["taskGroups"][0]["taskSpec"]["runnables"]
    texts = [re.sub(r"'$", "", line) for line in (DOCS / "scaling.md").read_text().splitlines()]
    texts += [*SLURM.read_text().splitlines(), runnable["container"]["commands"][1]]
    found = [re.search(r"python -m medgan_tf (.*)", text) for text in texts]
    return [re.sub(r'"\$\{?SEED[^"]*"', "0", line[1]) for line in found if line]


@pytest.mark.parametrize("command", [line for line in commands() if "`" not in line])
def test_the_program_takes_every_command_line(command):
    options = vars(_parser().parse_args(shlex.split(command)))
    assert options["command"].__name__ in ("run_notebooks", "train", "sweep", "convert")


def test_there_are_such_command_lines():
    assert len(commands()) >= 8


def echoing(folder, name):
    """A program of this name that prints its arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text('#!/bin/sh\necho "$@"\n')
    (folder / name).chmod(0o755)


def said(command, folder, **variables):
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"} | variables
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr
    return re.sub(r".*-m medgan_tf ", "", done.stdout.strip())


def test_the_slurm_array_trains_every_cell_once(tmp_path):
    assert subprocess.run(["bash", "-n", SLURM]).returncode == 0
    echoing(tmp_path, "srun")
    first, last = map(int, re.search(r"--array=(\d+)-(\d+)", SLURM.read_text()).groups())
    command = ["bash", str(SLURM), "chest-site_a"]
    trained = [said(command, tmp_path, SLURM_ARRAY_TASK_ID=str(task)) for task in range(first, last + 1)]
    assert sorted(trained) == sorted(CELLS)


def test_the_cloud_job_trains_every_cell_once(tmp_path):
    (group,) = json.loads(BATCH.read_text())["taskGroups"]
    container = group["taskSpec"]["runnables"][0]["container"]
    echoing(tmp_path, "python")
    command, variables = (
        [container["entrypoint"], *container["commands"]],
        group["taskSpec"]["environment"]["variables"],
    )
    tasks = range(int(group["taskCount"]))
    trained = [said(command, tmp_path, **variables, BATCH_TASK_INDEX=str(task)) for task in tasks]
    assert sorted(trained) == sorted(CELLS)
    mounts = [volume["mountPath"] for volume in group["taskSpec"]["volumes"]]
    assert variables["MEDGAN_TF_OUTPUTS"].startswith(mounts[0])


def test_the_cloud_job_has_the_fields_of_the_service():
    batch = pytest.importorskip("google.cloud.batch_v1", reason="google-cloud-batch is not installed")
    assert batch.Job.from_json(BATCH.read_text()).task_groups[0].task_count == 6
