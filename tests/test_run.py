import json
import subprocess
import sys
import time
from dataclasses import replace

import nbformat
import numpy as np
import pandas as pd
import pytest
from markupsafe import escape
from records import measured

from medgan_tf import config, figures, results
from medgan_tf.__main__ import main
from medgan_tf.cli import notebooks as runner
from medgan_tf.studies import privacy_report

PIXEL_METRICS = ("ms_ssim", "power_spectrum_distance", "autocorrelation_distance", "intensity_distance")


@pytest.fixture(autouse=True)
def outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


def notebook(path, *cells):
    parameters = nbformat.v4.new_code_cell('PROFILE = ""\nDATA = []\nRUN = ""', metadata={"tags": ["parameters"]})
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[parameters, *code], metadata=kernel), path)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Three notebooks that note in a file that they ran."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in ("01_a", "02_b", "03_c"):
        notebook(folder / f"{name}.ipynb", f"open({str(tmp_path / 'ran')!r}, 'a').write('{name} ')")
    monkeypatch.setattr(runner, "NOTEBOOKS", folder)
    return folder


def ran(tmp_path):
    text = (tmp_path / "ran").read_text().split()
    (tmp_path / "ran").unlink()
    return text


def test_a_failed_notebook_names_its_cell_leaves_the_others_and_is_resumed(small, tmp_path):
    notebook(small / "02_b.ipynb", "x = 1", "# a comment\nx / 0")
    report, failures = runner.run("smoke", name="r")
    assert list(failures) == ["02_b"]
    assert "02_b failed in cell 3" in failures["02_b"]
    assert "ZeroDivisionError" in failures["02_b"]
    assert ran(tmp_path) == ["01_a", "03_c"]
    assert "ZeroDivisionError" in report.read_text()
    notebook(small / "02_b.ipynb", f"open({str(tmp_path / 'ran')!r}, 'a').write('02_b ')")
    report, failures = runner.run("smoke", name="r")
    assert not failures
    assert ran(tmp_path) == ["02_b", "03_c"]  # what comes after may read what it wrote
    runner.run("smoke", name="r")
    assert not (tmp_path / "ran").exists()


def test_a_failed_first_notebook_ends_the_run(small, tmp_path):
    notebook(small / "01_a.ipynb", "1 / 0")
    _, failures = runner.run("smoke", name="r")
    assert list(failures) == ["01_a"]
    assert not (tmp_path / "ran").exists()


def test_a_kernel_that_dies_is_a_failure_and_not_a_crash(small, capsys):
    notebook(small / "02_b.ipynb", "import os; os.kill(os.getpid(), 9)")
    assert main(["run", "--profile", "smoke", "--run", "r", "--notebooks", "02_b"]) == 1
    told = capsys.readouterr().out
    assert "what failed:\n02_b: its process was killed" in told


def test_a_kernel_that_does_not_start_is_a_failure_and_not_a_crash(small, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))  # there is no Python
    _, failures = runner.run("smoke", name="r", notebooks=["02_b"])
    log = config.find_run("r").directory / "notebooks" / "02_b.log"
    sentence = f"its process did not start (Kernel died before replying to kernel_info): see {log}."
    assert failures == {"02_b": f"02_b: {sentence}"}
    assert "No module named 'encodings'" in log.read_text()


def test_parameters_reach_the_notebooks(small, tmp_path):
    notebook(small / "01_a.ipynb", f"open({str(tmp_path / 'ran')!r}, 'a').write(repr((PROFILE, DATA, RUN)))")
    runner.run("smoke", [tmp_path], "r", ["01_a"])
    assert (tmp_path / "ran").read_text() == repr(("smoke", [str(tmp_path)], "r"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fast",), "There is no profile 'fast'"),
        (("smoke", ["nowhere"]), "nowhere is not a folder"),
        (("smoke", [], "r", ["99_z"]), "There is no notebook 99_z"),
    ],
)
def test_wrong_arguments_are_said(small, arguments, message):
    with pytest.raises(ValueError, match=message):
        runner.run(*arguments)


def test_a_run_keeps_its_data_and_profile(tmp_path):
    config.open_run("r", "smoke")
    with pytest.raises(ValueError, match="created with other data, profile or changes"):
        config.open_run("r", "quick")
    assert config.open_run("", "smoke", [tmp_path]).name == f"smoke-{tmp_path.name}"
    assert config.open_run("", "smoke").name == "smoke-phantoms"


def test_results_are_written_by_section_and_survive_a_kill(tmp_path):
    results.write(tmp_path, "a", {"x": np.float32(0.5), "y": np.arange(2)})
    results.write(tmp_path, "b", 1)
    results.write(tmp_path, "a", {"x": 2})
    assert results.read(tmp_path) == {"a": {"x": 2}, "b": 1}
    code = f"from medgan_tf import results\nwhile True: results.write({str(tmp_path)!r}, 'c', list(range(20000)))"
    process = subprocess.Popen([sys.executable, "-c", code])
    time.sleep(2)
    process.kill()
    process.wait()
    assert results.read(tmp_path)["b"] == 1
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        results.read(tmp_path)


