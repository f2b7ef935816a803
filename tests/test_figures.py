"""Tables and sentences say what the numbers say; figures show every number."""

import ast
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from medgan_tf import figures, metrics, results
from medgan_tf.figures.comparisons import point
from medgan_tf.metrics.features import Features


def ablation(values, width=0.1):
    """One row a step and seed; values: {step: kernel distances of the seeds}."""
    return pd.DataFrame(
        {"step": step, "seed": seed, "metric": "kernel_distance", "value": value, "low": value - width}
        | {"high": value + width, "better": "lower"}
        for step, seeds in values.items()
        for seed, value in enumerate(seeds)
    )


def test_a_step_that_helps_harms_or_cannot_be_told_is_said_so():
    table = ablation({"plain": [1.0], "+ projection": [0.5], "+ attention": [0.55], "+ growing": [0.9]})
    falls, unclear, rises = figures.ablation_verdict(table)
    assert falls.startswith("+ projection: the kernel distance falls against plain, from 1.00 [0.90, 1.10]")
    assert unclear.startswith("+ attention: no difference from + projection can be shown")
    assert rises.startswith("+ growing: the kernel distance rises against + attention")


def test_with_three_seeds_the_interval_is_that_of_the_mean_over_seeds():
    seeds = [1.0, 1.2, 0.9]
    table = ablation({"plain": seeds}, width=1e-6)
    low, high = stats.t.interval(0.95, 2, np.mean(seeds), stats.sem(seeds))
    cell = figures.ablation_table(table)["kernel distance ↓"]["plain"]
    assert cell == f"{np.mean(seeds):.2f} [{low:.2f}, {high:.2f}]"


def test_sections_become_rows_and_too_few_is_no_number(tmp_path):
    record = {"value": 1.0, "low": 0.5, "high": 1.5, "n": 20}
    results.write(tmp_path, "classes/cgan", {"rare": {"too_few": 3}, "common": {"kernel_distance": record}})
    results.write(tmp_path, "rules/cgan", {"common": {"nodule": record, "lesions_inside": record | {"n": 0}}})
    results.write(tmp_path, "quality/cgan", {"metrics": {"kernel_distance": record}})
    results.write(tmp_path, "few/dcgan", {"metrics": {"kernel_distance": record | {"value": 2.0}}})
    assert results.class_quality(tmp_path)[["model", "class", "metric"]].values.tolist() == [
        ["cgan", "common", "kernel_distance"]
    ]
    assert results.rules(tmp_path)["rule"].tolist() == ["nodule"]
    assert results.quality(tmp_path)["value"].tolist() == [1.0]
    assert results.quality(tmp_path, "few")["value"].tolist() == [2.0]


def test_a_collapsed_generator_is_measured_tabled_and_drawn(tmp_path):
    """It makes one grey level, which has no autocorrelation, and its interval of MS-SSIM has no length."""
    real = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 1), np.uint8)
    by_rows = metrics.Extractor("rows", "0" * 64, 32, lambda images: Features(images.mean((2, 3), np.float32), None))
    for name, images in (("black", np.zeros_like(real)), ("grey", np.full_like(real, 127))):
        results.write(tmp_path, f"quality/{name}", {"metrics": metrics.evaluate(real, images, by_rows, repeats=4)})
        results.write(tmp_path, f"curves/{name}", metrics.curves(images, repeats=4))
    quality = results.quality(tmp_path)
    table = figures.save_table(figures.quality_table(quality, figures.PIXELS), tmp_path, "quality", "A caption.")
    assert table.loc[["black", "grey"], "autocorrelation ↓"].tolist() == ["–", "–"]
    assert (quality.query("metric == 'autocorrelation_distance'")["interpretation"] == "not measured").all()
    spectra = figures.curves(results.curves(tmp_path))
    for figure in (figures.quality(quality), figures.precision_recall(quality), spectra):
        figures.save(figure, tmp_path, "figure", "A caption.", "06_evaluation")


