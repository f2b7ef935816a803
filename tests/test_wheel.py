"""The wheel, where there is no clone: notebooks and models are in it, outputs go to the working directory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from medgan_tf import generators

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of this clone."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", ROOT, "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("medgan_tf-*.whl")
    return path


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory):
    """run(*arguments of medgan_tf) with the wheel installed, outside the clone; returns (what it printed, folder)."""
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("elsewhere")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True)
    environment = {name: value for name, value in os.environ.items() if name != "MEDGAN_TF_OUTPUTS"}
    environment |= {"PYTHONPATH": str(site)}

    def run(*arguments):
        command = [sys.executable, "-m", "medgan_tf", *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout, folder

    return run


def test_notebooks_are_copied_with_their_pictures_and_never_over_others(run, wheel):
    said, folder = run("notebooks", "--out", "mine")
    assert "mine/notebooks" in said
    copied = folder / "mine" / "notebooks"
    names = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {path.name for path in copied.iterdir()} == names
    for path in copied.iterdir():
        for cell in nbformat.read(path, 4).cells:
            for link in [part.split(")")[0] for part in cell.source.split("](../")[1:] if cell.cell_type == "markdown"]:
                assert (folder / "mine" / link).exists(), f"{path.name} links {link}"
    with pytest.raises(AssertionError, match=r"01_dicom_to_jpg\.ipynb is there already: give another folder"):
        run("notebooks", "--out", "mine")


def test_a_published_model_draws_the_same_images(run):
    run("sample", "pretrained/chest_xray_cgan", "--out", "samples", "--count", 4, "--seed", 3)
    _, folder = run("sample", "pretrained/chest_xray_cgan", "--out", "again", "--count", 4, "--seed", 3)
    files = sorted(path.name for path in (folder / "samples").rglob("*.png"))
    assert len(files) == 4
    drawn = np.stack([np.asarray(Image.open(folder / "samples" / name)) for name in files])
    expected = generators.load("pretrained/chest_xray_cgan").sample(4, seed=3)[..., 0]
    assert np.abs(drawn.astype(int) - expected).max() <= 1


@pytest.mark.slow
def test_a_notebook_runs_and_outputs_go_to_the_working_directory(run):
    _, folder = run("run", "--profile", "smoke", "--notebooks", "01_dicom_to_jpg")
    record = json.loads((folder / "outputs" / "smoke-phantoms" / "results.json").read_text())
    assert record["data"]["converted"] > 0
    assert (folder / "outputs" / "smoke-phantoms" / "report.html").exists()


def test_the_first_cell_installs_the_wheel_beside_the_notebook_where_it_is_missing(wheel, tmp_path):
    cells = [
        cell.source
        for path in (ROOT / "notebooks").glob("*.ipynb")
        for cell in nbformat.read(path, 4).cells[1:2]
        if "install" in cell.metadata.get("tags", [])
    ]
    assert len(cells) == len(list((ROOT / "notebooks").glob("*.ipynb"))) and len(set(cells)) == 1
    exec(cells[0], {})  # here it is installed already, and nothing happens
    python = tmp_path / "environment" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
    environment = {**os.environ, "PIP_NO_DEPS": "1"}
    environment.pop("PYTHONPATH", None)
    cell = [python, "-c", cells[0]]
    missing = subprocess.run(cell, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert missing.returncode and "which has to be uploaded first" in missing.stderr
    (tmp_path / wheel.name).write_bytes(wheel.read_bytes())
    subprocess.run(cell, cwd=tmp_path, env=environment, check=True, capture_output=True)
    found = subprocess.run(
        [python, "-c", "import medgan_tf; print(medgan_tf.__file__)"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert str(python.parents[1]) in found.stdout
