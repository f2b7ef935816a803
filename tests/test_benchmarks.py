"""The benchmark's own arithmetic, its results against docs/performance.md, and one trace for a whole training."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from benchmarks import estimate, goals, gpu_plan, growth, interleaved_timing, pipeline, run, table
from medgan_tf import config, figures, results

ROOT = interleaved_timing.ROOT
RESULTS = ROOT / "benchmarks" / "results.json"


def timing(seconds, peak=None):
    return {"seconds": seconds, "processor_seconds": 2 * seconds} | ({"peak_mib": peak} if peak else {})


def test_ratios_are_those_within_a_round():
    ours, theirs = [timing(1.0), timing(2.0), timing(10.0, 100)], [timing(3.0), timing(6.0), timing(30.0, 50)]
    row = interleaved_timing.compared("a", "b", 60, "images", ours, theirs)
    assert row["ratio"] == row["ratio_processor"] == pytest.approx(3)
    assert row["spread"] == pytest.approx([3, 3])
    assert (row["ours"], row["theirs"], row["ours_processor"]) == pytest.approx((30, 10, 15))
    assert row["peak_mib"] == [100, 50]


def test_what_is_not_here_is_not_run():
    row = interleaved_timing.compared("a", "b", 60, "images", [timing(1.0)], None)
    assert row["status"] == "not run"
    assert "ratio" not in row
    assert any("not run" in line for line in table.tables([row]))


def test_a_part_measured_again_elsewhere_leaves_the_others_where_they_were(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results.json")
    here = interleaved_timing.machine_and_versions()
    run.keep("metrics", {"rows": []}, 1, True)
    there = here | {"machine": here["machine"] | {"processor": "another"}, "versions": {}}
    monkeypatch.setattr(interleaved_timing, "machine_and_versions", lambda: there)
    run.keep("train_step", {"rows": [], "versions": {"torch": "9"}}, 1, True)
    parts = json.loads(run.RESULTS.read_text())["parts"]
    assert parts["metrics"]["machine"] == here["machine"]
    assert parts["metrics"]["versions"] == here["versions"]
    assert parts["train_step"]["machine"]["processor"] == "another"
    assert parts["train_step"]["versions"] == {"torch": "9"}
    assert len(list(table.sources(parts))) == 2


def test_verdicts_and_causes_are_read_from_the_rows():
    goal = goals.Goal("train_step", "x", "PyTorch", "ratio", 2)
    slow = interleaved_timing.compared(
        "x", "PyTorch", 60, "images", [timing(2.0), timing(2.0)], [timing(3.0), timing(3.0)]
    )
    torn = interleaved_timing.compared(
        "x", "PyTorch", 60, "images", [timing(1.0), timing(1.0)], [timing(1.0), timing(4.0)]
    )
    assert goals.verdict(goal, {}) == "not run"
    assert goals.verdict(goal, slow) == "missed"
    assert goals.verdict(goal, torn) == "met, quartiles on both sides"
    assert "ours kept 2.0 processors busy" in goals.cause(goal, {"parts": {"train_step": {"rows": [slow]}}})
    memory = goals.Goal("train_step", "x", "PyTorch", "peak_mib")
    assert goals.verdict(memory, slow | {"peak_mib": [2, 1]}) == "missed"
    assert goals.verdict(memory, slow | {"peak_mib": [1, None]}) == "not run"
    ours, theirs = timing(1.0, 900) | {"libraries_mib": 700}, timing(1.0, 500) | {"libraries_mib": 200}
    rows = [interleaved_timing.compared("x", name, 60, "images", [ours], [theirs]) for name in ("PyTorch", "keras.io")]
    assert "above them ours took 200, PyTorch 300" in goals.cause(memory, {"parts": {"train_step": {"rows": rows}}})
    most = goals.Goal("startup", "x", None, "ours", 0.5)
    assert goals.verdict(most, interleaved_timing.measured("x", 0.4, "s")) == "met"
    assert (
        goals.verdict(most, interleaved_timing.measured("x", 0.6, "s", [0.4, 0.7])) == "missed, quartiles on both sides"
    )


def test_every_goal_has_a_row_and_what_is_missed_a_cause():
    results = json.loads(RESULTS.read_text())
    for goal in goals.GOALS:
        row = goals.row_of(results, goal.part, goal.what, goal.reference)
        assert row, goal
        if goals.verdict(goal, row).startswith("missed"):
            assert "not recorded" not in goals.cause(goal, results), goal


def test_functions_are_timed_in_turns_and_the_first_round_does_not_count():
    order = []
    found = interleaved_timing.interleave({"a": lambda: order.append("a"), "b": lambda: order.append("b") or 7}, 3)
    assert order == ["a", "b"] * 4
    assert found["b"][0] == 7
    assert len(found["a"][1]) == 3


def test_a_child_process_counts_as_work():
    import subprocess
    import sys

    code = "sum(i * i for i in range(3_000_000))"
    _, spent = interleaved_timing.timed(lambda: subprocess.run([sys.executable, "-c", code], check=True))
    assert spent["processor_seconds"] > 0.05


def test_exponents():
    x = np.array([32, 64, 128, 256])
    slope, error = growth.slope_of(x, 3 * x**1.7)
    assert slope == pytest.approx(1.7)
    assert error == pytest.approx(0, abs=1e-6)
    assert growth.slope_of([1, 2], [4, 2]) == (pytest.approx(-1), None)


def test_the_estimate_is_speed_times_length():
    rows = estimate.table({"A100": (2.0, "somewhere, some day")}, kimg=1000)
    (row,) = [r for r in rows if (r["configuration"], r["gpu"], r["side"]) == ("StyleGAN3-T", "A100", 512)]
    assert row["hours"] == pytest.approx(90.25 * 1000 * 1.05 / 3600, abs=0.05)
    assert row["dollars"] == round(2 * 90.25 * 1000 * 1.05 / 3600)
    assert all(r["dollars"] is None for r in rows if r["gpu"] == "V100")
    assert estimate.price("L4=0.8:a list of today") == ("L4", (0.8, "a list of today"))
    with pytest.raises(ValueError, match="GPU=DOLLARS:SOURCE"):
        estimate.price("L4=0.8")


def test_the_page_shows_the_results():
    _, found, wanted = table.block()
    assert found == wanted, "run python -m benchmarks.table, or undo the change"


def test_the_summary_shows_what_has_a_goal_and_all_that_is_slower():
    results = json.loads(RESULTS.read_text())
    text = "\n".join(table.summary(results))
    rows = [row for part in results["parts"].values() for row in part["rows"]]
    slower = [f"{row['what']}: {row['reference']} " for row in rows if row.get("ratio", 1) < 0.99]
    assert slower
    assert all(row in text for row in slower)
    assert "| met" in text
    assert "| missed" in text


def test_every_row_has_its_count_and_ratios_a_spread():
    for name, part in json.loads(RESULTS.read_text())["parts"].items():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", part["date"])
        for row in part["rows"]:
            assert row.get("status") == "not run" or row["n"] >= 1, (name, row)
            assert ("ratio" in row) == ("spread" in row), (name, row)


@pytest.mark.usefixtures("float32_again")
@pytest.mark.parametrize("architecture", ["dcgan", pytest.param("cgan", marks=pytest.mark.slow)])
def test_a_training_of_several_epochs_traces_its_step_once(architecture):
    assert pipeline.count_traces(architecture) == 1


def test_the_recipe_search_changed_the_recipes_of_today():
    search = config.read_record(results.RECIPES)["trials"]
    bases = [trial for trial in search if trial["change"] == "none"]
    assert {trial["model"] for trial in search} == {trial["model"] for trial in bases}
    for trial in bases:
        length = {name: trial["settings"][name] for name in ("kimg", "kimg_per_epoch")}
        today = config.PROFILES["study"].training(trial["model"], **length)
        assert config.TrainingConfig(**trial["settings"]) == today
    table = results.recipes()
    figure = figures.recipes(table).plot
    lines = [line for axis in figure.axes for line in axis.lines]
    assert len(lines) == len(search)
    np.testing.assert_array_equal(lines[0].get_ydata(), search[0]["kernel_distance"])


def test_what_a_recipe_changed_is_read_where_all_trials_have_been():
    distances = {"none": [9, 5, 4, 5], "lower": [9, 8, 3, 2], "higher": [9, 8, 7, 6], "longer": [9, 5, 6, 4, 1]}
    rows = [
        {"model": "gan", "change": change, "kimg": kimg, "kernel_distance": distance, "recall": 0.5}
        for change, series in distances.items()
        for kimg, distance in enumerate(series, 1)
    ]
    table = figures.recipe_table(pd.DataFrame(rows)).data.loc["gan"]
    said = ["the recipe itself", "better", "worse", "no clear difference"]
    assert table["against the recipe"].tolist() == said
    assert table["kernel distance"].tolist() == [4.5, 2.5, 6.5, 5.0]
    assert table["kimg"].tolist() == [4, 4, 4, 4]


@pytest.mark.usefixtures("float32_again")
def test_a_step_is_exported_whole_for_another_compiler():
    settings = config.PROFILES["smoke"].training("gan", batch_size=2)
    small, large = (gpu_plan.exported(settings, size) for size in (8, 16))
    assert min(len(small), len(large)) > 10_000, "a module with both networks, their derivatives and their optimizers"
    assert small != large