def test_every_model_of_every_class_is_a_point_with_its_interval():
    rows = [
        {"model": model, "class": name, "value": place + 0.1, "low": place, "high": place + 0.3}
        for place, name in enumerate(("a", "b_c", "d"))
        for model in ("one", "two")
    ]
    table = pd.DataFrame(rows).assign(real_vs_real_low=0.0, real_vs_real_high=0.2, chance=1 / 3)
    figure = figures.by_class({"first": table, "second": table.drop(columns=["chance"])})
    axes = figure.axes
    assert len(axes) == 2
    points = sorted(container.lines[0].get_xdata()[0] for container in axes[0].containers)
    assert points == pytest.approx(sorted(table["value"]))
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["a", "b c", "d"]
    assert len(figure.legends[0].get_texts()) == 2
    assert len(axes[0].lines) == len(axes[1].lines) + 1  # chance


def test_overfitting_is_drawn_for_all_and_the_probability_only_where_it_was_adaptive(tmp_path):
    log = pd.DataFrame({"kimg": [1, 2], "overfitting": [0.1, 0.4], "validation_distance": [1.0, 0.5]})
    log.to_csv(tmp_path / "plain.csv")
    log.assign(augmentation_probability=[0.0, 0.2]).to_csv(tmp_path / "ada.csv")
    plain = figures.overfitting({"plain": tmp_path / "plain.csv"})
    both = figures.overfitting({"plain": tmp_path / "plain.csv", "ada": tmp_path / "ada.csv"})
    assert len(plain.axes) == 2
    assert [len(axis.lines) for axis in both.axes] == [2, 2, 1]


def test_attention_is_laid_over_the_image_with_its_brightest_place_where_it_looks():
    maps = np.full((1, 4, 4, 2, 2), 0.1)
    maps[0, 1, 1, 1, 0] = 0.7  # the place in row 1, column 1 looks down and left
    figure = figures.attention(np.zeros((1, 16, 16, 1), np.uint8), maps, [(0.3, 0.3)])
    shown = figure.axes[1].images[1]
    assert np.unravel_index(np.argmax(shown.get_array()), (2, 2)) == (1, 0)
    cross = figure.axes[1].lines[0]
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == pytest.approx((4.8, 4.8))


def test_distances_are_drawn_over_images_and_over_time(tmp_path):
    paths = {}
    for model, seconds in (("one", 60.0), ("two", 120.0)):
        table = pd.DataFrame({"kimg": [1.0, 2.0, 3.0], "seconds": seconds, "kernel_distance": [3.0, 2.0, 1.0]})
        paths[model] = tmp_path / f"{model}.csv"
        table.assign(frechet_distance=5.0, recall=0.5, coverage=[0.1, 0.2, 0.3]).to_csv(paths[model])
    figure = figures.over_training(paths)
    first, second = figure.axes[:2]
    assert [line.get_xdata().tolist() for line in first.lines] == [[1, 2, 3], [1, 2, 3]]
    assert [line.get_xdata().tolist() for line in second.lines] == [[1, 2, 3], [2, 4, 6]]
    assert second.lines[1].get_ydata().tolist() == [3, 2, 1]
    assert figure.axes[6].lines[0].get_ydata().tolist() == [0.1, 0.2, 0.3]
    pd.read_csv(paths["two"]).drop(columns=["frechet_distance", "coverage"]).to_csv(paths["two"])  # of an older version
    assert [len(axis.lines) for axis in figures.over_training(paths).axes] == [2, 2, 1, 1, 2, 2, 1, 1]
    assert len(figures.over_training({"two": paths["two"]}).axes) == 4


def test_progression_takes_the_grids_nearest_to_the_kimg_asked_for(tmp_path):
    for kimg in (0, 11, 38, 82, 99, 200):
        grid = np.full((4 * 8, 8 * 8), kimg, np.uint8)
        Image.fromarray(grid).save(tmp_path / f"kimg_{kimg:010.3f}.png")
    axis = figures.progression(tmp_path, images=2, kimg=(10, 40, 80, 100)).axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["11", "38", "82", "99"]
    assert np.unique(axis.images[0].get_array()).tolist() == [11, 38, 82, 99]


def test_the_equivariance_table_has_a_dash_where_nothing_was_measured(tmp_path):
    record = {"value": 30.0, "low": 28.0, "high": 32.0, "n": 16, "unit": "dB"}
    results.write(tmp_path, "equivariance/stylegan3", {"EQ-T": record, "EQ-T_frac": record, "EQ-R": record})
    results.write(tmp_path, "equivariance/stylegan2", {"EQ-T": record | {"value": 12.0}, "EQ-T_frac": record})
    table = figures.equivariance_table(results.equivariance(tmp_path))
    assert table.index.tolist() == ["stylegan2", "stylegan3"]
    assert table["EQ-R"].tolist() == ["–", "30.0 [28.0, 32.0]"]
    assert table["EQ-T"]["stylegan2"] == "12.0 [28.0, 32.0]"
    figures.save_table(table, tmp_path, "equivariance", "A caption.")
    assert "_" not in (tmp_path / "tables" / "equivariance.tex").read_text().split("tabular", 1)[1]