def test_tables_say_what_results_say(tmp_path):
    for model, value in (("gan", 12.345), ("dcgan", 3.21)):
        metrics = {"frechet_distance": measured(value), "coverage": measured(0.0, low=0.0, high=0.0, better="higher")}
        results.write(tmp_path, f"quality/{model}", {"metrics": metrics})
    shown = figures.quality_table(tmp_path)
    table = shown.data
    assert list(table.index) == ["real against real", "gan", "dcgan"]
    assert table.loc["gan", "Fréchet distance ↓"] == "12.3 [12.2, 12.4]"
    assert table.loc["real against real", "Fréchet distance ↓"] == "0.500 [0.400, 0.600]"
    assert table.loc["dcgan", "coverage ↑"] == "0.00 [0.00, 0.00]"
    figures.show(tmp_path, "06_evaluation", shown)
    tex = (tmp_path / "tables" / "quality.tex").read_text()
    assert r"\toprule" in tex and r"\ensuremath{\downarrow}" in tex and r"\shortstack{12.3\\{}[12.2, 12.4]}" in tex
    assert r"mean and 95\% interval over 4 half-splits of 30 held-out patients, n = 50 images a side" in tex
    assert r"features feature\_classifier (abababab)" in tex
    assert all(ord(letter) < 128 for letter in tex)


def test_figures_are_saved_with_caption_data_and_index(tmp_path):
    data = pd.DataFrame({"x": [1]})
    pictures = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1), np.uint8)
    plot = figures.grids({"real": pictures}, "grid", "").plot
    figures.show(tmp_path, "01_a", figures.Figure(plot, "grid", "Sixteen images.", data), None)
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == ["grid.csv", "grid.pdf", "grid.png", "grid.txt", "index.json"]
    entry = json.loads((tmp_path / "figures" / "index.json").read_text())["grid"]
    assert entry == {"caption": "Sixteen images.", "notebook": "01_a", "run": tmp_path.name, "config": None}


def test_settings_can_be_changed_one_by_one_and_not_in_place():
    profile = config.PROFILES["quick"]
    changed = profile.training("dcgan", kimg=1.0)
    assert changed == replace(profile.models["dcgan"], kimg=1.0)
    with pytest.raises(AttributeError):
        changed.kimg = 2.0
    changed.network["base_filters"] = 1
    assert profile.training("dcgan").network["base_filters"] != 1  # nor by way of its dictionaries


@pytest.mark.slow
def test_every_notebook_runs_in_the_smoke_profile_and_the_report_holds_it_all(outputs):
    command = [sys.executable, "-m", "medgan_tf", "run", "--profile", "smoke"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] or done.stderr[-3000:]
    folder = outputs / "smoke-phantoms"
    sections = results.read(folder)
    assert {
        "environment",
        "data",
        "feature_classifier",
        "training/gan",
        "training/dcgan",
        "quality/gan",
        "quality/dcgan",
    } <= set(sections)
    assert "was trained on the training split only" in sections["augmentation/cgan"]["verdict"][0]
    for name in ("gan", "dcgan"):
        assert sections[f"training/{name}"]["kimg"] >= 0.5
        for metric, entry in sections[f"quality/{name}"]["metrics"].items():
            assert entry["low"] <= entry["value"] <= entry["high"], metric
            assert entry["n"] > 10, metric
            if metric in PIXEL_METRICS:
                assert entry["extractor"] == "pixels", metric
            else:
                assert entry["extractor"] == "feature_classifier" and len(entry["weights_sha256"]) == 64, metric
    splits = pd.read_csv(folder / "images" / "manifest.csv").groupby("patient")["split"].nunique()
    assert (splits == 1).all()
    page = (folder / "report.html").read_text()
    for name in ("01_dicom_to_jpg", "02_gan", "03_dcgan", "06_evaluation", "07_augmentation"):
        assert name in page
    assert page.count("data:image/webp;base64") >= 2 * len(list((folder / "figures").glob("*.png")))
    assert "Not run" not in page.split('id="verdict"')[1].split("What was not run?")[0]
    for heading in ("Quality", "Privacy"):
        assert f"<h3>{heading}</h3>" in page
    assert escape(privacy_report.NOT_PROVEN) in page and "a control, planted" in page
    assert (folder / "tables" / "quality.tex").exists()
    written = {path: path.stat().st_mtime_ns for path in (folder / "notebooks").glob("*.ipynb")}
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0
    assert {path: path.stat().st_mtime_ns for path in written} == written  # nothing is run twice
    assert not {f"{name}.ipynb" for name in config.STUDIES} & {path.name for path in written}
    studies = subprocess.run(
        [*command, "--notebooks", *config.STUDIES, "06_evaluation"], capture_output=True, text=True
    )
    assert studies.returncode == 0, studies.stdout[-3000:] or studies.stderr[-3000:]
    page = (folder / "report.html").read_text()
    assert "<h3>Rules of anatomy and lesions</h3>" in page
    assert {"few/dcgan_few", "ablation/pggan", "equivariance/stylegan3_r", "canonical/cgan"} <= set(
        results.read(folder)
    )
