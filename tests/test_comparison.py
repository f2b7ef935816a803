"""Models side by side: seeds in one number, what lies within noise, costs, and claims that cannot be compared."""

import numpy as np
import pytest
from records import measured
from scipy import stats

from medgan_tf import config, figures, intervals, results
from medgan_tf.__main__ import main
from medgan_tf.reporting import claims, comparison


def write(run, name, training=None, **metrics):
    results.write(run.directory, f"quality/{name}", {"seed": 1, "metrics": metrics})
    if training is not None:
        costs = {
            "settings": {"seed": 0},
            "kimg": 10.0,
            "seconds": 120.0,
            "parameters": {"generator": 3, "discriminator": 4},
        }
        results.write(run.directory, f"training/{name}", costs | training)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path))
    return config.open_run("one", "smoke")


def best(runs, metric="kernel_distance"):
    found = comparison.summarise(comparison.models(runs))
    found = found[found["metric"] == metric]
    return {(row.run, row.model) for row in found.itertuples() if row.among_best}


def test_the_best_and_what_cannot_be_told_from_it_are_marked(run):
    for name, value in (("gan", 1.0), ("dcgan", 1.12), ("cgan", 1.3)):
        write(run, name, kernel_distance=measured(value))
    # intervals of half width 0.1: differences are known to 0.14
    assert best([run]) == {("one", "gan"), ("one", "dcgan")}


def test_better_is_what_the_record_says(run):
    for name, value in (("gan", 0.2), ("dcgan", 0.9), ("cgan", 0.5)):
        up = measured(value, better="higher")
        near = measured(value, real_vs_real=(0.52, 0.4, 0.6), better="closer to real")
        write(run, name, coverage=up, ms_ssim=near)
    assert best([run], "coverage") == {("one", "dcgan")}
    assert best([run], "ms_ssim") == {("one", "cgan")}


def test_what_has_no_value_is_not_among_the_best(run):
    write(run, "gan", kernel_distance=measured(np.nan))
    assert best([run]) == set()
    assert (
        figures.comparison_table(comparison.summarise(comparison.models([run]))).data.iloc[0]["kernel distance ↓"]
        == "–"
    )
    write(run, "dcgan", kernel_distance=measured(2.0))
    assert best([run]) == {("one", "dcgan")}


def test_numbers_of_other_features_n_or_data_are_no_rivals(run):
    write(run, "gan", kernel_distance=measured(1.0))
    write(run, "dcgan", kernel_distance=measured(5.0, extractor="inception"))
    other = config.open_run("two", "smoke")
    write(other, "gan", kernel_distance=measured(7.0, n=51))
    write(other, "cgan", kernel_distance=measured(0.2))
    assert best([run, other]) == {("one", "dcgan"), ("two", "gan"), ("two", "cgan")}


def test_seeds_of_one_model_are_one_row_with_the_interval_over_seeds(run):
    values = (1.0, 1.2, 0.9)
    for seed, value in enumerate(values):
        name = f"cgan_seed{seed}" if seed else "cgan"
        write(
            run, name, {"settings": {"seed": seed}, "seconds": 60.0 * (seed + 1)}, kernel_distance=measured(value, 1e-6)
        )
    (row,) = comparison.summarise(comparison.models([run])).to_dict("records")
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (row["model"], row["seeds"], row["seconds"], row["parameters"]) == ("cgan", 3, 120, 7)
    assert (row["value"], row["low"], row["high"]) == pytest.approx((np.mean(values), low, high))


def test_the_interval_of_a_difference_holds_the_truth_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    for _ in range(1000):
        a, b = (
            dict(zip(("value", "low", "high"), (x, x - 1.96 * sd, x + 1.96 * sd), strict=True))
            for x, sd in ((rng.normal(2, 0.5), 0.5), (rng.normal(1, 0.2), 0.2))
        )
        _, low, high = intervals.difference_interval(a, b)
        held += low <= 1 <= high
    assert 0.93 < held / 1000 < 0.97


def test_a_run_without_measurements_is_said(run):
    with pytest.raises(ValueError, match=r"one holds no measured model: run notebook 06"):
        comparison.models([run])


def test_a_real_distance_below_zero_and_an_interval_beside_its_value_are_drawn(run):
    """The kernel distance of real to real images is 0 but for chance: its whole interval may lie below."""
    below = (-0.2, -0.3, -0.1)
    write(run, "gan", {"seconds": 60.0}, kernel_distance=measured(30.0, real_vs_real=below))
    write(run, "dcgan", {}, kernel_distance=measured(2.0, real_vs_real=below) | {"low": 2.1, "high": 2.4})
    summary = comparison.summarise(comparison.models([run]))
    figures.show(run, "06_evaluation", figures.quality_cost(summary), figures.quality(run))
    (bars,) = figures.quality_cost(summary).plot.axes[0].containers[1].lines[2]
    assert bars.get_segments()[0][:, 1] == pytest.approx([2.0, 2.4])


