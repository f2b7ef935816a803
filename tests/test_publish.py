"""A published model draws what the trained one draws, and its card says what was measured and nothing else."""

import json
import re

import h5py
import numpy as np
import pandas as pd
import pytest
from records import measured
from tiny_stylegan import generator

from medgan_tf import config, datasets, files, generators, metrics, networks, results
from medgan_tf.app import catalogue, classifier_scores
from medgan_tf.datasets import image_hashes
from medgan_tf.reporting import model_card
from medgan_tf.training import checkpoint


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with one small generator, its training images and its numbers."""
    from PIL import Image

    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path / "outputs"))
    run = config.open_run("small", "smoke")
    rows = []
    for number in range(20):
        path = run.images / "images" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16), number, np.uint8)).save(path)
        split = ("train", "validation", "test")[min(number // 12 + number // 16, 2)]
        rows.append(
            {"file": f"images/{number}.png", "class": "ab"[number % 2], "patient": f"p{number}", "split": split}
        )
    pd.DataFrame(rows).to_csv(run.images / "manifest.csv", index=False)
    model = generator(classes=("a", "b"))
    folder = run.model("stylegan2")
    folder.mkdir(parents=True)
    model.network.save_weights(folder / "generator.weights.h5")
    record = model.record | {"data": "images"}
    record["settings"] |= {"seed": 3}
    (folder / "model.json").write_text(json.dumps(record))
    counts = {"n": 4, "patients": 8, "image_size": "16 x 16"}
    distance = measured(1.25, 0.25, **counts)
    results.write(run.directory, "environment", {"gpus": [], "cores": 2})
    results.write(run.directory, "training/stylegan2", {"kimg": 65.536, "seconds": 600.0, "settings": {}})
    coverage = measured(0.75, 0.05, (0.95, 0.9, 1.0), **counts)
    of_domain = {"kernel_distance": distance, "frechet_distance": distance, "coverage": coverage}
    results.write(run.directory, "quality/stylegan2", {"metrics": of_domain})
    results.write(run.directory, "quality/gan", {"metrics": of_domain | {"kernel_distance": distance | {"value": 1.4}}})
    results.write(run.directory, "training/gan", {"kimg": 10.0, "seconds": 60.0, "settings": {}})
    results.write(run.directory, "classes/stylegan2", {"a": of_domain, "b": {"too_few": 3}})
    squeezenet = {"extractor": "squeezenet", "weights_sha256": "cd" * 32}
    further = {name: record | squeezenet for name, record in of_domain.items()}
    further["kernel_distance"] = measured(3.5, 0.5, **counts) | squeezenet
    results.write(run.directory, "quality_squeezenet/stylegan2", {"metrics": further})
    share = {"value": 0.5, "low": 0.4, "high": 0.6, "k": 5, "n": 10}
    results.write(run.directory, "agreement/stylegan2", {"a": share, "b": share | {"value": 0.45}, "mean": share})
    results.write(run.directory, "agreement/real, held out", {"mean": share})
    log = {"kimg": [1.0, 2.0], "seconds": 300.0, "kernel_distance": [0.5, 0.25], "coverage": [0.25, 0.5]}
    pd.DataFrame(log).to_csv(folder / "log.csv", index=False)
    return run


def test_the_published_model_is_half_as_large_and_draws_the_same(run, tmp_path):
    card = model_card.export(run, "stylegan2", tmp_path / "pretrained" / "chest", "some images", "CC0")
    stored, published = run.model("stylegan2") / "generator.weights.h5", card.parent / "generator.weights.h5"
    with h5py.File(stored) as old, h5py.File(published) as new:
        kinds = {"old": [], "new": []}
        for name, file in (("old", old), ("new", new)):
            file.visititems(
                lambda _, item, name=name: kinds[name].append(item.dtype) if hasattr(item, "dtype") else None
            )
    assert len(kinds["old"]) == len(kinds["new"])
    assert np.dtype("float32") in kinds["old"] and np.dtype("float32") not in kinds["new"]
    before, after = (generators.load(folder).sample(8, seed=5) for folder in (run.model("stylegan2"), card.parent))
    assert np.abs(before.astype(int) - after).max() <= 2
    assert np.std(after) > 10


def test_the_card_says_what_results_json_says(run, tmp_path):
    text = model_card.export(run, "stylegan2", tmp_path / "chest", "Some images", "CC0").read_text()
    for part in (
        "Some images",
        "CC0",
        "12 training images of 12 patients",
        "classes | a, b",
        "65.536 thousand",
        "seed 3",
    ):
        assert part in text
    assert "10 minutes on a CPU with 2 cores" in text
    assert "| kernel distance ↓ | 0.500 [0.400, 0.600] | 1.25 [1.00, 1.50] | 1.40 [1.00, 1.50] |" in text
    assert "Fréchet distance is 2.5 times that between real images, and it covers 75% of them, where real" in text
    assert "learning rates" not in text  # these fell at the end or never
    assert "gan: trained on the same images" in text and "guessing gives 0.500" in text
    assert "| a | 4 | 1.25 [1.00, 1.50]; real 0.5 | 0.750 [0.700, 0.800]; real 0.95 |" in text
    assert "Features: squeezenet (sha256 `cdcdcdcdcdcd`)" in text
    assert "| kernel distance ↓ | 0.500 [0.400, 0.600] | 3.50 [3.00, 4.00] |" in text
    assert "n = 4 a side" in text and "8 patients held out" in text
    assert int(re.search(r"at most (\d+) of 255", text)[1]) <= 2
    assert "| b | – | 0.450 [0.400, 0.600] |" in text
    published = results.read(tmp_path / "chest")
    own = ("training", "quality", "classes", "quality_squeezenet", "agreement")
    beside = {"environment", "published", "agreement/real, held out", "quality/gan", "training/gan"}
    assert set(published) == beside | {f"{section}/stylegan2" for section in own}
    lines = model_card.overview(tmp_path).splitlines()
    assert "/chest/README.md), 16 x 16 px, 66 thousand images seen | 4 | 1.25 [1.00, 1.50]; real 0.5 |" in lines[2]
    assert lines[3].startswith("| gan on the same images, 16 x 16 px, 10 thousand images seen | 4 | 1.25")
    assert "not run" in lines[3]
    assert {"samples.png", "training.png"} <= {path.name for path in (tmp_path / "chest").iterdir()}


def test_the_card_says_that_learning_rates_began_anew(run, tmp_path):
    path = run.model("stylegan2") / "model.json"
    record = json.loads(path.read_text()) | {"restarts": [{"at_kimg": 20.48, "kimg": 30.0, "decay_kimg": 15.0}]}
    path.write_text(json.dumps(record))
    text = model_card.export(run, "stylegan2", tmp_path / "chest", "Some images", "CC0").read_text()
    assert "65.536 thousand images seen, learning rates full again after 20.48, seed 3" in text


def test_the_card_says_that_heads_on_imagenet_flatter_the_model(run, tmp_path):
    path = run.model("stylegan2") / "model.json"
    record = json.loads(path.read_text())
    assert "flatter" not in model_card.export(run, "stylegan2", tmp_path / "plain", "some images").read_text()
    record["settings"] |= {"projected": {"features": "imagenet"}, "critic_weight": 0.3}
    path.write_text(json.dumps(record))
    card = model_card.export(run, "stylegan2", tmp_path / "heads", "some images").read_text()
    assert "| the critic, and heads that look through fixed features (imagenet): distances" in card


def test_card_and_overview_say_that_a_training_began_with_a_model_of_smaller_images(run, tmp_path):
    path = run.model("stylegan2") / "model.json"
    record = json.loads(path.read_text())
    record["settings"]["init_from"] = "small/stylegan2"
    path.write_text(json.dumps(record))
    begun = {"image_size": [8, 16], "kimg": 20.48, "seconds": 299.0}
    training = {"kimg": 65.536, "seconds": 600.0, "settings": record["settings"], "initialised_from": begun}
    results.write(run.directory, "training/stylegan2", training)
    text = model_card.export(run, "stylegan2", tmp_path / "chest", "Some images", "CC0").read_text()
    assert "seen, initialised with the weights of small/stylegan2, which saw 20.48 at 8 x 16 px in 5 minutes" in text
    assert "66 thousand images seen after 20 at 8 x 16 px | 4" in model_card.overview(tmp_path)


@pytest.fixture
def with_state(run):
    """The discriminator of the run's model, whose last state is there, with the hashes of its training images."""
    record = json.loads((run.model("stylegan2") / "model.json").read_text())
    _, discriminator = networks.build("stylegan2", 16, 2, **record["settings"]["network"])
    numbered = {f"discriminator/{number:04d}": value for number, value in enumerate(discriminator.variables)}
    checkpoint.save(run.model("stylegan2") / "state.npz", numbered)
    train = datasets.load(run.images, 16).train
    image_hashes.write(image_hashes.hash_images(train), run.model("stylegan2") / image_hashes.FILE)
    return discriminator


