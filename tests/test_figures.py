"""Tables and sentences say what the numbers say; figures show every number."""

import ast
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from records import measured
from scipy import stats

from medgan_tf import figures, metrics, results
from medgan_tf.figures.panels import by_class
from medgan_tf.figures.style import marker
from medgan_tf.metrics.features import Features


def write_ablation(run, values, width=0.1):
    """Write the ablation into results.json. values: {step: kernel distances of the seeds}."""
    for step, seeds in values.items():
        for seed, value in enumerate(seeds):
            metrics = {"kernel_distance": measured(value, width)}
            results.write(run, f"ablation/{step}{seed}", {"step": step, "seed": seed, "metrics": metrics})


def write_logs(run, logs):
    """Write {model: log as a DataFrame} into a run's model folders."""
    for model, log in logs.items():
        folder = run / "models" / model
        folder.mkdir(parents=True, exist_ok=True)
        log.to_csv(folder / "log.csv", index=False)


def test_the_verdict_says_whether_a_step_helps_harms_or_makes_no_clear_difference(tmp_path):
    write_ablation(tmp_path, {"plain": [1.0], "+ projection": [0.5], "+ attention": [0.55], "+ growing": [0.9]})
    falls, unclear, rises = figures.ablation_verdict(results.ablation(tmp_path))
    assert falls.startswith("+ projection: the kernel distance falls against plain, from 1.00 [0.90, 1.10]")
    assert unclear.startswith("+ attention: no difference from + projection can be shown")
    assert rises.startswith("+ growing: the kernel distance rises against + attention")


def test_with_three_seeds_the_interval_is_that_of_the_mean_over_seeds(tmp_path):
    seeds = [1.0, 1.2, 0.9]
    write_ablation(tmp_path, {"plain": seeds}, width=1e-6)
    low, high = stats.t.interval(0.95, 2, np.mean(seeds), stats.sem(seeds))
    cell = figures.ablation_table(tmp_path).data["kernel distance ↓"]["plain"]
    assert cell == f"{np.mean(seeds):.2f} [{low:.2f}, {high:.2f}]"


