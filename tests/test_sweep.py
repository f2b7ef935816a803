import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from train_process import SETTINGS

from medgan_tf import config, metrics, results
from medgan_tf.__main__ import main
from medgan_tf.cli import search as searching
from medgan_tf.cli import sweep as sweeping


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


def test_a_sweep_does_what_is_missing_names_what_failed_and_collects_the_rest(outputs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sweeping, "COMMAND", [sys.executable, str(Path(__file__).with_name("swept.py"))])
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    monkeypatch.setenv("TF_CONFIG", "{}")
    for name in ("site", "broken"):
        (tmp_path / name).mkdir()
    command = ["sweep", "--out", "s", "--data", str(tmp_path / "site"), "--data", str(tmp_path / "broken")]
    command += ["--models", "gan", "cgan", "--seeds", "0", "1", "--profile", "smoke", "--jobs", "2"]

    def noted():
        lines = (tmp_path / "notes").read_text().splitlines()
        (tmp_path / "notes").unlink()
        return lines

    assert main(command) == 1
    text = capsys.readouterr()
    assert "s-broken failed (too few patients in it.)" in text.out
    assert "_seed1 failed (the disk is full.); see " in text.out
    lines = noted()
    threads = max(joblib.cpu_count() // 2, 1)
    assert lines[0] == "01_dicom_to_jpg s-site" and lines[-1] == "06_evaluation s-site"
    assert sorted(lines[1:-1]) == [f"s-site {m} {s} {threads} None" for m in ("cgan", "gan") for s in range(2)]
    collected = results.read(outputs / "s")
    missing = next(name for name in collected["sweep"]["failures"] if "seed1" in name)
    models = {(row["model"], row["seed"]) for row in collected["models"]}
    assert models == {(m, s) for m in ("gan", "cgan") for s in range(2)} - {(missing.split("/")[1][:-6], 1)}
    # the failed training, and the measuring that it is new to
    assert main(command) == 1
    lines = noted()
    assert lines == [f"s-site {missing.split('/')[1][:-6]} 1 {threads} None", "06_evaluation s-site"]
    collected = results.read(outputs / "s")
    assert set(collected["sweep"]["failures"]) == {"s-broken"}
    table = pd.DataFrame(collected["comparison"])
    assert dict(zip(table["model"], table["seeds"], strict=True)) == {"gan": 2, "cgan": 2}
    assert "cgan" in capsys.readouterr().out


def test_a_grid_of_four_that_is_killed_goes_on_and_repeats_nothing(outputs, tmp_path, monkeypatch):
    stand_in = str(Path(__file__).with_name("swept.py"))
    code = f"import sys; from medgan_tf.cli import sweep; sweep.COMMAND = [sys.executable, {stand_in!r}]"
    code += "; from medgan_tf.__main__ import main; sys.exit(main(sys.argv[1:]))"
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    command = [sys.executable, "-c", code, "sweep", "--out", "s", "--models", "gan", "--profile", "smoke"]
    command += ["--set", "gan.kimg=[1, 2]", "--set", "gan.network.latent_dim=[8, 16]"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    trained = lambda: [line for line in (tmp_path / "notes").read_text().splitlines() if " gan " in line]  # noqa: E731
    deadline = time.time() + 300
    while not (tmp_path / "notes").exists() or len(trained()) < 2:
        assert process.poll() is None and time.time() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(command, check=True, capture_output=True)
    names = [line.split()[0] for line in trained()]
    runs = {f"s-phantoms-gan.kimg={kimg}-gan.network.latent_dim={size}" for kimg in (1, 2) for size in (8, 16)}
    assert set(names) == runs and len(names) <= 5, "the one that was killed may have begun twice"
    for name in runs:
        assert config.find_run(name).profile.training("gan").kimg == int(name.split("kimg=")[1][0])
    assert len({row["run"] for row in results.read(outputs / "s")["models"]}) == 4
    before = (tmp_path / "notes").read_text()
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "notes").read_text() == before


def test_a_grid_is_checked_before_any_work(outputs, capsys):
    assert main(["sweep", "--out", "s", "--models", "gan", "--set", "gan.kimk=[1, 2]"]) == 1
    assert "did you mean gan.kimg" in capsys.readouterr().err
    assert not list(outputs.glob("*"))


def test_a_search_of_six_that_is_killed_goes_on_and_repeats_nothing(outputs):
    command = [sys.executable, str(Path(__file__).with_name("searched.py"))]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder, deadline = outputs / "r" / "search" / "dcgan", time.time() + 300
    while len(list(folder.glob("*/log.csv"))) < 3:
        assert process.poll() is None and time.time() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    finished = sorted(folder.glob("*/log.csv"), key=lambda path: path.stat().st_mtime_ns)[:2]
    written = {path: path.stat().st_mtime_ns for path in finished}
    subprocess.run(command, check=True, capture_output=True)
    section = results.section(outputs / "r", "search/dcgan")
    assert section["tried"] == 6 == len(section["trials"]) and section["chosen on"] == "validation patients"
    assert {path: path.stat().st_mtime_ns for path in finished} == written
    best = min(section["trials"], key=lambda trial: trial["validation distance"])
    assert {name: best[name] for name in section["best"]} == section["best"]
    for trial in section["trials"]:
        assert 1e-4 <= trial["dcgan.generator_learning_rate"] <= 1e-2 and trial["dcgan.network.base_filters"] in (2, 4)
    assert len({trial["dcgan.generator_learning_rate"] for trial in section["trials"]}) == 6


@pytest.mark.parametrize("values", ["0.1", "a..b", "1.."])
def test_what_cannot_be_searched_is_said(values):
    with pytest.raises(ValueError, match="cannot be searched: write LOW"):
        searching._ends(values)


def test_a_sweep_of_what_is_not_there_is_one_sentence(outputs, tmp_path, capsys):
    assert main(["sweep", "--out", "s", "--models", "vae"]) == 1
    assert "There is no model vae; choose from gan, dcgan" in capsys.readouterr().err


def test_train_does_what_the_notebooks_do(outputs, tmp_path, monkeypatch, capsys, float32_again):
    short = {"kimg": 0.064, "kimg_per_epoch": 0.064}
    profile = config.PROFILES["smoke"]
    tiny = replace(profile, image_size=16, models=profile.models | {"dcgan": replace(SETTINGS, **short)})
    monkeypatch.setitem(config.PROFILES, "smoke", tiny)
    generator = np.random.default_rng(0)
    run = config.open_run("r", "smoke", [tmp_path])
    assert main(["train", "r", "dcgan"]) == 1
    assert "is not prepared: run `python -m medgan_tf run --notebooks 01_dicom_to_jpg`" in capsys.readouterr().err
    pixels = generator.integers(0, 255, (30, 16, 16, 1), np.uint8)
    for index, image in enumerate(pixels):
        path = run.images / ("sick" if index % 2 else "well") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
    metrics.save_classifier(metrics.train_feature_classifier(pixels, image_size=16, steps=2), run.feature_classifier)
    assert main(["train", "r", "dcgan", "--seed", "3", "--kimg", "0.128"]) == 0
    record = results.read(run.directory)["training/dcgan_seed3"]
    assert (record["kimg"], record["settings"]["seed"], record["settings"]["deterministic"]) == (0.16, 3, False)
    assert run.trained_seeds() == [("dcgan", 3)]
    assert main(["train", "r", "vae"]) == 1
    assert "There is no model 'vae' to train; choose from gan, dcgan" in capsys.readouterr().err
