"""The LaTeX of a run compiles, says what results.json says, and leaves the author's text alone."""

import json
import re
import shutil
import subprocess
import tomllib
from dataclasses import asdict
from pathlib import Path

import matplotlib.figure
import pandas as pd
import pytest
import yaml
from records import measured

from medgan_tf import config, figures, results
from medgan_tf.__main__ import main
from medgan_tf.figures import latex
from medgan_tf.reporting import thesis
from medgan_tf.reporting.thesis import facts, text
from medgan_tf.reporting.thesis.numbers import key, numbers

ODD = ("50% & more_of #1 {x} ~^\\", "肺炎 “Größe” µ²≤×½", "[$a<b>|\"é'")
SOURCES = Path(thesis.__file__).parent


def environment():
    packages = {"medgan-tf": "0.1.0", "tensorflow": "2.20.0"}
    return {"python": "3.11.7", "system": "Linux x86_64", "cores": 2, "gpus": [], "packages": packages}


def prepared(tmp_path, monkeypatch, classes=ODD, **run):
    """A run of which notebook 01 alone was executed."""
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path / "outputs"))
    run = config.open_run("odd_name", "smoke", **run)
    counts = {"train": {"images": 30, "patients": 12}, "test": {"images": 7, "patients": 3}}
    data = {"classes": dict.fromkeys(classes, counts), "splits": ["train", "validation", "test"]}
    results.write(run, "environment", environment())
    results.write(run, "data", data | {"converted": 111, "rejected": 2})
    plot = matplotlib.figure.Figure()
    figures.Figure(plot, "b_second", "Shown first: 95% of R&D_1, χ² ≤ 3.").save(run, "01_dicom_to_jpg")
    figures.Figure(plot, "a_first", "Shown second.").save(run, "01_dicom_to_jpg")
    return run


def executed(tmp_path, monkeypatch):
    """A run with trainings, metrics and a reader study that nobody has answered."""
    run = prepared(tmp_path, monkeypatch)
    for name in ("dcgan", "cgan"):
        settings = asdict(run.profile.training(name))
        training = {"settings": settings, "kimg": 20.48, "seconds": 90.0, "collapsed_at_kimg": [6.144]}
        results.write(run, f"training/{name}", training | {"parameters": {"generator": 1234567, "discriminator": 99}})
        metrics = {"kernel_distance": measured(1.25, 0.25), "coverage": measured(0.75, 0.05, better="higher")}
        metrics = {metric: record | {"interpretation": "worse"} for metric, record in metrics.items()}
        results.write(run, f"quality/{name}", {"seed": 1, "metrics": metrics})
    section = {"model": "dcgan", "status": "not run", "why": "there are no answers of readers"}
    results.write(run, "reader_study/dcgan", section)
    data = pd.DataFrame({f"column {number}": ["-1.25 [-2.50, 0.00]"] * 60 for number in range(12)})
    figures.Table(data, "long_and_wide", "A table of a notebook of the author's.").save(run, "06_evaluation")
    huge = pd.concat([data, data.add_suffix(" again")], axis=1)
    figures.Table(huge, "huge", "Smaller letters.").save(run, "06_evaluation")
    figures.Table(data[:3], "wide", "Turned.").save(run, "06_evaluation")
    figures.Table(data.iloc[:, :3], "long", "Over several pages.").save(run, "my_notebook")
    return run


def change(run, section, **metrics):
    """Change values of metrics in results.json."""
    content = results.section(run, section)
    for metric, value in metrics.items():
        content["metrics"][metric]["value"] = value
    results.write(run, section, content)


@pytest.mark.parametrize("make", [prepared, executed])
def test_the_document_compiles_without_gaps_and_nothing_is_cut_off(make, tmp_path, monkeypatch):
    missing = [program for program in ("latexmk", "pdflatex", "bibtex") if not shutil.which(program)]
    if missing:
        pytest.skip(f"{missing[0]} is not installed (TeX Live)")
    main_tex = thesis.write(make(tmp_path, monkeypatch), tmp_path / "thesis")
    done = subprocess.run(
        ["latexmk", "-pdf", "-interaction=nonstopmode", main_tex.name],
        cwd=main_tex.parent,
        capture_output=True,
        text=True,
        errors="replace",
    )
    log = main_tex.with_suffix(".log").read_text(errors="replace")
    assert done.returncode == 0, re.findall(r"(?m)^!.*(?:\n.*){4}", log)[:3] or done.stdout[-2000:]
    assert not re.findall(r"undefined|multiply defined|Float too large|has no result|Missing character", log)
    assert [width for width in re.findall(r"Overfull \\[hv]box \(([\d.]+)pt", log) if float(width) > 20] == []
    assert "Warning--I didn't" not in main_tex.with_suffix(".blg").read_text()


