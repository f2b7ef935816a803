"""Reader studies: the kit hides the kind of images, answers are checked, statistics agree with libraries and theory."""

import base64
import json
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from reading_kits import small_kit
from scipy import stats
from sklearn.metrics import roc_auc_score

from medgan_tf import config, datasets, figures, networks, results
from medgan_tf.__main__ import main
from medgan_tf.studies import readers
from medgan_tf.studies.readers import kit as kits
from medgan_tf.studies.readers import planning
from medgan_tf.studies.readers.reader_intervals import ImageResamples, pooled

SIZE = 16
NETWORK = {"channel_base": 64, "channel_max": 8, "latent_dim": 8, "mapping_layers": 2}
CLASSES = ["nodule", "normal"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with an untrained conditional model and JPG images of 60 patients, two or three of each."""
    patch = pytest.MonkeyPatch()
    patch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path_factory.mktemp("outputs")))
    opened = config.open_run("r", "smoke")
    generator, _ = networks.build("stylegan2", SIZE, len(CLASSES), **NETWORK)
    folder = opened.model("stylegan2")
    folder.mkdir(parents=True)
    generator.save_weights(folder / "generator.weights.h5")
    record = {"image_size": SIZE, "classes": CLASSES, "conditional": True}
    record["settings"] = {"architecture": "stylegan2", "network": NETWORK}
    (folder / "model.json").write_text(json.dumps(record))
    opened.images.mkdir()
    random, rows = np.random.default_rng(0), []
    for number in range(150):
        patient, name = number % 60, f"secret_name_{number:03d}.jpg"
        pixels = random.integers(0, 256, (SIZE, SIZE), np.uint8)
        Image.fromarray(pixels).save(opened.images / name, quality=40)
        split = ("train", "validation", "test", "test")[patient % 4]
        rows.append([name, CLASSES[patient % 3 == 0], f"patient_{patient:02d}", split])
    pd.DataFrame(rows, columns=["file", "class", "patient", "split"]).to_csv(
        opened.images / "manifest.csv", index=False
    )
    yield opened
    patch.undo()


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    return readers.make_kit(run, "stylegan2", tmp_path_factory.mktemp("kit"), 40, seed=3)


def test_kit_has_equally_many_real_and_synthetic_images_and_one_per_held_out_patient(run, made):
    key, manifest = made.key, pd.read_csv(run.images / "manifest.csv").set_index("file")
    real, synthetic = key[key["kind"] == "real"], key[key["kind"] == "synthetic"]
    assert len(real) == len(synthetic) == 20
    assert set(manifest.loc[real["source"], "split"]) == {"validation", "test"}
    assert real["patient"].is_unique and (manifest.loc[real["source"], "patient"] == real["patient"].to_numpy()).all()
    assert sorted(real["class"]) == sorted(synthetic["class"])
    assert real["repeated"].sum() == synthetic["repeated"].sum() == 2


def test_same_seed_gives_the_same_kit_and_an_existing_kit_is_not_replaced(run, made, tmp_path):
    again = readers.make_kit(run, "stylegan2", tmp_path / "again", 40, seed=3)
    assert again.page.read_bytes() == made.page.read_bytes()
    before = made.page.stat().st_mtime_ns
    assert readers.make_kit(run, "stylegan2", made.directory, 40, seed=3).page.stat().st_mtime_ns == before
    with pytest.raises(ValueError, match=r"with other settings \(seed 3\): give another folder"):
        readers.make_kit(run, "stylegan2", made.directory, 40, seed=4)
    with pytest.raises(ValueError, match="holds no kit"):
        readers.open_kit(tmp_path)


def test_real_images_are_drawn_at_random_from_different_patients(run):
    split = datasets.load(run.images, SIZE).held_out
    files = [tuple(kits.draw_one_image_per_patient(split, 20, seed).files) for seed in (0, 0, 1)]
    assert files[0] == files[1] != files[2]
    assert len(kits.draw_one_image_per_patient(split, 90)) == 45
    for count in (92, 41, 6):
        with pytest.raises(ValueError, match=f"of the 45 held-out patients at most 90, not {count}"):
            kits.draw_one_image_per_patient(split, count)


def test_page_contains_the_images_but_not_their_kind(made):
    page = made.page.read_text()
    content = json.loads(page.split('id="content">')[1].split("</script>")[0])
    assert set(content) == {"study", "orders", "images"}
    files = [base64.b64decode(image) for image in content["images"]]
    assert len({len(file) for file in files}) == 1
    pictures = [Image.open(BytesIO(file)) for file in files]
    assert {(picture.mode, picture.size) for picture in pictures} == {("L", (SIZE, SIZE))}
    assert all(picture.info == {} for picture in pictures)
    assert all(file.count(name) == 1 for file in files for name in (b"IHDR", b"IDAT", b"IEND"))
    assert np.array_equal(np.stack([np.asarray(picture) for picture in pictures]), made.images[..., 0])
    secrets = ["secret_name", "patient_", "stylegan", made.settings["weights_sha256"], *made.key["source"]]
    assert not [secret for secret in secrets if secret in page]
    assert sorted(path.name for path in made.page.parent.iterdir()) == ["reading.html"]


def test_image_numbers_and_positions_are_independent_of_the_kind(made):
    real = (made.key["kind"] == "real").to_numpy()
    assert stats.mannwhitneyu(np.flatnonzero(real), np.flatnonzero(~real)).pvalue > 0.01
    orders = np.array(made.settings["orders"])
    places = np.broadcast_to(np.arange(orders.shape[1]), orders.shape)
    assert stats.mannwhitneyu(places[real[orders]], places[~real[orders]]).pvalue > 0.01


def test_real_and_synthetic_images_have_the_same_jpg_compression(made):
    assert made.settings["jpg_quality"] == 40
    images = made.images
    changed = np.abs(datasets.reencode(images, 40).astype(int) - images).mean(axis=(1, 2, 3))
    fresh = np.random.default_rng(0).integers(0, 256, images.shape, np.uint8)
    never = np.abs(datasets.reencode(fresh, 40).astype(int) - fresh).mean(axis=(1, 2, 3))
    assert changed.max() < never.min() / 2  # the generator's noise was JPG-compressed as well


def test_orders_show_every_image_and_repetitions_a_third_apart():
    repeated = np.zeros(60, bool)
    repeated[:6] = True
    orders = kits.presentation_orders(repeated, np.random.default_rng(0))
    assert len(np.unique(orders, axis=0)) == len(orders)
    for order in orders:
        assert np.bincount(order).tolist() == [2] * 6 + [1] * 54
        assert all(np.ptp(np.flatnonzero(order == image)) > 20 for image in range(6))


def test_best_model_has_the_smallest_kernel_distance(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path))
    run = config.open_run("r", "smoke")
    with pytest.raises(ValueError, match="No model of r was measured"):
        readers.best_model(run)
    for model, value in (("gan", 3.0), ("cgan", 1.0), ("dcgan", 2.0)):
        metric = {"kernel_distance": {"value": value}, "coverage": {"value": 0.0}}
        results.write(run.directory, f"quality/{model}", {"metrics": metric})
    assert readers.best_model(run) == "cgan"


@pytest.fixture
def kit(tmp_path):
    return small_kit(tmp_path / "kit")


def answers_of(kit, reader="A", choose=None, source="page"):
    """The complete answers of one reader; choose: function from a row of the key to an answer, by default the truth."""
    order = kit.settings["orders"][0]
    rows = kit.key.loc[order]
    chosen = rows["kind"] if choose is None else [choose(row) for row in rows.itertuples()]
    columns = {"study": kit.settings["study"], "source": source, "reader": reader, "position": range(1, len(order) + 1)}
    columns |= {"image": order, "answer": list(chosen), "confidence": 3, "realism": 4, "artefacts": "", "diagnosis": ""}
    return pd.DataFrame(columns | {"seconds": 2.5})


def read_back(kit, folder, *tables):
    folder.mkdir()
    for number, table in enumerate(tables):
        table.to_csv(folder / f"{number}.csv", index=False)
    return readers.read_answers(folder, kit)


def break_cell(column, value, line=2):
    def change(table):
        table = table.astype(object)
        table.loc[line - 2, column] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda table: table.drop(columns=["realism"]), "the column realism is missing"),
        (lambda table: table[["image"]].rename(columns={"image": "x"}), "no file of the reading page"),
        (lambda table: table[:0], "no answers"),
        (break_cell("study", "another"), "another kit"),
        (break_cell("reader", "B"), "one reader"),
        (break_cell("source", "made up"), "source is unknown"),
        (break_cell("answer", "perhaps"), "neither real nor synthetic"),
        (break_cell("confidence", 6, line=4), "the confidence in line 4 is '6'"),
        (break_cell("realism", "high", line=3), "the realism in line 3 is 'high'"),
        (break_cell("image", 99), "the image in line 2 is '99'"),
        (break_cell("position", 2), "a position occurs twice"),
        (break_cell("artefacts", "0.5 1.5"), "not x and y"),
        (break_cell("seconds", "soon"), "seconds"),
        (lambda table: table.assign(image=table["image"].to_numpy()[::-1]), "order"),
    ],
)
def test_malformed_file_is_reported_in_one_sentence_and_the_others_are_read(kit, tmp_path, change, sentence):
    read, problems = read_back(kit, tmp_path / "a", answers_of(kit, "GOOD"), change(answers_of(kit)))
    assert len(problems) == 1
    assert problems[0].startswith("1.csv: ") and sentence in problems[0] and problems[0].endswith(".")
    assert set(read["reader"]) == {"GOOD"}
    assert f"Left out: {problems[0]}" in readers.analyse(kit, read, problems)["interpretation"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'a,"b\n', b"study;reader\n1;2\n"])
def test_file_that_is_not_a_csv_of_the_page_is_refused(kit, tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(readers.MalformedError, match=r"x\.csv: this is no file of the reading page"):
        readers.read_answer_file(tmp_path / "x.csv", kit)


def test_duplicate_readers_are_left_out_and_simulated_readers_kept_apart(kit, tmp_path):
    read, problems = read_back(kit, tmp_path / "a", answers_of(kit), answers_of(kit), answers_of(kit, "B"))
    assert problems == ["0.csv, 1.csv: all are of reader A; keep only the valid one."]
    assert set(read["reader"]) == {"B"}
    with pytest.raises(ValueError, match="mixes files of readers and of simulated readers"):
        read_back(kit, tmp_path / "b", answers_of(kit), answers_of(kit, "simulated 1", source="simulated"))
    with pytest.raises(ValueError, match="is not a folder"):
        readers.read_answers(tmp_path / "nowhere", kit)


def test_study_without_answers_is_not_run(kit):
    section = readers.analyse(kit, *readers.read_answers(kit.answers, kit))
    assert section["status"] == "not run" and "pooled" not in section
    assert readers.section_name(section) == "reader_study/dcgan"


def test_analysis_of_readers_with_known_results(kit, tmp_path):
    always = answers_of(kit, "ALWAYS", lambda row: "synthetic")
    right = answers_of(kit, "RIGHT").assign(artefacts="0.25 0.5;0.75 1", diagnosis=" Nodule")
    section = readers.analyse(kit, *read_back(kit, tmp_path / "a", always, right))
    one, other = section["by_reader"]["ALWAYS"], section["by_reader"]["RIGHT"]
    assert [one[name]["value"] for name in ("accuracy", "sensitivity", "specificity", "auc")] == [0.5, 1, 0, 0.5]
    assert [other[name]["value"] for name in ("accuracy", "sensitivity", "specificity", "auc")] == [1, 1, 1, 1]
    assert (one["accuracy"]["k"], one["accuracy"]["n"]) == (6, 12)  # repeats count for agreement alone
    interval = stats.binomtest(6, 12).proportion_ci(method="wilson")
    assert (one["accuracy"]["low"], one["accuracy"]["high"]) == pytest.approx((interval.low, interval.high))
    assert section["pooled"]["accuracy"]["value"] == 0.75
    assert section["agreement"]["with_themselves"]["same_answer"] == {"value": 1, "k": 4, "n": 4}
    assert section["agreement"]["between_readers"]["value"] == pytest.approx(-1 / 3)  # of 12: 6 agree; 3/4 synthetic
    assert section["artefacts"]["real"]["marked"]["k"] == 6
    assert section["artefacts"]["real"]["points"][:2] == [[0.25, 0.5], [0.75, 1.0]]
    nodules = (kit.key["class"] == "nodule").groupby(kit.key["kind"]).sum()
    assert section["diagnoses"]["real"]["named_the_class"]["k"] == nodules["real"]
    assert section["diagnoses"]["real"]["named_the_class"]["n"] == 6
    assert not section["simulated"] and not any("SIMULATED" in sentence for sentence in section["interpretation"])


def test_perfect_accuracy_has_an_interval(kit, tmp_path):
    section = readers.analyse(kit, *read_back(kit, tmp_path / "a", answers_of(kit), answers_of(kit, "B")))
    accuracy = section["pooled"]["accuracy"]
    bounds = stats.binomtest(12, 12).proportion_ci(method="wilson")
    assert (accuracy["low"], accuracy["high"]) == pytest.approx((bounds.low, bounds.high))
    assert any("above chance" in sentence for sentence in section["interpretation"])


def test_incomplete_file_is_analysed(kit, tmp_path):
    section = readers.analyse(kit, *read_back(kit, tmp_path / "a", answers_of(kit)[:5], answers_of(kit, "B")))
    assert section["by_reader"]["A"]["answers"] == 5
    assert section["by_reader"]["A"]["same_answer_twice"]["n"] == 0
    assert section["pooled"]["accuracy"]["n"] == 17
    assert section["agreement"]["between_readers"]["images"] == 5


def test_auc_of_every_resample_agrees_with_scikit_learn():
    random = np.random.default_rng(0)
    synthetic, scores = np.arange(30) % 2 == 0, random.integers(0, 10, (3, 30)).astype(float)
    scores[1, :7] = np.nan
    draws = ImageResamples(synthetic, 20)
    found = draws.auc(scores, 10)
    for draw, weights in enumerate(draws.images):
        for reader, row in enumerate(scores):
            seen = np.isfinite(row)
            wanted = roc_auc_score(synthetic[seen], row[seen], sample_weight=weights[seen])
            assert found[draw, reader] == pytest.approx(wanted)
    assert (draws.images[1:, synthetic].sum(axis=1) == 15).all()  # equally many of both kinds in every resample


def crossed(random, accuracy, readers_, images, reader_share=0.02, image_share=0.1):
    """Right and wrong answers (readers, images) with these proportions of their variance between readers and images."""
    total = accuracy * (1 - accuracy)
    chance = accuracy + random.normal(0, (total * reader_share) ** 0.5, (readers_, 1))
    chance = chance + random.normal(0, (total * image_share) ** 0.5, images)
    return (random.random((readers_, images)) < np.clip(chance, 0, 1)).astype(float)


def study(random, seed, *shape):
    """`pooled` of one simulated study whose true accuracy is 0.6."""
    draws = ImageResamples(np.arange(shape[1]) % 2 == 0, 300, seed)
    return pooled(draws.means(crossed(random, 0.6, *shape)))


@pytest.mark.parametrize("shape", [(5, 60, 0.02, 0.1), (3, 100, 0.1, 0.1), (10, 60, 0.0, 0.0)])
def test_pooled_intervals_have_95_percent_coverage_and_the_planned_power(shape):
    random = np.random.default_rng(0)
    found = pd.DataFrame([study(random, seed, *shape) for seed in range(400)])
    holds = (found["low"] <= 0.6) & (found["high"] >= 0.6)
    assert 0.92 <= holds.mean() <= 0.98
    error, _ = planning.standard_error(*planning._variances(0.6, *shape))
    assert found["value"].std() == pytest.approx(error, rel=0.1)
    beyond = (found["low"] > 0.5) | (found["high"] < 0.5)
    assert beyond.mean() == pytest.approx(planning.beyond_chance(0.6, *shape), abs=0.08)


def test_power_grows_with_images_and_readers():
    table = pd.DataFrame(readers.power_table())
    power = pd.json_normalize(table["power"])
    for column in power:
        wide = table.assign(power=power[column]).pivot(index="images", columns="readers", values="power")
        assert (wide.diff().iloc[1:] > -1e-9).all(axis=None) and (wide.diff(axis=1).iloc[:, 1:] > -1e-9).all(axis=None)
    assert (power["0.55"] < power["0.7"]).all()
    assert table["half_width"].between(0.03, 0.25).all()


def simulated(folder, **settings):
    kit = small_kit(folder / "kit", 200)
    readers.write_answers(readers.simulate_answers(kit, **settings), folder / "answers", kit.settings["study"])
    return kit, readers.analyse(kit, *readers.read_answers(folder / "answers", kit))


def test_simulated_readers_have_the_given_ability(tmp_path):
    _, blind = simulated(tmp_path / "blind", separation=0.0, reader_spread=0.0)
    _, sharp = simulated(tmp_path / "sharp", separation=6.0)
    assert abs(blind["pooled"]["accuracy"]["value"] - 0.5) < 0.1
    assert abs(blind["pooled"]["realism_difference"]["value"]) < 0.5
    assert sharp["pooled"]["accuracy"]["value"] > 0.98 and sharp["pooled"]["auc"]["value"] > 0.98
    assert sharp["pooled"]["realism_difference"]["low"] > 2
    assert sharp["agreement"]["between_readers"]["low"] > 0.8 > blind["agreement"]["between_readers"]["high"]


def test_results_of_simulated_readers_are_marked_everywhere(tmp_path):
    kit, section = simulated(tmp_path, readers=3)
    assert section["simulated"] is True and not section["left_out"]
    assert section["interpretation"][0].startswith("SIMULATED")
    assert all(name.startswith("simulated") for name in section["by_reader"])
    assert readers.section_name(section) == "reader_study_simulated/dcgan"
    table, *shown = figures.reader_study(section, kit.images, kit.key["kind"])
    figures.show(tmp_path, "09_reader_study", table, *shown)
    assert table.data.index.tolist() == [*section["by_reader"], "all readers"]
    for name in ("reader_shares", "reader_roc", "reader_artefacts"):
        assert "SIMULATED" in (tmp_path / "figures" / f"{name}_simulated.txt").read_text()
    assert "SIMULATED" in (tmp_path / "tables" / "readers_simulated.tex").read_text()
    assert all("SIMULATED" in figure.plot.get_suptitle() for figure in shown)
    points = [line.lines[0].get_xdata()[0] for line in shown[0].plot.axes[0].containers]
    assert points == [row["accuracy"]["value"] for row in [*section["by_reader"].values(), section["pooled"]]]


def test_command_makes_a_kit_and_analyses_answers(run, tmp_path, capsys):
    command = ["readers", "r", "stylegan2", "--out", str(tmp_path / "kit")]
    assert main([*command, "--count", "20"]) == 0
    kit = readers.open_kit(tmp_path / "kit")
    assert str(kit.page) in capsys.readouterr().out
    assert main([*command, "--answers", str(kit.answers)]) == 0
    assert "not run" in capsys.readouterr().out
    assert results.read(run.directory)["reader_study/stylegan2"]["status"] == "not run"
    answers_of(kit).to_csv(kit.answers / "a.csv", index=False)
    (kit.answers / "b.csv").write_text("hello\n")
    assert main([*command, "--answers", str(kit.answers)]) == 1
    printed = capsys.readouterr()
    assert "b.csv: this is no file of the reading page" in printed.err and printed.err.count("\n") == 1
    assert "above chance" in printed.out
    section = results.read(run.directory)["reader_study/stylegan2"]
    assert section["status"] == "analysed" and section["readers"] == 1
    assert main(["readers", "r", "stylegan2", "--out", str(tmp_path / "no"), "--answers", str(kit.answers)]) == 1
    assert "holds no kit" in capsys.readouterr().err
