"""A training begins with any model's weights, as far as layers agree, and with none that saw held-out images."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image
from train_process import PROJECTED, SETTINGS
from transfers import CONDITIONAL, as_jpg, load, phantom, train, write_set

from medgan_tf import config, datasets, results, training
from medgan_tf.datasets import image_hashes
from medgan_tf.networks.layers import LabelEmbedding
from medgan_tf.training import resume

pytestmark = pytest.mark.usefixtures("float32_again")
START = replace(CONDITIONAL, init_from="small/cgan")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The run "small", a conditional GAN for 16 px of phantoms 0 to 39; folders of images of these and of others."""
    folder = tmp_path_factory.mktemp("made")
    write_set(folder / "same", range(40))
    write_set(folder / "others", range(100, 140))
    write_set(folder / "renamed", range(200, 240), classes=("effusion", "normal"))
    train(CONDITIONAL, load(folder / "same"), folder / "outputs" / "small" / "models" / "cgan")
    return folder


@pytest.fixture(autouse=True)
def outputs(made, tmp_path, monkeypatch):
    """A copy of outputs/ that a test may change; published models are those of tmp_path/pretrained."""
    shutil.copytree(made / "outputs", tmp_path / "outputs")
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setattr(config.runs, "PRETRAINED", tmp_path / "pretrained")
    return tmp_path / "outputs"


def small(size=16):
    """The GAN of the run "small" with its weights."""
    gan = training.build(CONDITIONAL, size, 2)
    gan.load_state(config.outputs() / "small" / "models" / "cgan" / "state.npz")
    return gan


def begin(settings, data, folder):
    """(GAN, model.json) of a training that has begun and has taken no step."""
    conditional = settings.architecture not in ("dcgan", "gan")
    gan = training.build(settings, data.image_size, len(data.classes) if conditional else 0)
    return gan, resume.restore(gan, settings, data, folder)


def finish(settings, data, folder):
    """The GAN of a training that begins and ends without a step, with the files of a trained model."""
    gan, _ = begin(settings, data, folder)
    gan.save_state(folder / "state.npz")
    pd.DataFrame({"kimg": [1.0], "seconds": [2.0]}).to_csv(folder / "log.csv", index=False)
    return gan


def same(first, second):
    assert [weight.shape for weight in first] == [weight.shape for weight in second]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def without_tables(network):
    tables = {id(layer.embeddings) for layer in network._flatten_layers() if isinstance(layer, LabelEmbedding)}
    return [variable for variable in network.variables if id(variable) not in tables]


def table(network):
    (layer,) = (layer for layer in network._flatten_layers() if isinstance(layer, LabelEmbedding))
    return layer.embeddings.numpy()


def publish(outputs, discriminator=True):
    """The model of the run "small" as pretrained/phantoms."""
    source, target = outputs / "small" / "models" / "cgan", config.runs.PRETRAINED / "phantoms"
    target.mkdir(parents=True)
    gan = small()
    gan.generator_ema.save_weights(target / "generator.weights.h5")
    if discriminator:
        gan.discriminator.save_weights(target / "discriminator.weights.h5")
    for name in ("model.json", image_hashes.FILE):
        shutil.copy(source / name, target / name)
    results.write(target, "published", {"model": "cgan"})
    results.write(target, "training/cgan", {"kimg": 1.5, "seconds": 60.0})
    return gan


# ------------------------------------------------------------ layers


