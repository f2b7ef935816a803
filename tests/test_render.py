"""Executed notebooks as Markdown pages show pictures, tables and links, and neither logs nor paths of this machine."""

import base64
import re
from io import BytesIO

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from medgan_tf import config
from medgan_tf.__main__ import main
from medgan_tf.reporting import render

TITLE = "# 01 · A title\n\n**Is it so?** More about it in the [glossary](../docs/glossary.md) and [next](02_b.ipynb)."


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path / "outputs"))
    return config.open_run("r", "smoke")


def execute(run, name, *outputs, tags=()):
    """Write a notebook as if it had been executed."""
    cells = [
        new_markdown_cell(TITLE),
        new_code_cell("RUN = 1", metadata={"tags": ["injected-parameters"]}),
        new_code_cell("1 + 1", outputs=list(outputs), metadata={"tags": list(tags)}),
    ]
    folder = run.directory / "notebooks"
    folder.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=cells), folder / f"{name}.ipynb")


def picture(caption):
    memory = BytesIO()
    noise = np.random.default_rng(0).integers(256, size=(300, 1500, 3), dtype=np.uint8)
    Image.fromarray(noise).save(memory, "PNG")
    data = {"image/png": base64.b64encode(memory.getvalue()).decode(), "text/plain": "<Image>"}
    return new_output("display_data", data, metadata={"image/png": {"alt": caption}})


def test_pages_show_pictures_tables_and_text_but_no_logs_and_no_paths(run, tmp_path):
    table = pd.DataFrame({"a": [1.5]}, index=["dcgan"])
    shown = new_output("display_data", {"text/html": table._repr_html_(), "text/plain": str(table)})
    execute(
        run,
        "01_a",
        new_output("stream", name="stderr", text="100%|####| 3/3"),
        new_output("stream", name="stdout", text=f"in {run.directory}\nof /elsewhere/r/images\n" + "line\n" * 100),
        shown,
        picture("Noise [0, 1]."),
    )
    execute(run, "02_b")
    out = tmp_path / "docs" / "notebooks"
    assert main(["render", "r", "--out", str(out)]) == 0
    page = (out / "01_a.md").read_text()
    assert "3/3" not in page and "RUN = 1" not in page and str(tmp_path) not in page
    assert "    in outputs/r\n    of outputs/r/images\n" in page and "… 72 more lines" in page
    assert "<style" not in page and "class=" not in page and "<thead>\n<tr><th></th><th>a</th></tr>\n</thead>\n" in page
    assert "<tr><th>dcgan</th><td>1.5</td></tr>" in page
    (image,) = re.findall(r"!\[Noise 0, 1\.\]\((.+?)\)", page)
    with Image.open(out / image) as shown:
        assert shown.format == "WEBP" and shown.width == 1000


def test_links_stay_valid_and_the_index_lists_every_page(run, tmp_path):
    execute(run, "01_a", picture("Noise."))
    execute(run, "02_b")
    out = render.NOTEBOOKS.parent / "docs" / "notebooks"
    moved = render._relink(TITLE, out, {"02_b.ipynb"})
    assert "[glossary](../glossary.md) and [next](02_b.md)" in moved
    without_page = render._relink(TITLE, out, set())
    assert "[next](../../notebooks/02_b.ipynb)" in without_page
    index = render.render(run, tmp_path / "pages").read_text()
    assert "## [01 · A title](01_a.md)\n\nIs it so?\n\n![01 · A title](01_a_files/" in index
    assert "(02_b.md)" in index
    assert "without a page: 01_dicom_to_jpg, 02_gan," in index
    for target in re.findall(r"\]\(([^)]+)\)", index):
        assert (tmp_path / "pages" / target).exists()


def test_a_second_call_leaves_no_old_pictures(run, tmp_path):
    execute(run, "01_a", picture("Noise."), picture("Noise."))
    render.render(run, tmp_path / "pages")
    execute(run, "01_a", picture("Noise."))
    render.render(run, tmp_path / "pages")
    assert len(list((tmp_path / "pages" / "01_a_files").iterdir())) == 1


def test_a_failed_or_absent_notebook_is_named(run, tmp_path, capsys):
    assert main(["render", "r", "--out", str(tmp_path)]) == 1
    assert "holds no executed notebook" in capsys.readouterr().err
    execute(run, "01_a", new_output("error", ename="KeyError", evalue="'x'", traceback=[]))
    assert main(["render", "r", "--out", str(tmp_path)]) == 1
    assert "01_a.ipynb ended with KeyError" in capsys.readouterr().err
