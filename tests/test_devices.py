import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from medgan_tf import devices

SCRIPT = Path(__file__).with_name("together.py")


def start(*trainings, count=1, **environment):
    command = [sys.executable, SCRIPT, str(count), *(f"{name}={folder}" for name, folder in trainings)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1"} | environment, **quiet)


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
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-3000:]


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
def test_two_workers_train_the_model_of_one_device_and_go_on_after_a_kill(tmp_path):
    # two workers; the second, which must write nothing, is killed
    killed, nothing = tmp_path / "killed", tmp_path / "nothing"
    workers = start_two(("dcgan", killed), second=[("dcgan", nothing)])
    log, deadline = killed / "log.csv", time.time() + 300
    while not log.exists() or len(pd.read_csv(log)) < 2:
        if any(worker.poll() is not None for worker in workers):
            finish(*workers)
            raise AssertionError("the training ended before it could be killed")
        assert time.time() < deadline
        time.sleep(0.01)
    workers[1].kill()
    workers[0].communicate(timeout=300)
    assert workers[0].returncode != 0, "the chief trains alone"
    workers[1].communicate()
    assert 2 <= len(pd.read_csv(log)) < 10
    assert not nothing.exists()
    # one device: everything, what two workers began, and a beginning for them
    for name in ("elsewhere", "restarted"):
        shutil.copytree(killed, tmp_path / name)
    begun = [("dcgan", tmp_path / "dcgan"), ("dcgan", tmp_path / "elsewhere")]
    finish(start(*begun, ("half_cgan", tmp_path / "both"), ("cgan", tmp_path / "cgan")))
    # two workers: what was killed, and what one device began
    finish(*start_two(("dcgan", tmp_path / "restarted"), ("cgan", tmp_path / "both")))
    for one, other in (("dcgan", "elsewhere"), ("dcgan", "restarted"), ("cgan", "both")):
        assert_alike(tmp_path / one, tmp_path / other)
    probabilities = pd.read_csv(tmp_path / "dcgan" / "log.csv")["augmentation_probability"]
    assert probabilities.nunique() > 1  # what was compared did move


def test_what_cannot_be_followed_is_said(monkeypatch):
    monkeypatch.setattr(devices, "_own", devices._own.__wrapped__)
    for text in ("worker0:2000", '{"cluster": {"ps": []}}'):
        monkeypatch.setenv("TF_CONFIG", text)
        with pytest.raises(ValueError, match="TF_CONFIG does not name the cluster's workers"):
            devices.strategy()
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker"}}))
    tf.constant(0)  # in a notebook, for one
    with pytest.raises(ValueError, match="start `medgan_tf train` on each of them"):
        devices.strategy()


def test_a_batch_that_devices_cannot_share_is_refused():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    assert devices.share(12, strategy) == 12
    with pytest.raises(ValueError, match="A batch of 16 cannot be shared evenly by 3 devices"):
        devices.share(16, SimpleNamespace(num_replicas_in_sync=3))


@pytest.mark.slow
def test_two_devices_of_one_machine_train_the_styles_of_one_device(tmp_path):
    finish(start(("stylegan2", tmp_path / "one")), start(("stylegan2", tmp_path / "two"), count=2))
    assert_alike(tmp_path / "one", tmp_path / "two")
    assert pd.read_csv(tmp_path / "two" / "log.csv")["path_length_penalty"].min() > 0