def test_numbers_are_those_of_results_with_n_interval_and_the_same_of_real_images(tmp_path, monkeypatch):
    run = executed(tmp_path, monkeypatch)
    found, records = numbers(run), results.quality(run)
    for row in records.to_dict("records"):
        name = f"quality/{row['model']}/metrics/{row['metric']}"
        value, low, high = map(float, re.match(r"(\S+) \[(\S+), (\S+)\]", found[name]).groups())
        assert (value, low, high) == pytest.approx((row["value"], row["low"], row["high"]), abs=0.01)
        assert f"n={row['n']}" in found[name] and "real against real 0.500 [0.400, 0.600]" in found[name]
        assert float(found[f"{name}/value"]) == row["value"]
    assert found["training/dcgan/parameters/generator"] == "1,234,567"
    assert found["training/dcgan/minutes"] == "1.5"
    assert found["data/total/train/images"] == "90" and found["data/total/all/patients"] == "45"
    assert all(part in found for part in ("run/profile", "environment/packages/tensorflow", "data/rejected"))


def test_a_changed_value_changes_numbers_and_tables(tmp_path, monkeypatch):
    run = executed(tmp_path, monkeypatch)
    folder = thesis.write(run, tmp_path / "thesis").parent
    before = {name: (folder / name).read_text() for name in ("numbers.tex", "tables/quality.tex", "results.tex")}
    change(run, "quality/cgan", kernel_distance=1.47)
    thesis.write(run, folder)
    after = {name: (folder / name).read_text() for name in before}
    setting = r"\setresult{quality/cgan/metrics/kernel_distance}{1.47 [1.00, 1.50]"
    assert setting in after["numbers.tex"] and setting not in before["numbers.tex"]
    assert "1.47" in after["tables/quality.tex"] and "1.47" not in before["tables/quality.tex"]
    assert after["results.tex"] == before["results.tex"]


def test_texts_hold_no_number_that_is_typed(tmp_path, monkeypatch):
    folder = thesis.write(executed(tmp_path, monkeypatch), tmp_path / "thesis").parent
    defined = set(re.findall(r"\\setresult\{([^}]*)\}", (folder / "numbers.tex").read_text()))
    for name in ("methods.tex", "results.tex", "limits.tex", "checklist.tex"):
        words = (folder / name).read_text()
        assert set(re.findall(r"\\result\{([^}]*)\}", words)) <= defined
        typed = re.findall(r"(?<![A-Z\d])\d+\.\d+", re.sub(r"\\result\{[^}]*\}", "", words))
        assert set(typed) <= {"0.34", "0.53"}  # widths of the columns of the checklist


def test_what_was_not_run_is_said(tmp_path, monkeypatch):
    folder = thesis.write(prepared(tmp_path, monkeypatch), tmp_path / "thesis").parent
    limits, words = (folder / "limits.tex").read_text(), (folder / "results.tex").read_text()
    assert "Not run: Fully connected GAN; DCGAN;" in limits and "Memorisation and membership: not run" in limits
    assert "Research use only" in limits and "only shows that everything works" in limits
    assert words.count("\nNot run.\n") == len(facts.CHAPTERS) - 1
    assert "Training of models: not run" in (folder / "methods.tex").read_text()
    assert r"Reading by people: not run" in limits
    other = thesis.write(executed(tmp_path / "other", monkeypatch), tmp_path / "other" / "thesis").parent
    assert "not run; \\result{reader_study/dcgan/why}" in (other / "results.tex").read_text()


