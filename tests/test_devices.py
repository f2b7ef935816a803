import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from medgan_tf.training import distribution

SCRIPT = Path(__file__).with_name("multi_device_train.py")


def start(*trainings, count=1, **environment):
    command = [sys.executable, SCRIPT, str(count), *(f"{name}={folder}" for name, folder in trainings)]
    said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - a pipe that nobody reads would fill up
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"} | environment
    process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
    process.said = said
    return process


def start_two(*trainings, second=None):
    """Two workers on this machine; the second may have other folders."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("localhost", 0))) for _ in range(2)]
        workers = [f"localhost:{opened.getsockname()[1]}" for opened in sockets]
    tasks = [{"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}} for index in range(2)]
    own = (trainings, second or trainings)
    return [start(*trainings, TF_CONFIG=json.dumps(task)) for trainings, task in zip(own, tasks, strict=True)]


def finish(*processes):
    for process in processes:
        process.wait(timeout=900)
        process.said.seek(0)
        assert process.returncode == 0, process.said.read()[-3000:]


def assert_alike(one, other):
    """Two folders hold the same training, but for rounding."""
    with np.load(one / "state.npz") as a, np.load(other / "state.npz") as b:
        assert a.files == b.files
        assert any(name.startswith("generator_ema") for name in a.files)
        for name in a.files:
            np.testing.assert_allclose(b[name], a[name], rtol=1e-3, atol=1e-5, err_msg=name)
    logs = [pd.read_csv(folder / "log.csv").drop(columns=["seconds", "peak_memory_mib"]) for folder in (one, other)]
    pd.testing.assert_frame_equal(*logs, rtol=1e-3, atol=1e-4)
    names = [sorted(path.name for path in (folder / "samples").iterdir()) for folder in (one, other)]
    assert names[0] == names[1]


@pytest.mark.slow
def test_several_devices_train_the_model_of_one_and_go_on_after_a_kill(tmp_path):
    # two workers; the second, which must write nothing, is killed
    together, nothing = tmp_path / "together", tmp_path / "nothing"
    workers = start_two(("cgan", together), second=[("cgan", nothing)])
    log, deadline = together / "log.csv", time.time() + 900
    while not log.exists() or len(pd.read_csv(log)) < 2:
        if any(worker.poll() is not None for worker in workers):
            finish(*workers)
            raise AssertionError("the training ended before it could be killed")
        assert time.time() < deadline
        time.sleep(0.01)
    workers[1].kill()
    workers[1].wait()
    workers[0].wait(timeout=900)
    assert workers[0].returncode != 0, "the chief trains alone"
    assert 2 <= len(pd.read_csv(log)) < 7
    assert not nothing.exists()
    # one device goes on with that, and trains all by itself; two devices of one machine
    alone = [(name, tmp_path / name) for name in ("cgan", "stylegan2", "projected")]
    mirrored = [(name, tmp_path / f"mirrored_{name}") for name in ("stylegan2", "projected")]
    finish(start(("cgan_part", together), *alone), start(*mirrored, count=2))
    assert len(pd.read_csv(log)) == 7
    # two workers go on with that to the end
    finish(*start_two(("cgan", together)))
    assert_alike(tmp_path / "cgan", together)
    for name, folder in mirrored:
        assert_alike(tmp_path / name, folder)
    # what was compared did move
    assert pd.read_csv(tmp_path / "cgan" / "log.csv")["augmentation_probability"].nunique() > 1
    assert pd.read_csv(mirrored[0][1] / "log.csv")["path_length_penalty"].min() > 0


def test_what_cannot_be_followed_is_said(monkeypatch):
    monkeypatch.setattr(distribution, "_own", distribution._own.__wrapped__)
    for text in ("worker0:2000", '{"cluster": {"ps": []}}'):
        monkeypatch.setenv("TF_CONFIG", text)
        with pytest.raises(ValueError, match="TF_CONFIG does not name the cluster's workers"):
            distribution.strategy()
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker"}}))
    tf.constant(0)  # in a notebook, for one
    with pytest.raises(ValueError, match="start `medgan_tf train` on each of them"):
        distribution.strategy()


def test_a_batch_that_devices_cannot_share_is_refused():
    three = SimpleNamespace(num_replicas_in_sync=3)
    distribution.check_batch_size(12, three)
    with pytest.raises(ValueError, match="A batch of 16 cannot be shared evenly by 3 devices"):
        distribution.check_batch_size(16, three)


@pytest.mark.slow
def test_deterministic_trainings_in_two_processes_give_the_same_bits(tmp_path):
    names = ("dcgan_bits", "cgan_bits")
    finish(*[start(*[(name, tmp_path / process / name) for name in names]) for process in ("one", "other")])
    for name in names:
        states = [tmp_path / process / name / "state.npz" for process in ("one", "other")]
        with np.load(states[0]) as one, np.load(states[1]) as other:
            assert one["training/0000"] > 3 and one.files == other.files
            assert all(one[part].tobytes() == other[part].tobytes() for part in one.files)