def test_a_small_discriminator_and_the_hashes_of_training_images_are_published(run, with_state, tmp_path):
    card = model_card.export(run, "stylegan2", tmp_path / "chest", "Some images", "CC0")
    text, path = card.read_text(), card.parent / "discriminator.weights.h5"
    assert path.stat().st_size < model_card.SMALL
    assert f"`discriminator.weights.h5` in float16, sha256 `{files.sha256_of_file(path)}`" in text
    _, read = networks.build(
        "stylegan2", 16, 2, **json.loads((card.parent / "model.json").read_text())["settings"]["network"]
    )
    read.load_weights(path)
    for published, trained in zip(read.variables, with_state.variables, strict=True):
        np.testing.assert_array_equal(published.numpy(), trained.numpy().astype(np.float16).astype(np.float32))
    assert "`training_images.npy`: no image can be made from a hash" in text
    assert len(image_hashes.read(card.parent / image_hashes.FILE)) == 12


def test_the_classifiers_are_published_and_score_images_in_the_app(run, tmp_path, monkeypatch):
    data = datasets.load(run.images, 16)
    classifier = metrics.train_feature_classifier(data.train, image_size=16, steps=2)
    for folder in (run.feature_classifier, run.label_classifier):
        metrics.save_classifier(classifier, folder)
    reference = metrics.outlier_reference(classifier, data.train, data.held_out)
    metrics.save_reference(reference, run.feature_classifier)
    results.write(run.directory, "calibration/label_classifier", {"n": 8})
    card = model_card.export(run, "stylegan2", tmp_path / "pretrained" / "chest", "some images", "CC0")
    assert "feature classifier, label classifier, trained on the same training images" in card.read_text()
    entry = catalogue.Entry("pretrained/chest", card.parent, card.parent, {})
    (score,) = classifier_scores.load(entry).score(generators.load(card.parent).sample(1, seed=0))
    assert set(score.probabilities) == {"a", "b"} and 0 <= score.outlier <= 1
    without = model_card.export(run, "stylegan2", tmp_path / "closed", "some images")
    assert not (without.parent / "feature_classifier").exists()