def test_figures_and_tables_come_once_and_in_the_order_of_the_notebooks(tmp_path, monkeypatch):
    run = executed(tmp_path, monkeypatch)
    folder = thesis.write(run, tmp_path / "thesis").parent
    placed = re.findall(r"\\input\{(.*)\}", (folder / "results.tex").read_text())
    tables = ["quality", "long_and_wide", "huge", "wide", "long"]
    assert placed == ["figures/b_second", "figures/a_first", *(f"tables/{name}" for name in tables)]
    for name in placed:
        words = (folder / f"{name}.tex").read_text()
        label = name.replace("figures/", "fig:").replace("tables/", "tab:")
        assert "\\caption" in words and f"\\label{{{label}}}" in words
    assert (folder / "figures" / "a_first.pdf").read_bytes() == (run.directory / "figures" / "a_first.pdf").read_bytes()
    kinds = {name: (folder / "tables" / f"{name}.tex").read_text() for name in tables}
    assert [name for name, words in kinds.items() if "{sidewaystable}" in words] == ["long_and_wide", "huge", "wide"]
    assert [name for name, words in kinds.items() if "{longtable}" in words] == ["long"]
    assert kinds["long_and_wide"].count("label{") > 1  # in parts
    rows = [words.count("\\raisebox") for words in kinds.values()]
    assert rows[1:] == [60 * 12, 60 * 24, 3 * 12, 60 * 3]


def test_tables_made_again_are_those_that_notebooks_saved(tmp_path, monkeypatch):
    run = executed(tmp_path, monkeypatch)
    figures.quality_table(run).save(run, "06_evaluation")
    made = figures.all_tables(run)
    assert list(made) == ["quality"] and made["quality"][0] == "06_evaluation"
    saved = (run.directory / "tables" / "quality.tex").read_text().split("\n", 1)[1]
    assert saved == (thesis.write(run, tmp_path / "thesis").parent / "tables" / "quality.tex").read_text()


def test_an_authors_text_is_kept_and_a_changed_file_is_not_replaced(tmp_path, monkeypatch, capsys):
    run = executed(tmp_path, monkeypatch)
    main_tex = thesis.write(run, tmp_path / "thesis")
    main_tex.write_text("mine")
    (main_tex.parent / "own.bib").write_text("mine")
    results.write(run, "quality/gan", results.section(run, "quality/cgan"))
    thesis.write(run, main_tex.parent)
    assert main_tex.read_text() == (main_tex.parent / "own.bib").read_text() == "mine"
    assert "quality/gan" in (main_tex.parent / "numbers.tex").read_text()

    (main_tex.parent / "methods.tex").write_text("my methods")
    change(run, "quality/gan", coverage=0.123)
    assert main(["thesis", run.name, "--out", str(main_tex.parent)]) == 1
    said = capsys.readouterr().err
    assert "methods.tex is not as this command wrote it" in said and "delete methods.tex" in said
    assert (main_tex.parent / "methods.tex").read_text() == "my methods"
    assert "0.123" not in (main_tex.parent / "numbers.tex").read_text()  # nothing was written

    (main_tex.parent / "methods.tex").unlink()
    (run.directory / "tables" / "wide.tex").unlink()
    assert main(["thesis", run.name, "--out", str(main_tex.parent)]) == 0
    assert "0.123" in (main_tex.parent / "numbers.tex").read_text()
    assert not (main_tex.parent / "tables" / "wide.tex").exists()  # of no notebook any more


def test_a_folder_with_other_files_of_these_names_is_left_alone(tmp_path, monkeypatch):
    run = prepared(tmp_path, monkeypatch)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "references.bib").write_text("@misc{mine}")
    with pytest.raises(ValueError, match=r"references\.bib is not as this command wrote it"):
        thesis.write(run, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["references.bib"]


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        (r"a_b & 50% #1 {x} $5 \n", r"a\_b \& 50\% \#1 \{x\} \$5 \textbackslash{}n"),
        ("~ ^ < | >", r"\textasciitilde{} \textasciicircum{} \textless{} \textbar{} \textgreater{}"),
        ("3 × 2 ≤ 7, 5 µm²", r"3 \ensuremath{\times} 2 \ensuremath{\leq} 7, 5 \ensuremath{\mu}m\ensuremath{^{2}}"),
        ("Fréchet, Größe, Kynkäänniemi", r"Fr\'{e}chet, Gr\"{o}\ss{}e, Kynk\"{a}\"{a}nniemi"),
        ("γ and λ, Ω", r"\ensuremath{\gamma} and \ensuremath{\lambda}, \ensuremath{\Omega}"),
        ("[-0.5, 1] x-ray 2020-01", r"[\ensuremath{-}0.5, 1] x-ray 2020-01"),
        ("肺\x00", "(U+80BA)"),
    ],
)
def test_every_character_is_printed_as_it_is(written, printed):
    assert latex.escape(written) == printed