def test_table_and_figure_name_costs_and_stars(run):
    write(run, "gan", {"peak_memory_mib": 2048.0}, kernel_distance=measured(1.0))
    write(run, "dcgan", {"seconds": 600.0, "peak_memory_mib": 1024.0}, kernel_distance=measured(2.0))
    summary = comparison.summarise(comparison.models([run]))
    table = figures.comparison_table(summary).data
    assert table.loc["gan"].to_dict() == {
        **{"seeds": "1", "kimg": "10", "minutes": "2", "parameters, millions": "7e-06"},
        **{"memory, GiB": "2", "kernel distance ↓": "1.00* [0.90, 1.10]"},
    }
    assert table.loc["dcgan", "kernel distance ↓"] == "2.00 [1.90, 2.10]"
    figure = figures.quality_cost(summary).plot
    assert [axis.get_xlabel() for axis in figure.axes] == [
        "minutes of training",
        "parameters, millions",
        "peak memory, GiB",
    ]
    assert [line.lines[0].get_xdata()[0] for line in figure.axes[0].containers] == [2, 10]
    assert [line.lines[0].get_ydata()[0] for line in figure.axes[0].containers] == [1, 2]
    write(run, "cgan", {}, kernel_distance=measured(2.0))  # trained before memory was recorded
    summary = comparison.summarise(comparison.models([run]))
    assert figures.comparison_table(summary).data.loc["cgan", "memory, GiB"] == "–"
    assert [len(axis.containers) for axis in figures.quality_cost(summary).plot.axes] == [3, 3, 2]
    with pytest.raises(ValueError, match="no training of these models"):
        figures.quality_cost(summary.assign(seconds=np.nan, parameters=np.nan, peak_memory_mib=np.nan))


def test_rows_of_several_runs_name_their_run(run):
    other = config.open_run("two", "smoke")
    for each in (run, other):
        write(each, "gan", {}, kernel_distance=measured(1.0))
    table = figures.comparison_table(comparison.summarise(comparison.models([run, other]))).data
    assert list(table.index) == ["gan (one, phantoms)", "gan (two, phantoms)"]


def test_the_command_line_sets_runs_beside_each_other(run, capsys):
    write(run, "gan", {}, kernel_distance=measured(1.0))
    assert main(["compare", "one"]) == 0
    assert "1.00* [0.90, 1.10]" in capsys.readouterr().out
    assert main(["compare", "three"]) == 1
    assert "There is no run 'three'" in capsys.readouterr().err


def test_other_seeds_are_found_where_they_were_trained(run):
    for name in ("gan", "cgan", "cgan_seed1"):
        folder = run.directory / "models" / name
        folder.mkdir(parents=True)
        (folder / "generator.weights.h5").touch()
    full = config.Run("one", config.PROFILES["full"], ())
    assert full.trained_seeds() == [("gan", 0), ("cgan", 0), ("cgan", 1)]
    assert full.trained() == ["gan", "cgan"]


def test_every_claim_is_shown_with_a_reason_and_none_is_called_comparable(run):
    write(run, "dcgan", {"seconds": 90.0}, frechet_distance=measured(4.0), copies=measured(0.02))
    write(run, "pggan", {}, frechet_distance=measured(9.0))
    results.write(
        run.directory, "agreement/pggan", {"mean": {"value": 0.6, "low": 0.5, "high": 0.7, "n": 90, "chance": 0.25}}
    )
    results.write(run.directory, "inversion/w+", {"ssim": {"mean": 0.7, "n": 6}, "psnr": {"mean": 20.0, "n": 6}})
    found = claims.beside(run)
    private = found[found["metric"] == "privacy preserving %"].iloc[0]
    assert (private["kind"], private["value"], private["claimed"]) == ("dcgan", 2.0, 100)
    ssim = found[found["metric"] == "SSIM"]
    assert set(ssim["value"]) == {0.7} and set(ssim["what"]) == {"SSIM of real images and their inversions"}
    assert len(found) == len(claims.claims()) and found["reasons"].map(len).min() > 0
    fid = found[(found["metric"] == "FID") & (found["model"] == "DCGAN")].iloc[0]
    assert (fid["value"], fid["claimed"]) == (4.0, 28.7)
    assert {"256 px there, 32 px here", "data here are phantoms"} <= set(fid["reasons"])
    assert any("not the Inception graph" in reason for reason in fid["reasons"])
    minutes = found[found["metric"] == "training minutes"].iloc[0]
    assert (minutes["model"], minutes["value"]) == ("DCGAN", 1.5)
    assert found[found["metric"] == "classifier confidence %"]["value"].iloc[0] == 60
    style = found[(found["metric"] == "FID") & (found["model"] == "StyleGAN3")].iloc[0]
    assert np.isnan(style["value"]) and "not measured in this run for stylegan3" in style["reasons"]
    results.write(run.directory, "claims", found.to_dict("records"))
    shown = figures.claims_table(run)
    assert "dcgan: Fréchet distance 4.00 [3.90, 4.10], real against real 0.5, n = 50" in set(
        shown.data["measured here"]
    )
    figures.show(run, "06_evaluation", shown)
    tex = (run.directory / "tables" / "claims.tex").read_text()
    assert r"{>{\raggedright\arraybackslash}p{1.6cm}" in tex and all(ord(letter) < 128 for letter in tex)


def test_every_claim_keeps_its_source():
    table = claims.claims()
    assert table["source"].notna().all() and table["claimed"].notna().all()
    assert set(table["metric"]) - set(claims.METRIC_REASONS) == {"training hours", "training minutes", "GPU memory GB"}