def test_a_training_begins_with_the_weights_of_a_model_of_smaller_images(made, tmp_path, outputs):
    new = [weight.numpy() for weight in training.build(START, 32, 2).generator.trainable_variables]
    data = load(made / "same", 32)  # the same patients: none of those held out was seen
    gan = finish(START, data, tmp_path / "larger")
    taken, begun = small().generator_ema.trainable_variables, gan.generator.trainable_variables
    coarse = len(taken) - 2  # all but the map to pixels
    same(begun[:coarse], taken[:coarse])
    same(gan.generator_ema.trainable_variables, begun)
    same(begun[coarse:], new[coarse:])
    taken, begun = small().discriminator.trainable_variables, gan.discriminator.trainable_variables
    read = len(taken) - 4  # all but the first maps of the image
    same(begun[-read:], taken[-read:])
    kept = json.loads((tmp_path / "larger" / "model.json").read_text())
    assert kept["settings"]["init_from"] == "small/cgan"
    origin = kept["initialised_from"]
    assert origin["settings"] == asdict(CONDITIONAL) and origin["image_size"] == 16
    assert (origin["name"], origin["data"]) == ("small/cgan", "same")
    assert origin["networks"] == ["generator", "discriminator"] and origin["frozen_layers"] == 0
    assert origin["classes"] == {"matched": ["normal", "pneumonia"], "new": []}
    log = pd.read_csv(outputs / "small" / "models" / "cgan" / "log.csv")
    assert (origin["kimg"], origin["seconds"]) == (log["kimg"].iloc[-1], log["seconds"].sum())

    gan.generator.trainable_variables[0].assign_add(np.ones(gan.generator.trainable_variables[0].shape))
    gan.save_state(tmp_path / "larger" / "state.npz")
    again, record = begin(replace(START, kimg=0.048), data, tmp_path / "larger")  # goes on where it stands
    assert record["initialised_from"] == origin
    same([again.generator.trainable_variables[0]], [gan.generator.trainable_variables[0]])
    with pytest.raises(ValueError, match="trained with another init_from;"):
        begin(replace(START, init_from="", kimg=0.048), data, tmp_path / "larger")


def test_classes_are_matched_by_name_and_a_new_one_begins_as_the_mean_of_the_known(made, tmp_path):
    gan, record = begin(START, load(made / "renamed"), tmp_path / "renamed")
    source = small()
    for taken, begun in ((source.generator_ema, gan.generator), (source.discriminator, gan.discriminator)):
        same(without_tables(begun), without_tables(taken))  # the tables do not stop the sequence
        normal, pneumonia = table(taken)
        np.testing.assert_allclose(table(begun), [(normal + pneumonia) / 2, normal], rtol=1e-6)
    assert record["initialised_from"]["classes"] == {"matched": ["normal"], "new": ["effusion"]}
    assert gan.conditional


def test_more_classes_than_before(made, tmp_path):
    data = load(made / "others")
    data.manifest.loc[data.manifest.index % 5 == 0, "class"] = "effusion"
    gan, _ = begin(START, data, tmp_path / "more")
    source = small()
    same(table(gan.discriminator)[1:], table(source.discriminator))
    same(without_tables(gan.discriminator), without_tables(source.discriminator))
    assert table(gan.generator).shape[0] == 3


def test_a_published_model_is_begun_with_as_a_trained_one(made, tmp_path, outputs):
    published = publish(outputs)
    settings = replace(START, init_from="pretrained/phantoms")
    gan, record = begin(settings, load(made / "others"), tmp_path / "begun")
    same(gan.generator.variables, published.generator_ema.variables)
    same(gan.generator_ema.variables, published.generator_ema.variables)
    same(gan.discriminator.variables, published.discriminator.variables)
    origin = record["initialised_from"]
    assert origin["networks"] == ["generator", "discriminator"]
    assert (origin["name"], origin["kimg"], origin["seconds"]) == ("pretrained/phantoms", 1.5, 60.0)


def test_a_discriminator_that_is_not_at_hand_stays_random(made, tmp_path, outputs):
    publish(outputs, discriminator=False)
    settings = replace(START, init_from="pretrained/phantoms")
    random = [weight.numpy() for weight in training.build(settings, 16, 2).discriminator.variables]
    gan, record = begin(settings, load(made / "others"), tmp_path / "begun")
    same(gan.discriminator.variables, random)
    assert record["initialised_from"]["networks"] == ["generator"]
    with pytest.raises(ValueError, match="2 of these layers of the discriminator cannot be taken"):
        begin(replace(settings, frozen_layers=2), load(made / "others"), tmp_path / "frozen")


def test_heads_of_a_projected_discriminator_are_kept_where_they_are_the_same(made, tmp_path, outputs):
    source = finish(PROJECTED, load(made / "same"), outputs / "small" / "models" / "projected")
    begun = replace(PROJECTED, init_from="small/projected", seed=5)
    gan, record = begin(begun, load(made / "renamed"), tmp_path / "begun")
    same(without_tables(gan.projected), without_tables(source.projected))
    assert record["initialised_from"]["networks"] == ["generator", "discriminator", "projected"]
    other = replace(begun, projected=begun.projected | {"filters": 6})
    _, record = begin(other, load(made / "renamed"), tmp_path / "other")
    assert record["initialised_from"]["networks"] == ["generator", "discriminator"]