def measured(value, **changes):
    return {
        "value": value,
        "low": value - 1,
        "high": value + 1,
        "real_vs_real": 1.0,
        "real_vs_real_low": 0.5,
        "real_vs_real_high": 2.0,
    } | changes


def test_points_stand_at_their_two_values_with_both_intervals():
    table = pd.DataFrame(
        {"model": model, "metric": metric, "better": "higher"} | measured(value)
        for model, values in (("one", (3, 5)), ("two", (4, 6)))
        for metric, value in zip(("recall", "precision"), values, strict=True)
    )
    table = pd.concat([table, table.replace({"recall": "coverage", "precision": "density"})])
    figure = figures.precision_recall(table)
    assert [axis.get_xlabel() for axis in figure.axes] == ["recall ↑", "coverage ↑"]
    lines, _, bars = figure.axes[0].containers[1].lines
    assert (lines.get_xdata()[0], lines.get_ydata()[0]) == (4, 6)
    ends = [bar.get_segments()[0].tolist() for bar in bars]
    assert ends == [[[3, 6], [5, 6]], [[4, 5], [4, 7]]]


def test_the_first_42_models_have_looks_of_their_own():
    looks = [tuple(point(number).values()) for number in range(42)]
    assert len(set(looks)) == 42


def test_curves_draw_each_set_over_its_places():
    line = {"place": [1, 2], "value": [3.0, 2.0], "low": [2.0, 1.0], "high": [4.0, 3.0], "n": 9}
    sets = {"real": {"power_spectrum": line, "autocorrelation": line | {"value": [0.5, 0.1]}}}
    figure = figures.curves(sets | {"gan": sets["real"]})
    assert [axis.lines[0].get_ydata().tolist() for axis in figure.axes] == [[3, 2], [0.5, 0.1]]
    assert figure.axes[0].lines[0].get_color() == "black" and len(figure.axes[0].lines) == 2


def test_the_sensitivity_chart_has_a_row_a_metric_and_a_column_a_damage():
    table = pd.DataFrame(
        {"kind": kind, "strength": strength, "metric": metric} | measured(10.0 * strength)
        for kind in ("blur", "flip")
        for strength in (0, 1, 2)
        for metric in ("kernel_distance", "coverage", "density")
    )
    figure = figures.sensitivity(table)
    assert len(figure.axes) == 4  # density is left out
    drawn = figure.axes[1].containers[0].lines[0]
    assert (drawn.get_xdata().tolist(), drawn.get_ydata().tolist()) == ([0, 1, 2], [0, 10, 20])


def test_ablation_bars_are_as_high_as_the_mean_over_seeds():
    figure = figures.ablation(ablation({"plain": [1.0, 1.2, 0.8], "+ projection": [0.5]}))
    assert [bar.get_height() for bar in figure.axes[0].patches] == pytest.approx([1.0, 0.5])
    assert figure.axes[0].patches[0].get_hatch() != figure.axes[0].patches[1].get_hatch()


def test_latex_prints_signs_that_it_would_take_for_commands(tmp_path):
    table = pd.DataFrame({"half of 50%, dB ↓": {"a_b": "1.0* [0.5, 1.5]", "c": "R&D #1"}})
    figures.save_table(table, tmp_path, "signs", "95% of χ².")
    tex = (tmp_path / "tables" / "signs.tex").read_text()
    for text in (r"95\% of $\chi^2$.", r"\shortstack{half of\\{}50\%, dB $\downarrow$}", r"a\_b", r"R\&D \#1"):
        assert text in tex
    assert r"\shortstack{1.0*\\{}[0.5, 1.5]}" in tex
    assert pd.read_csv(tmp_path / "tables" / "signs.csv").iloc[0, 1] == "1.0* [0.5, 1.5]"


def values(axis):
    """[(x, y)] of the lines on an axis, by what the legend calls them."""
    return {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
        for line in axis.lines
        if not line.get_label().startswith("_")
    }


