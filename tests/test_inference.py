"""Trained generators: loading by name, settings of earlier versions, paths between latents and between classes."""

import json
from dataclasses import asdict

import keras
import numpy as np
import pandas as pd
import pytest
from dicom_samples import picture
from PIL import Image

from medgan_tf import config, datasets, generators, networks
from medgan_tf.datasets import image_hashes
from medgan_tf.networks import sampling

CLASSES = ["a", "b", "c"]


@pytest.fixture(params=["cgan", "pggan"])
def model(request, tmp_path):
    """A generator whose labels have a strong effect, saved as training saves it."""
    architecture, network = request.param, {"latent_dim": 6, "base_filters": 8}
    generator, _ = networks.build(architecture, 32, 3, **network)
    noise = np.random.default_rng(0)
    for variable in generator.trainable_variables:
        variable.assign(variable.value + 0.3 * noise.standard_normal(variable.shape))
    settings = asdict(config.TrainingConfig(architecture, 1, 1, network=network))
    record = {"image_size": 32, "classes": CLASSES, "conditional": True, "data": "test", "settings": settings}
    (tmp_path / "model.json").write_text(json.dumps(record))
    generator.save_weights(tmp_path / "generator.weights.h5")
    yield generators.load(tmp_path)
    keras.backend.clear_session()


@pytest.mark.parametrize("steps", [2, 3, 5])
def test_a_path_between_classes_starts_and_ends_at_these_classes(model, steps):
    """Also with as many steps as classes, when the label tables of both networks have the same shape."""
    path = model.between_classes("c", "a", steps, seed=4)
    assert path.shape == (steps, 32, 32, 1)
    for image, label in ((path[0], "c"), (path[-1], "a")):
        expected = model.sample(1, label, seed=4)[0]
        assert np.abs(image.astype(int) - expected).max() <= 1
    assert np.abs(path[0].astype(int) - path[-1]).max() > 5
    if steps > 2:
        assert np.abs(path[1].astype(int) - path[0]).max() > 1
        assert np.abs(path[1].astype(int) - path[-1]).max() > 1


def test_a_path_between_latents_keeps_its_class_and_its_ends(model):
    path = model.between_latents(4, "b", seed=2)
    ends = model.sample(2, "b", seed=2)
    assert np.abs(path[[0, -1]].astype(int) - ends).max() <= 1
    assert np.abs(path[1].astype(int) - path[0]).max() > 1


def test_models_are_found_by_name_from_any_folder(model, tmp_path, monkeypatch):
    outputs, folder = tmp_path / "outputs", tmp_path / "outputs" / "run" / "models" / "cgan"
    folder.mkdir(parents=True)
    for name in ("model.json", "generator.weights.h5"):
        (folder / name).write_bytes((tmp_path / name).read_bytes())
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(outputs))
    known = generators.available()
    assert known["run/cgan"] == folder and "pretrained/chest_xray_cgan" in known
    monkeypatch.chdir(tmp_path)
    images = generators.load("run/cgan").sample(2, seed=3)
    np.testing.assert_array_equal(images, model.sample(2, seed=3))
    assert generators.load("pretrained/chest_xray_cgan").sample(1).std() > 10
    with pytest.raises(ValueError, match="There are: run/cgan, pretrained/"):
        generators.load("run/dcgan")


def test_settings_of_earlier_versions_load_if_they_had_their_default(model, tmp_path):
    record = json.loads((tmp_path / "model.json").read_text())
    record["settings"]["network"] |= {"embedding": 50}
    (tmp_path / "model.json").write_text(json.dumps(record))
    np.testing.assert_array_equal(generators.load(tmp_path).sample(2, seed=3), model.sample(2, seed=3))
    record["settings"]["network"]["embedding"] = 5
    (tmp_path / "model.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"another version .*has no setting embedding; its settings are latent_dim"):
        generators.load(tmp_path)


def test_unknown_classes_are_refused(model):
    with pytest.raises(ValueError, match="a, b, c"):
        model.between_classes("a", "d")


def test_interpolation_stays_on_the_sphere():
    first, second = np.random.default_rng(0).standard_normal((2, 500)).astype(np.float32)
    second *= np.linalg.norm(first) / np.linalg.norm(second)
    path = sampling.interpolate(first, second, 7)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), np.linalg.norm(first), rtol=1e-4)
    np.testing.assert_allclose(path[[0, -1]], [first, second], atol=1e-5)
    cosines = (path[1:] * path[:-1]).sum(1) / np.linalg.norm(first) ** 2
    np.testing.assert_allclose(cosines, cosines[0], rtol=1e-4)
    np.testing.assert_allclose(sampling.interpolate(first, first, 3), np.stack([first] * 3), atol=1e-5)


def test_a_model_that_saw_held_out_images_is_not_measured_on_them(model, tmp_path):
    rows, pixels = [], [picture(number, shape=(32, 32), dtype=np.uint8, high=255) for number in range(12)]
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
        split = ("train", "validation", "test")[max(number - 9, 0)]
        rows.append({"file": f"{number}.png", "class": "abc"[number % 3], "patient": f"p{number}", "split": split})
    datasets.write_manifest(pd.DataFrame(rows), tmp_path)
    data, record = datasets.load(tmp_path, 32), json.loads((tmp_path / "model.json").read_text())
    with pytest.raises(ValueError, match=r"without training_images\.npy it is not known whether"):
        generators.load(tmp_path, measured_on=data)
    for seen, refused in ((pixels[:9], False), (pixels[3:], True)):
        images = datasets.ImageSet(np.stack(seen)[..., None])
        image_hashes.write(image_hashes.hash_images(images), tmp_path / image_hashes.FILE)
        if refused:
            with pytest.raises(ValueError, match=r"was trained on 2 of the 2 held-out images, such as 10\.png: "):
                generators.load(tmp_path, measured_on=data)
        else:
            generators.load(tmp_path, measured_on=data)
    (tmp_path / "model.json").write_text(json.dumps(record | {"training": data.train.record}))
    generators.load(tmp_path, measured_on=data)  # the very training split: known without hashes