def test_a_model_that_fits_nowhere_is_refused(made, tmp_path, outputs):
    data = load(made / "others")

    def refused(match, **changes):
        with pytest.raises(ValueError, match=match):
            begin(replace(START, **changes), data, tmp_path / "larger")

    refused(r"cannot begin with 'small/none': there is no such model. There are: small/cgan", init_from="small/none")
    refused("it is a cgan, and this is a dcgan", architecture="dcgan", network=SETTINGS.network)
    refused("its generator shares no convolution", network=CONDITIONAL.network | {"base_filters": 16})
    (outputs / "small" / "models" / "cgan" / "generator.weights.h5").unlink()
    (outputs / "small" / "models" / "cgan" / "state.npz").unlink()
    refused("holds no weights; train that model first")
    assert not (tmp_path / "larger").exists()


def test_a_model_without_labels_begins_no_training_with_labels(made, tmp_path, outputs):
    data = load(made / "others")
    data.manifest["class"] = "all"
    resume.restore(training.build(CONDITIONAL, 16, 0), CONDITIONAL, data, outputs / "small" / "models" / "plain")
    shutil.copy(outputs / "small/models/cgan/state.npz", outputs / "small/models/plain")  # it is not read
    with pytest.raises(ValueError, match="one of them takes labels and the other does not"):
        begin(replace(START, init_from="small/plain"), load(made / "same"), tmp_path / "begun")


def test_a_damaged_published_model_is_named(made, tmp_path, outputs):
    publish(outputs)
    path = config.runs.PRETRAINED / "phantoms" / "discriminator.weights.h5"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"discriminator\.weights\.h5 is damaged"):
        begin(replace(START, init_from="pretrained/phantoms"), load(made / "others"), tmp_path / "begun")