def test_spectra_are_saved_with_the_data_behind_them(tmp_path):
    record = {"place": [1, 2, 3], "value": [3.0, 2.0, 1.5], "low": [2.0, 1.0, 1.0], "high": [4.0, 3.0, 2.0], "n": 9}
    further = record | {"value": [0.5, 0.1, 0.0], "n": 7}
    sets = {name: {"power_spectrum": record, "autocorrelation": further} for name in ("real, held out", "gan")}
    figure = figures.curves(sets)
    figures.save(figure, tmp_path, "spectra", "A caption.", "06_evaluation", figures.curves_data(sets))
    table = pd.read_csv(tmp_path / "figures" / "spectra.csv")
    assert list(table) == ["set", "measure", "place", "value", "low", "high", "n"] and len(table) == 12
    for axis, measure in zip(figure.axes, ("power_spectrum", "autocorrelation"), strict=True):
        for name, (x, y) in values(axis).items():
            own = table[(table["measure"] == measure) & (table["set"] == name)]
            assert (x, y) == (own["place"].tolist(), own["value"].tolist())


def test_states_over_the_training_are_saved_with_the_data_behind_them(tmp_path):
    logs = {}
    for model, kimg in (("one", [1.0, 2.0]), ("two", [3.0, 4.0])):
        table = pd.DataFrame({"kimg": kimg, "seconds": 90.0, "kernel_distance": [2.0, 1.0], "coverage": [0.1, 0.4]})
        logs[model] = tmp_path / f"{model}.csv"
        table.drop(columns=["coverage"] if model == "one" else []).to_csv(logs[model])
    figure, table = figures.over_training(logs), figures.over_training_data(logs)
    assert table[table["measure"] == "coverage"]["model"].unique().tolist() == ["two"]
    drawn = dict(zip(["kernel_distance"] * 2 + ["coverage"] * 2, figure.axes, strict=False))
    for measure, axis in drawn.items():
        for name, (x, y) in values(axis).items():
            own = table[(table["measure"] == measure) & (table["model"] == name)]
            assert (x, y) == ([1.5, 3.0], own["value"].tolist()) == (own["minutes"].tolist(), y)
    assert table["kimg"].tolist() == [1, 2, 3, 4, 3, 4]


def test_the_axis_of_a_distance_is_logarithmic_only_where_a_model_is_far_beyond_real_against_real():
    row = {"class": "a", "value": 1.0, "low": 0.9, "high": 1.1, "real_vs_real_low": 0.0, "real_vs_real_high": 0.5}
    near, far = (pd.DataFrame([row | {"model": "one", "metric": "kernel_distance", "high": high}]) for high in (1, 90))
    share = far.assign(metric="coverage")
    figure = figures.by_class({"near": near, "far": far, "share": share, "no metric": far.drop(columns="metric")})
    assert [axis.get_xscale() for axis in figure.axes] == ["linear", "symlog", "linear", "linear"]
    assert figure.axes[1].get_xticks().tolist() == [0, 1, 10, 100]


@pytest.mark.parametrize("draw", [figures.training_curves, figures.over_training])
def test_distances_over_the_training_have_plain_numbers_on_an_axis_that_is_logarithmic_where_it_can_be(draw, tmp_path):
    log = tmp_path / "log.csv"
    for last, scale in ((0.002, "log"), (-0.002, "linear")):
        table = pd.DataFrame({"kimg": [1.0, 2.0], "seconds": 90.0, "kernel_distance": [0.08, last]})
        table.to_csv(log, index=False)
        figure = draw({"one": log})
        figure.draw_without_rendering()
        axis = next(axis for axis in figure.axes if "kernel distance" in axis.get_title() + axis.get_ylabel())
        assert axis.get_yscale() == scale
        if scale == "log":
            shown = [tick.label1.get_text() for tick in axis.yaxis.get_minor_ticks() + axis.yaxis.get_major_ticks()]
            assert (
                {"0.005", "0.01", "0.02", "0.05"}
                <= set(shown)
                <= {"", *(f"{m * 10.0**-e:g}" for m in (1, 2, 5) for e in range(6))}
            )