def test_a_large_discriminator_and_hashes_without_a_licence_are_not_published(run, with_state, tmp_path, monkeypatch):
    monkeypatch.setattr(model_card, "SMALL", 2 * with_state.count_params() - 1)
    card = model_card.export(run, "stylegan2", tmp_path / "large", "Some images", "CC0")
    assert not (card.parent / "discriminator.weights.h5").exists() and "| discriminator |" not in card.read_text()
    card = model_card.export(run, "stylegan2", tmp_path / "unlicensed", "Some images")
    assert not (card.parent / image_hashes.FILE).exists() and "hashes of training images" not in card.read_text()


def test_the_card_says_what_was_taken_from_another_model(run, tmp_path):
    record = json.loads((run.model("stylegan2") / "model.json").read_text())
    record["settings"]["init_from"] = "pretrained/adults"
    (run.model("stylegan2") / "model.json").write_text(json.dumps(record))
    begun = {"image_size": 16, "kimg": 20.48, "seconds": 299.0, "networks": ["generator"], "frozen_layers": 0}
    begun |= {"name": "pretrained/adults", "data": "adults", "classes": {"matched": ["a"], "new": ["b"]}}
    training = {"kimg": 65.536, "seconds": 600.0, "settings": record["settings"], "initialised_from": begun}
    results.write(run.directory, "training/stylegan2", training)
    text = model_card.export(run, "stylegan2", tmp_path / "chest", "Some images", "CC0").read_text()
    assert (
        "initialised with the weights of pretrained/adults (generator; its discriminator was not at hand, this one"
        " began random; classes new to it: b), which saw 20.48 thousand images of adults at 16 px in 5 minutes" in text
    )
    begun |= {"networks": ["generator", "discriminator"], "frozen_layers": 3, "classes": {"matched": ["a"], "new": []}}
    results.write(run.directory, "training/stylegan2", training | {"initialised_from": begun})
    text = model_card.export(run, "stylegan2", tmp_path / "again", "Some images", "CC0").read_text()
    assert "(generator and discriminator, whose first 3 convolutions were not trained), which saw" in text


def test_without_a_licence_there_are_figures_and_no_weights_and_no_images(run, tmp_path):
    card = model_card.export(run, "stylegan2", tmp_path / "brain", "Some images", objections="They are blurred.")
    shown = {path.name for path in card.parent.iterdir() if not path.name.startswith(".")}
    assert shown == {"README.md", "results.json", "training.png"}
    text = card.read_text()
    assert "none is stated, so neither weights nor images" in text and "To be seen in the images: They are" in text
    assert "generators.load" not in text and "samples.png" not in text
    with pytest.raises(ValueError, match="holds no trained model"):
        generators.load(card.parent)


def test_what_was_not_measured_is_not_published(run, tmp_path):
    sections = results.read(run.directory)
    del sections["quality/stylegan2"]
    (run.directory / "results.json").write_text(json.dumps(sections))
    with pytest.raises(ValueError, match="no quality of stylegan2"):
        model_card.export(run, "stylegan2", tmp_path / "chest", "Some images", "CC0")
    with pytest.raises(ValueError, match="no trained model"):
        model_card.export(run, "stylegan3", tmp_path / "chest", "Some images", "CC0")
    with pytest.raises(ValueError, match="no run 'other'"):
        config.find_run("other")
    assert config.find_run("small") == run
