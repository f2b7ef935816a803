"""The report: a verdict that is read from results.json, and a page that needs no network."""

import re

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from medgan_tf import config, figures, results
from medgan_tf.reporting.report import write_report
from medgan_tf.reporting.verdict import verdict


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path))
    return config.open_run("r", "smoke")


def interval(value, real):
    ends = {"value": value, "low": value - 0.1, "high": value + 0.1, "real_vs_real": real}
    return ends | {"real_vs_real_low": real - 0.1, "real_vs_real_high": real + 0.1}


def measure(run, **distances):
    """Write what notebook 06 would of models with these kernel distances."""
    about = {"run": run.name, "metric": "kernel_distance", "n": 50, "extractor": "f"}
    best = min(distances.values())
    rows = [
        {"model": model, "among_best": value - best < 0.2} | about | interval(value, 0.1)
        for model, value in distances.items()
    ]
    results.write(run.directory, "comparison", rows)
    for model in distances:
        metrics = {"frechet_distance": interval(6.0, 2.0), "coverage": interval(0.7, 0.9), "recall": interval(0.4, 0.8)}
        results.write(run.directory, f"quality/{model}", {"metrics": metrics})


def audit(p_value, auc_low):
    attack = {"auc": {"value": auc_low + 0.1, "low": auc_low, "high": auc_low + 0.2}}
    return {"memorisation": {"pixels": {"p_value": p_value}}, "attacks": {"distance": attack}}


def test_an_untouched_run_has_no_number_in_its_verdict(run):
    answers = verdict(run)
    assert len(answers) == 5 and all("Not run" in answer for answer in answers.values())
    assert not re.search(r"\d\.\d", " ".join(answers.values()))


def test_the_verdict_ranks_by_distance_and_names_what_cannot_be_told_apart(run):
    measure(run, gan=3.0, cgan=0.6, dcgan=0.5)
    answers = verdict(run)
    assert "Of 3 models, dcgan has the smallest kernel distance" in answers["Which model?"]
    assert "0.500 [0.400, 0.600]" in answers["Which model?"] and "n = 50 a side" in answers["Which model?"]
    assert "it cannot be told from cgan." in answers["Which model?"]
    assert "dcgan is 3.0 times that" in answers["How far from real?"]
    measure(run, gan=0.2, cgan=0.6, dcgan=0.5)
    assert "gan has the smallest" in verdict(run)["Which model?"]


@pytest.mark.parametrize(("p_value", "auc_low", "found"), [(0.5, 0.4, False), (0.001, 0.4, True), (0.5, 0.6, True)])
def test_copies_and_members_are_named(run, p_value, auc_low, found):
    results.write(run.directory, "privacy/dcgan", audit(0.5, 0.4))
    results.write(run.directory, "privacy/cgan", audit(p_value, auc_low))
    answer = verdict(run)["Does it copy?"]
    assert ("were found in cgan, of 2" in answer) == found
    assert "does not prove anonymity" in answer


def test_the_page_begins_with_pictures_and_opens_without_a_network(run):
    picture = figures.grids({"real": np.zeros((8, 16, 16, 1), np.uint8)}, "real_and_synthetic", "Eight images each.")
    figures.show(run, "06_evaluation", picture)
    png = nbformat.from_dict({"image/png": PNG})
    code = new_code_cell("figures.show()", execution_count=1)
    code.outputs = [
        new_output("display_data", png),
        new_output("stream", name="stderr", text="50%|███| 1/2"),
        new_output("error", ename="ValueError", evalue="no images", traceback=["ValueError: no images"]),
    ]
    text = new_markdown_cell("# Title\n\nWith $D(x) \\in (0, 1)$ and\n\n$$L = \\log x$$\n\nsee [04](04_cgan.ipynb).")
    folder = run.directory / "notebooks"
    folder.mkdir(parents=True)
    nbformat.write(new_notebook(cells=[text, code]), folder / "02_gan.ipynb")
    page = write_report(run, {}).read_text()
    places = [page.index(f'id="{place}"') for place in ("pictures", "verdict", "figures", "tables", "notebooks")]
    assert places == sorted(places)
    assert places[0] < page.index("Eight images each.") < places[1]
    assert page.count("<math") == 2 and "$" not in page.split('id="notebooks"')[1]
    assert page.count("data:image/webp;base64") == 2 and "image/png" not in page
    assert "ValueError" in page and "50%|" not in page and 'href="#04_cgan"' in page
    assert not re.search(r"<(?:script|link|iframe)|(?:src|@import)=?.{0,2}https?:", page)


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