def test_training_curves_are_saved_with_the_logs_behind_them(tmp_path):
    logs = {}
    for model, losses in (("one", [3.0, 2.0]), ("two", [5.0, 4.0])):
        logs[model] = tmp_path / f"{model}.csv"
        table = pd.DataFrame({"kimg": [1.0, 2.0], "discriminator_loss": losses, "real_score": 0.5, "recall": 0.5})
        table.drop(columns=["recall"] if model == "one" else []).to_csv(logs[model], index=False)
    figure, table = figures.training_curves(logs), figures.logged(logs)
    for axis, model in zip(figure.axes[::2], logs, strict=True):
        own = table[table["model"] == model]
        assert values(axis)["discriminator"] == (own["kimg"].tolist(), own["discriminator_loss"].tolist())
    assert table["recall"].tolist()[2:] == [0.5, 0.5] and table["recall"][:2].isna().all()


def test_the_figures_of_the_audit_are_saved_with_the_data_behind_them():
    histogram = {"edges": [0.0, 0.5, 1.0, 2.0], "held_out": [1, 2, 1], "synthetic": [8, 0, 0]}
    memory = {"pixels": {"histogram": histogram, "threshold": 0.2, "n": 8}}
    roc = {"fpr": np.array([0.0, 0.01, 1.0]), "tpr": np.array([0.0, 0.3, 1.0])}
    sections = {
        "gan": {"memorisation": memory, "attacks": {"discriminator": {"roc": roc}, "distance": {"roc": roc}}},
        "copier": {"memorisation": memory, "attacks": {"distance": {"roc": roc | {"tpr": np.array([0.0, 0.9, 1.0])}}}},
    }
    table, figure = figures.nearest_data(sections), figures.nearest_distances(sections)
    assert len(table) == 12 and table["count"].sum() == 24
    assert table["density"].tolist()[:6] == [0.5, 1.0, 0.25, 2.0, 0.0, 0.0]
    assert figure.axes[0].patches[2].get_data().values.tolist() == [2.0, 0.0, 0.0]
    assert figure.axes[0].patches[2].get_data().edges.tolist() == histogram["edges"]
    table, figure = figures.attack_data(sections), figures.attack_curves(sections)
    assert [axis.get_title() for axis in figure.axes] == ["discriminator attack", "distance attack"]
    for axis, (_, own) in zip(figure.axes, table.groupby("attack", sort=False), strict=True):
        drawn = values(axis)
        assert np.array_equal(*drawn.pop("chance"))
        assert {name: (rows["fpr"].tolist(), rows["tpr"].tolist()) for name, rows in own.groupby("model")} == drawn


def test_each_canonical_figure_has_data_of_its_own():
    rows = [{"model": model} | measured(0.4, n=9) for model in ("fresh phantoms", "gan")]
    parts = {
        "metrics": pd.DataFrame({"name": "frechet_distance", "better": "lower"} | row for row in rows),
        "broken": pd.DataFrame({"name": name} | row for name in ("any rule", "two_lungs", "unknown") for row in rows),
        "prevalence": pd.DataFrame({"name": name} | row for name in ("normal", "nodule") for row in rows),
    }
    tables, drawn = figures.canonical_data(parts), figures.canonical(parts)
    assert set(tables) == set(drawn)
    assert tables["canonical"][["model", "x_value", "y_value"]].values.tolist() == [
        [r["model"], 0.4, 0.4] for r in rows
    ]
    assert tables["canonical_rules"]["class"].tolist() == ["any rule"] * 2 + ["two lungs"] * 2
    assert tables["canonical_classes"]["class"].tolist() == ["normal"] * 2 + ["nodule"] * 2
    assert [len(figure.axes[0].containers) for figure in drawn.values()] == [2, 4, 4]


PICTURES = {"real_and_synthetic", "nearest_training_images"}


@pytest.mark.parametrize("name", ["06_evaluation", "08_privacy"])
def test_every_figure_of_numbers_in_a_notebook_is_saved_with_its_data(name):
    notebook = json.loads((Path(__file__).parents[1] / "notebooks" / f"{name}.ipynb").read_text())
    calls = [
        call
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
        for call in ast.walk(ast.parse("".join(cell["source"])))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "figures.save"
    ]
    assert len(calls) > 2
    for call in calls:
        text = ast.unparse(call.args[2])
        picture = text.strip("'") in PICTURES or "privacy_pairs" in text
        assert len(call.args) + len(call.keywords) == (5 if picture else 6), text