def test_sections_become_rows_and_too_few_is_no_number(tmp_path):
    record = {"value": 1.0, "low": 0.5, "high": 1.5, "n": 20}
    results.write(tmp_path, "classes/cgan", {"rare": {"too_few": 3}, "common": {"kernel_distance": record}})
    results.write(tmp_path, "rules/cgan", {"common": {"nodule": record, "lesions_inside": record | {"n": 0}}})
    results.write(tmp_path, "quality/cgan", {"metrics": {"kernel_distance": record}})
    results.write(tmp_path, "few/dcgan", {"metrics": {"kernel_distance": record | {"value": 2.0}}})
    assert results.table(tmp_path, "classes")[["model", "class", "metric"]].values.tolist() == [
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
    quality, table = results.quality(tmp_path), figures.quality_table(tmp_path, metrics=figures.PIXELS)
    assert table.data.loc[["black", "grey"], "autocorrelation ↓"].tolist() == ["–", "–"]
    assert (quality.query("metric == 'autocorrelation_distance'")["interpretation"] == "not measured").all()
    shown = table, figures.quality(tmp_path), figures.precision_recall(tmp_path), figures.spectra(tmp_path)
    figures.show(tmp_path, "06_evaluation", *shown)
    saved = {path.stem for path in (tmp_path / "figures").glob("*.csv")}
    assert saved == {"quality", "precision_recall", "spectra"} and table.name == "quality_pixels"


def test_every_model_of_every_class_is_a_point_with_its_interval():
    rows = [
        {"model": model, "class": name, "value": place + 0.1, "low": place, "high": place + 0.3}
        for place, name in enumerate(("a", "b_c", "d"))
        for model in ("one", "two")
    ]
    table = pd.DataFrame(rows).assign(real_vs_real_low=0.0, real_vs_real_high=0.2, chance=1 / 3)
    figure = by_class({"first": table, "second": table.drop(columns=["chance"])})
    axes = figure.axes
    assert len(axes) == 2
    points = sorted(container.lines[0].get_xdata()[0] for container in axes[0].containers)
    assert points == pytest.approx(sorted(table["value"]))
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["a", "b c", "d"]
    assert len(figure.legends[0].get_texts()) == 2
    assert len(axes[0].lines) == len(axes[1].lines) + 1  # chance


def test_overfitting_is_drawn_for_all_and_the_probability_only_where_it_was_adaptive(tmp_path):
    log = pd.DataFrame({"kimg": [1, 2], "overfitting": [0.1, 0.4], "validation_distance": [1.0, 0.5]})
    write_logs(tmp_path, {"plain": log, "ada": log.assign(augmentation_probability=[0.0, 0.2])})
    plain = figures.overfitting(tmp_path, {"plain": "without ADA"})
    both = figures.overfitting(tmp_path, {"plain": "without ADA", "ada": "with ADA"})
    assert len(plain.plot.axes) == 2
    assert [len(axis.lines) for axis in both.plot.axes] == [2, 2, 1]
    assert "without ADA and with ADA" in both.caption


def test_attention_is_laid_over_the_image_with_its_brightest_place_where_it_looks(tmp_path):
    results.write(tmp_path, "attention", {"gamma": {"generator": 0.0, "discriminator": 0.25}})
    maps = np.full((1, 4, 4, 2, 2), 0.1)
    maps[0, 1, 1, 1, 0] = 0.7  # the place in row 1, column 1 looks down and left
    shown = figures.attention(tmp_path, np.zeros((1, 16, 16, 1), np.uint8), maps, [(0.3, 0.3)])
    assert "weight γ is 0.250" in shown.caption
    figure = shown.plot
    shown = figure.axes[1].images[1]
    assert np.unravel_index(np.argmax(shown.get_array()), (2, 2)) == (1, 0)
    cross = figure.axes[1].lines[0]
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == pytest.approx((4.8, 4.8))


def test_distances_are_drawn_over_images_and_over_time(tmp_path):
    table = pd.DataFrame({"kimg": [1.0, 2.0, 3.0], "kernel_distance": [3.0, 2.0, 1.0], "frechet_distance": 5.0})
    table = table.assign(recall=0.5, coverage=[0.1, 0.2, 0.3])
    logs = {"one": table.assign(seconds=60.0), "two": table.assign(seconds=120.0)}
    write_logs(tmp_path, logs)
    shown = figures.over_training(tmp_path, logs)
    assert list(shown.data) == ["model", "kimg", "minutes", "measure", "value"] and len(shown.data) == 24
    figure = shown.plot
    first, second = figure.axes[:2]
    assert [line.get_xdata().tolist() for line in first.lines] == [[1, 2, 3], [1, 2, 3]]
    assert [line.get_xdata().tolist() for line in second.lines] == [[1, 2, 3], [2, 4, 6]]
    assert second.lines[1].get_ydata().tolist() == [3, 2, 1]
    assert figure.axes[6].lines[0].get_ydata().tolist() == [0.1, 0.2, 0.3]
    write_logs(tmp_path, {"two": logs["two"].drop(columns=["frechet_distance", "coverage"])})  # of an earlier version
    assert [len(axis.lines) for axis in figures.over_training(tmp_path, logs).plot.axes] == [2, 2, 1, 1, 2, 2, 1, 1]
    assert len(figures.over_training(tmp_path, ["two", "without a log"]).plot.axes) == 4


def test_progression_takes_the_grids_nearest_to_the_kimg_asked_for(tmp_path):
    samples = tmp_path / "models" / "gan" / "samples"
    samples.mkdir(parents=True)
    for kimg in (0, 11, 38, 82, 99, 200):
        grid = np.full((4 * 8, 8 * 8), kimg, np.uint8)
        Image.fromarray(grid).save(samples / f"kimg_{kimg:010.3f}.png")
    axis = figures.progression(tmp_path, "gan", images=2, kimg=(10, 40, 80, 100)).plot.axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["11", "38", "82", "99"]
    assert np.unique(axis.images[0].get_array()).tolist() == [11, 38, 82, 99]


def test_the_equivariance_table_has_a_dash_where_nothing_was_measured(tmp_path):
    record = {"value": 30.0, "low": 28.0, "high": 32.0, "n": 16, "unit": "dB"}
    results.write(tmp_path, "equivariance/stylegan3", {"EQ-T": record, "EQ-T_frac": record, "EQ-R": record})
    results.write(tmp_path, "equivariance/stylegan2", {"EQ-T": record | {"value": 12.0}, "EQ-T_frac": record})
    shown = figures.equivariance_table(tmp_path)
    table = shown.data
    assert table.index.tolist() == ["stylegan2", "stylegan3"]
    assert table["EQ-R"].tolist() == ["–", "30.0 [28.0, 32.0]"]
    assert table["EQ-T"]["stylegan2"] == "12.0 [28.0, 32.0]"
    figures.show(tmp_path, "05_stylegan", shown)
    assert "_" not in (tmp_path / "tables" / "equivariance.tex").read_text().split("tabular", 1)[1]


def test_points_stand_at_their_two_values_with_both_intervals_over_the_bands_of_real_against_real(tmp_path):
    for model, (x, y) in {"one": (3, 5), "two": (4, 6)}.items():
        pairs = {"recall": x, "precision": y, "coverage": x, "density": y}
        records = {metric: measured(value, 1.0, better="higher") for metric, value in pairs.items()}
        results.write(tmp_path, f"quality/{model}", {"metrics": records})
    figure = figures.precision_recall(tmp_path).plot
    assert [len(axis.patches) for axis in figure.axes] == [2, 2]
    assert [axis.get_xlabel() for axis in figure.axes] == ["recall ↑", "coverage ↑"]
    lines, _, bars = figure.axes[0].containers[1].lines
    assert (lines.get_xdata()[0], lines.get_ydata()[0]) == (4, 6)
    ends = [bar.get_segments()[0].tolist() for bar in bars]
    assert ends == [[[3, 6], [5, 6]], [[4, 5], [4, 7]]]


def test_the_first_42_models_have_looks_of_their_own():
    looks = [tuple(marker(number).values()) for number in range(42)]
    assert len(set(looks)) == 42


def test_the_sensitivity_chart_has_a_row_for_each_metric_and_a_column_for_each_damage(tmp_path):
    rows = [
        {"kind": kind, "strength": strength, "metric": metric} | measured(10.0 * strength)
        for kind in ("blur", "flip")
        for strength in (0, 1, 2)
        for metric in ("kernel_distance", "coverage", "density")
    ]
    results.write(tmp_path, "sensitivity", rows)
    figure = figures.sensitivity(tmp_path).plot
    assert len(figure.axes) == 4  # density is left out
    drawn = figure.axes[1].containers[0].lines[0]
    assert (drawn.get_xdata().tolist(), drawn.get_ydata().tolist()) == ([0, 1, 2], [0, 10, 20])


def test_ablation_bars_are_as_high_as_the_mean_over_seeds(tmp_path):
    assert figures.ablation(tmp_path) is figures.ablation_table(tmp_path) is None  # nothing measured
    write_ablation(tmp_path, {"plain": [1.0, 1.2, 0.8], "+ projection": [0.5]})
    figure = figures.ablation(tmp_path).plot
    assert [bar.get_height() for bar in figure.axes[0].patches[1:]] == pytest.approx([1.0, 0.5])  # after the band
    assert figure.axes[0].patches[1].get_hatch() != figure.axes[0].patches[2].get_hatch()


def test_latex_prints_signs_that_it_would_take_for_commands(tmp_path):
    table = pd.DataFrame({"half of 50%, dB ↓": {"a_b": "1.0* [0.5, 1.5]", "c": "R&D #1"}})
    figures.show(tmp_path, "06_evaluation", figures.Table(table, "signs", "95% of χ²."))
    tex = (tmp_path / "tables" / "signs.tex").read_text()
    for text in (
        r"95\% of \ensuremath{\chi}\ensuremath{^{2}}.",
        r"\shortstack{half of\\{}50\%, dB \ensuremath{\downarrow}}",
        r"a\_b",
        r"R\&D \#1",
    ):
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
    for name in ("real, held out", "gan"):
        results.write(tmp_path, f"curves/{name}", {"power_spectrum": record, "autocorrelation": further})
    shown = figures.spectra(tmp_path)
    figures.show(tmp_path, "06_evaluation", shown)
    figure = shown.plot
    assert figure.axes[0].lines[0].get_color() == "black" and len(figure.axes[0].lines) == 2
    table = pd.read_csv(tmp_path / "figures" / "spectra.csv")
    assert list(table) == ["set", "measure", "place", "value", "low", "high", "n"] and len(table) == 12
    for axis, measure in zip(figure.axes, ("power_spectrum", "autocorrelation"), strict=True):
        for name, (x, y) in values(axis).items():
            own = table[(table["measure"] == measure) & (table["set"] == name)]
            assert (x, y) == (own["place"].tolist(), own["value"].tolist())


def test_the_axis_of_a_distance_is_logarithmic_only_where_a_model_is_far_beyond_real_against_real():
    row = {"class": "a", "value": 1.0, "low": 0.9, "high": 1.1, "real_vs_real_low": 0.0, "real_vs_real_high": 0.5}
    near, far = (pd.DataFrame([row | {"model": "one", "metric": "kernel_distance", "high": high}]) for high in (1, 90))
    share = far.assign(metric="coverage")
    figure = by_class({"near": near, "far": far, "share": share, "no metric": far.drop(columns="metric")})
    assert [axis.get_xscale() for axis in figure.axes] == ["linear", "symlog", "linear", "linear"]
    assert figure.axes[1].get_xticks().tolist() == [0, 1, 10, 100]


@pytest.mark.parametrize("draw", [figures.training_curves, figures.over_training])
def test_distances_over_the_training_have_plain_numbers_on_an_axis_that_is_logarithmic_where_it_can_be(draw, tmp_path):
    for last, scale in ((0.002, "log"), (-0.002, "linear")):
        table = pd.DataFrame({"kimg": [1.0, 2.0], "seconds": 90.0, "kernel_distance": [0.08, last]})
        write_logs(tmp_path, {"one": table})
        figure = draw(tmp_path, ["one"]).plot
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
        table = pd.DataFrame({"kimg": [1.0, 2.0], "discriminator_loss": losses, "real_score": 0.5, "recall": 0.5})
        logs[model] = table.drop(columns=["recall"] if model == "one" else [])
    write_logs(tmp_path, logs)
    shown = figures.training_curves(tmp_path, ["one", "two"])
    figure, table = shown.plot, shown.data
    for axis, model in zip(figure.axes[::2], logs, strict=True):
        own = table[table["model"] == model]
        assert values(axis)["discriminator"] == (own["kimg"].tolist(), own["discriminator_loss"].tolist())
    assert table["recall"].tolist()[2:] == [0.5, 0.5] and table["recall"][:2].isna().all()


def test_the_figures_of_the_audit_are_saved_with_the_data_behind_them(tmp_path):
    histogram = {"edges": [0.0, 0.5, 1.0, 2.0], "held_out": [1, 2, 1], "synthetic": [8, 0, 0]}
    memory = {"pixels": {"histogram": histogram, "threshold": 0.2, "n": 8}}
    roc = {"fpr": np.array([0.0, 0.01, 1.0]), "tpr": np.array([0.0, 0.3, 1.0])}
    sections = {
        "gan": {"memorisation": memory, "attacks": {"discriminator": {"roc": roc}, "distance": {"roc": roc}}},
        "copier": {"memorisation": memory, "attacks": {"distance": {"roc": roc | {"tpr": np.array([0.0, 0.9, 1.0])}}}},
    }
    for name, section in sections.items():
        results.write(tmp_path, f"privacy/{name}", section)
    shown = figures.nearest_distances(tmp_path)
    table, figure = shown.data, shown.plot
    assert len(table) == 12 and table["count"].sum() == 24
    assert table["density"].tolist()[:6] == [0.5, 1.0, 0.25, 2.0, 0.0, 0.0]
    assert figure.axes[0].patches[2].get_data().values.tolist() == [2.0, 0.0, 0.0]
    assert figure.axes[0].patches[2].get_data().edges.tolist() == histogram["edges"]
    shown = figures.attack_curves(tmp_path)
    table, figure = shown.data, shown.plot
    assert [axis.get_title() for axis in figure.axes] == ["discriminator attack", "distance attack"]
    for axis, (_, own) in zip(figure.axes, table.groupby("attack", sort=False), strict=True):
        drawn = values(axis)
        assert np.array_equal(*drawn.pop("chance"))
        assert {name: (rows["fpr"].tolist(), rows["tpr"].tolist()) for name, rows in own.groupby("model")} == drawn


def test_each_canonical_figure_has_data_of_its_own(tmp_path):
    record = measured(0.4)
    for name in ("fresh phantoms", "gan"):
        broken = {rule: record for rule in ("any rule", "two_lungs", "unknown")}
        section = {"metrics": {"frechet_distance": record}, "broken": broken, "tests": {}}
        results.write(tmp_path, f"canonical/{name}", section | {"prevalence": {"normal": record, "nodule": record}})
    shown = {figure.name: figure for figure in figures.canonical(tmp_path)}
    table = shown["canonical"].data
    assert table[["model", "x_value", "y_value"]].values.tolist() == [["fresh phantoms", 0.4, 0.4], ["gan", 0.4, 0.4]]
    assert shown["canonical_rules"].data["class"].tolist() == ["any rule", "two lungs"] * 2
    assert shown["canonical_classes"].data["class"].tolist() == ["normal", "nodule"] * 2
    assert [len(figure.plot.axes[0].containers) for figure in shown.values()] == [2, 4, 4]


PICTURES = {"diagram", "samples", "class_samples", "nearest_training_images", "progression", "grids", "pairs", "mixing"}
PICTURES |= {"truncation", "latent_interpolation", "class_interpolation", "latent_directions", "inversions"}
PICTURES |= {"suspicious_pairs", "attention", "reader_study", "reader_proportions", "reader_roc", "artefact_map"}


def test_every_figure_of_numbers_is_made_with_its_data():
    """Outside of pictures, every `Figure` in the figures' code has a fourth argument."""
    makers = {}
    for path in Path(figures.__file__).parent.glob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
                made = [call for call in calls if ast.unparse(call.func) == "Figure" and not call.keywords]
                makers.update((function.name, len(call.args)) for call in made)
    assert len(makers) > 15
    assert {name for name, arguments in makers.items() if arguments < 4} <= PICTURES | {"_figure"}


def test_notebooks_show_every_figure_through_the_run():
    notebooks = Path(__file__).parents[1] / "notebooks"
    for path in sorted(notebooks.glob("[0-9]*.ipynb")):
        cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        calls = [node for cell in cells for node in ast.walk(ast.parse("".join(cell["source"])))]
        shown = [call for call in calls if isinstance(call, ast.Call) and ast.unparse(call.func) == "figures.show"]
        assert shown, path.stem
        assert all(ast.unparse(call.args[0]) == "run" and call.args[1].value == path.stem for call in shown), path.stem