def test_keys_name_what_tex_does_not_allow_and_stay_apart():
    assert key("classes", "a_b", "w+") == "classes/a_b/w+"
    names = [key("classes", name) for name in (*ODD, "肺", "心")]
    assert len(set(names)) == len(names) and not set("\\{}%#&~^$") & set("".join(names))


def test_the_checklist_is_filled_where_the_run_knows_and_else_left_to_the_author(tmp_path, monkeypatch):
    items = tomllib.loads((SOURCES / "checklist.toml").read_text())["item"]
    assert [item["number"] for item in items] == list(range(1, 43))
    answers = {}
    for make in (prepared, executed):
        folder = thesis.write(make(tmp_path / make.__name__, monkeypatch), tmp_path / make.__name__ / "thesis").parent
        rows = re.findall(r"(?m)^(\d+) & .* & (.*) \\\\$", (folder / "checklist.tex").read_text())
        answers[make] = {int(number): answer for number, answer in rows}
        assert len(rows) == 42
    assert all(answer[2] == answer[42] == "To be written by the author." for answer in answers.values())
    assert answers[prepared][25] == answers[prepared][28] == "Not run." and "Patients" in answers[prepared][21]
    assert "tab:trainings" in answers[executed][25] and "sec:metrics" in answers[executed][28]


def test_references_are_those_of_what_was_used(tmp_path, monkeypatch):
    folder = thesis.write(executed(tmp_path, monkeypatch), tmp_path / "thesis").parent
    cited = cites("".join(path.read_text() for path in folder.glob("*.tex")))
    entries = re.findall(r"(?m)^@\w+\{(.*),$", (folder / "references.bib").read_text())
    assert set(entries) == cited and len(entries) == len(cited)
    assert {"radford2016dcgan", "gulrajani2017wgangp", "binkowski2018kid", "naeem2020density"} <= cited
    assert not {"karras2020stylegan2", "sauer2021projected", "hayes2019logan", "holm1979"} & cited


def test_every_reference_is_cited_somewhere_and_this_one_is_that_of_the_citation_file():
    sources = [*SOURCES.glob("*.toml"), *SOURCES.rglob("*.tex")]
    entries = (SOURCES / "references.bib").read_text()
    names = re.findall(r"(?m)^@\w+\{(.*),$", entries)
    assert sorted(names) == sorted(cites("".join(path.read_text() for path in sources)))
    citation = yaml.safe_load((Path(__file__).parents[1] / "CITATION.cff").read_text())
    own = re.sub(r"[{}\\]", "", re.search(r"(?s)@misc\{medgan_tf,.*?\n\}", entries)[0])
    assert citation["title"] in own and citation["authors"][0]["name"] in own
    with pytest.raises(ValueError, match=r"references\.bib has no entry nobody2000"):
        text.references([r"\cite{nobody2000}"])


def cites(words):
    return {name.strip() for keys in re.findall(r"\\cite\{([^}]*)\}", words) for name in keys.split(",")}


def test_every_architecture_metric_and_extractor_has_a_text():
    from medgan_tf import metrics, networks

    assert set(facts.METHODS["architectures"]) == set(networks.ARCHITECTURES)
    together = {"recall", "density", "autocorrelation_distance", "intensity_distance"}  # with the one before
    assert set(facts.METHODS["metrics"]) | together == set(metrics.records.METRICS)


def test_changes_of_settings_are_named(tmp_path, monkeypatch):
    run = prepared(tmp_path, monkeypatch, changes={"image_size": 64})
    methods = (thesis.write(run, tmp_path / "thesis").parent / "methods.tex").read_text()
    assert r"\texttt{image\_size} = \result{run/changes/image_size}" in methods
    assert json.loads((run.directory / "run.json").read_text())["changes"] == {"image_size": 64}