def test_a_training_that_was_killed_before_its_first_checkpoint_begins_again(made, tmp_path):
    data = load(made / "others")
    whole, record = begin(START, data, tmp_path / "killed")  # its model.json is there and no weights
    hashes = image_hashes.read(tmp_path / "killed" / image_hashes.FILE)
    again, later = begin(START, data, tmp_path / "killed")
    assert later == record
    for one, other in zip(again._state().values(), whole._state().values(), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    np.testing.assert_array_equal(image_hashes.read(tmp_path / "killed" / image_hashes.FILE), hashes)


# ------------------------------------------------------------ frozen layers


def assert_only_frozen_layers_stayed(count, before, after):
    convolutions = [number for number, layer in enumerate(before.layers) if layer.__class__.__name__ == "Conv2D"]
    for number, (old, new) in enumerate(zip(before.layers, after.layers, strict=True)):
        for one, other in zip(old.variables, new.variables, strict=True):
            assert np.array_equal(one, other) == (number in convolutions[:count]), new.name


def test_frozen_layers_keep_their_weights_and_the_others_do_not(made, tmp_path):
    """To the bit, also when the training is interrupted."""
    settings, data = replace(START, frozen_layers=2, deterministic=True), load(made / "others")
    whole, record = train(settings, data, tmp_path / "whole")
    assert_only_frozen_layers_stayed(2, small().discriminator, whole.discriminator)
    assert record["initialised_from"]["frozen_layers"] == 2
    train(replace(settings, kimg=0.016), data, tmp_path / "parts")
    parts, _ = train(settings, data, tmp_path / "parts")
    one, other = (gan._state() for gan in (whole, parts))
    assert one.keys() == other.keys()
    same([one[name].numpy() for name in sorted(one)], [other[name].numpy() for name in sorted(one)])


@pytest.mark.slow
def test_frozen_layers_keep_their_weights_under_xla(made, tmp_path):
    data = load(made / "others")
    gan, _ = begin(replace(START, frozen_layers=3), data, tmp_path / "frozen")
    step = tf.function(gan.train_step, jit_compile=True)
    step((data.train.images[:8].astype(np.float32) / 127.5 - 1, data.train.labels[:8]))
    assert_only_frozen_layers_stayed(3, small().discriminator, gan.discriminator)


def test_layers_that_are_not_there_or_would_stay_random_cannot_be_frozen(made, tmp_path):
    with pytest.raises(ValueError, match=r"frozen_layers is 1: .* is 0 for random weights"):
        training.build(replace(CONDITIONAL, frozen_layers=1), 16, 2)
    with pytest.raises(ValueError, match="frozen_layers is 99, but the discriminator has 6 convolutions"):
        training.build(replace(START, frozen_layers=99), 16, 2)
    pggan = {"base_filters": 8, "latent_dim": 6}
    with pytest.raises(ValueError, match="set frozen_layers to 0 for pggan"):
        training.build(replace(START, frozen_layers=1, architecture="pggan", network=pggan), 16, 2)
    with pytest.raises(ValueError, match="frozen_layers is 1, but 1 of these layers of the discriminator cannot be"):
        begin(replace(START, frozen_layers=1), load(made / "others", 32), tmp_path / "larger")  # the finest are new


# ------------------------------------------------------------ held-out images that the other model saw


@pytest.mark.parametrize("change", ["exact", "size and JPG", "brightness"])
def test_a_model_that_saw_a_held_out_image_is_refused_with_the_remedy(made, tmp_path, change):
    seen = phantom(0, "normal")
    found = {
        "exact": seen,
        "size and JPG": as_jpg(seen, 48),
        "brightness": Image.fromarray(np.rint(np.clip(np.asarray(seen) * 0.9, 0, 255)).astype(np.uint8)),
    }
    folder = write_set(tmp_path / "leaking", range(300, 340), held_out=[found[change]])
    sentence = r"'small/cgan': 1 of 11 held-out images are among its training images, such as found0\.png; give"
    with pytest.raises(ValueError, match=sentence) as error:
        begin(START, load(folder), tmp_path / "begun")
    assert str(folder / "manifest.csv") in str(error.value)
    assert not (tmp_path / "begun").exists()
    manifest = pd.read_csv(folder / "manifest.csv")
    manifest.loc[manifest["file"] == "found0.png", "split"] = "train"
    manifest.to_csv(folder / "manifest.csv", index=False)
    _, record = begin(START, load(folder), tmp_path / "begun")
    assert record["initialised_from"]["name"] == "small/cgan"


def test_what_a_model_saw_is_handed_on_to_those_that_begin_with_it(made, tmp_path, outputs):
    finish(START, load(made / "others"), outputs / "second" / "models" / "cgan")
    leaking = load(write_set(tmp_path / "leaking", range(300, 340), held_out=[phantom(0, "normal")]))
    with pytest.raises(ValueError, match="'second/cgan': 1 of 11 held-out images"):
        begin(replace(START, init_from="second/cgan"), leaking, tmp_path / "begun")


def test_a_model_of_an_earlier_version_begins_trainings_of_its_own_split_only(made, tmp_path, outputs):
    folder = outputs / "small" / "models" / "cgan"
    (folder / image_hashes.FILE).unlink()
    with pytest.raises(ValueError, match=r"training_images\.npy is missing, so it is not known which images"):
        begin(START, load(made / "others"), tmp_path / "others")
    begin(START, load(made / "same", 32), tmp_path / "same")
    record = json.loads((folder / "model.json").read_text())
    del record["training"]
    (folder / "model.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="it is not known which images"):
        begin(START, load(made / "same", 32), tmp_path / "unknown")


def test_a_training_writes_a_row_of_40_bytes_for_each_image_and_nothing_else(made, outputs):
    hashes = image_hashes.read(outputs / "small" / "models" / "cgan" / image_hashes.FILE)
    train_split = load(made / "same").train
    assert hashes.shape == (len(train_split), 40)
    assert (np.lexsort(hashes.T[::-1]) == np.arange(len(hashes))).all()  # their order says nothing
    assert len(image_hashes.find(train_split, hashes)) == len(train_split)
    assert len(image_hashes.find(load(made / "same").held_out, hashes)) == 0


def test_models_of_this_repository_begin_trainings_of_other_patients_only(shared, tmp_path, monkeypatch):
    monkeypatch.setattr(config.runs, "PRETRAINED", Path(__file__).parents[1] / "pretrained")
    network = {"base_filters": 128, "attention": 16}
    settings = replace(config.CGAN_PAPER, network=network, init_from="pretrained/chest_xray_cgan", jit_compile=False)
    _, record = begin(settings, datasets.load(shared / "chest_xray_adult", 64), tmp_path / "adults")
    origin = record["initialised_from"]
    assert origin["networks"] == ["generator"] and origin["classes"]["matched"] == []
    children = datasets.load(shared / "chest_xray", 64, seed=1)  # another split than the published one
    with pytest.raises(ValueError, match=r"[5-9]\d\d of \d{3} held-out images are among its training images"):
        begin(settings, children, tmp_path / "children")
