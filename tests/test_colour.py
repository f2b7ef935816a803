"""Images in colour, from the folder or DICOM to the page of the app; grey images stay what they were."""

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pydicom
import pytest
from dicom_samples import make, write
from PIL import Image
from train_process import SETTINGS

from medgan_tf import config, datasets, dicom, figures, generators, metrics, networks, training
from medgan_tf.app import ratings, server
from medgan_tf.app.service import Service
from medgan_tf.networks.sampling import tile
from medgan_tf.studies import memorisation
from medgan_tf.studies.classifier import Classifier
from medgan_tf.studies.readers import kit

SIZE = (32, 32, 3)
TINY = replace(SETTINGS, kimg=0.04, kimg_per_epoch=0.04)
HUES = {"red": (220, 40, 60), "violet": (120, 60, 200)}


def cells(hue, seed, side=40):
    """A photograph of one stained cell, uint8 (side, side, 3)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    inside = np.hypot(*(each - random.uniform(15, 25) for each in (y, x))) < random.uniform(6, 12)
    picture = np.where(inside[..., None], hue, (240, 220, 225)) + random.normal(0, 6, (side, side, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """outputs/blood with a conditional model of cells after one epoch; the data; the feature classifier."""
    outputs = tmp_path_factory.mktemp("outputs")
    folder = outputs / "blood" / "images"
    for number in range(60):
        name, hue = list(HUES.items())[number % 2]
        path = folder / name / f"p{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(cells(hue, number)).save(path)
    data = datasets.load(folder, 32)
    extractor = metrics.train_feature_classifier(data.train, data.held_out, image_size=16, steps=40)
    metrics.save_classifier(extractor, outputs / "blood" / "feature_classifier")
    model_dir = outputs / "blood" / "models" / "cgan"
    settings = replace(TINY, architecture="cgan", network={"base_filters": 8})
    training.fit(training.build(settings, data.image_size, 2), settings, data, model_dir, extractor)
    return outputs, model_dir, data, extractor, settings


def test_folders_in_colour_are_read_in_colour_and_can_be_read_in_grey(trained):
    _, _, data, extractor, _ = trained
    assert data.image_size == SIZE
    assert data.train.images.shape[1:] == SIZE
    means = [data.train.images[data.train.labels == label].mean((0, 1, 2)) for label in (0, 1)]
    assert means[0][0] - means[1][0] > 10  # red
    assert means[1][2] - means[0][2] > 10  # violet
    assert extractor.report["accuracy"] > 0.9
    grey = datasets.load(data.root, (32, 32, 1))
    assert grey.image_size == 32
    rgb = data.test.images.astype(float) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(grey.test.images[..., 0], rgb, atol=3)  # one reads first, the other resizes first


@pytest.mark.parametrize(("tint", "size"), [(0, 16), (3, 16), (60, (16, 16, 3))])
def test_grey_pictures_saved_as_rgb_stay_grey(tint, size, tmp_path):
    for number in range(12):
        grey = np.random.default_rng(number).integers(0, 190, (16, 16, 1), np.uint8)
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.fromarray(np.concatenate([grey + tint, grey, grey], -1).astype(np.uint8)).save(
            tmp_path / f"a/{number}.png"
        )
    assert datasets.load(tmp_path, 16).image_size == size


def test_one_coloured_file_does_not_make_a_set_coloured_and_mixed_depths_are_named(tmp_path):
    (tmp_path / "a").mkdir()
    for number in range(9):
        Image.fromarray(np.full((16, 16), 20 * number + 9, np.uint8)).save(tmp_path / f"a/{number}.png")
    Image.fromarray(cells(HUES["red"], 0)).save(tmp_path / "a/coloured.png")
    assert datasets.load(tmp_path, 16).image_size == 16
    Image.fromarray(np.full((16, 16), 3000, np.uint16)).save(tmp_path / "a/deep.png")
    with pytest.raises(ValueError, match=r"deep\.png cannot be read as an image \(is grey with 16 bits"):
        datasets.read_images(tmp_path, (16, 16, 3))


def test_a_training_in_colour_goes_on_and_draws_rgb(trained):
    _, model_dir, data, extractor, settings = trained
    assert json.loads((model_dir / "model.json").read_text())["image_size"] == list(SIZE)
    longer = replace(settings, kimg=0.08)
    training.fit(training.build(longer, SIZE, 2), longer, data, model_dir, extractor)
    assert pd.read_csv(model_dir / "log.csv")["kimg"].tolist() == [0.04, 0.08]
    drawn = generators.load(model_dir).sample(40, "red", seed=1)
    assert drawn.shape == (40, *SIZE)
    assert Image.open(sorted((model_dir / "samples").glob("*.png"))[-1]).mode == "RGB"
    assert figures.progression(model_dir.parents[1], "cgan", images=2).plot.axes[0].images[0].get_array().shape[-1] == 3
    with pytest.raises(ValueError, match="another image_size"):
        training.fit(training.build(longer, 32, 2), longer, datasets.load(data.root, (32, 32, 1)), model_dir)


@pytest.mark.parametrize("architecture", networks.ARCHITECTURES)
def test_every_architecture_makes_channels_and_none_changes_in_grey(architecture):
    classes = 0 if architecture in networks.WITHOUT_LABELS else 2
    generator, discriminator = networks.build(architecture, (32, 32, 2), classes)
    images = discriminator.inputs[0]
    assert generator.output_shape == (None, 32, 32, 2) == images.shape
    shapes = [
        [weight.shape for network in networks.build(architecture, size, classes) for weight in network.weights]
        for size in (32, (32, 32, 1))
    ]
    assert shapes[0] == shapes[1]


def test_a_projected_discriminator_sees_colour():
    settings = config.PROFILES["smoke"].models["projected"]
    settings = replace(settings, projected=settings.projected | {"features": "random"}, batch_size=4)
    gan = training.build(settings, (32, 32, 3), 2)
    real = np.random.default_rng(0).uniform(-1, 1, (4 * settings.discriminator_steps, 32, 32, 3)).astype(np.float32)
    logs = gan.train_step((real, np.zeros(len(real), np.int32)))
    assert all(np.isfinite(float(value)) for value in logs.values())


def test_metrics_see_a_change_of_colour_that_grey_levels_hide(trained):
    _, _, data, extractor, _ = trained
    real = data.train.images
    turned = np.clip(real + np.array([30, -15, -3]), 0, 255).astype(np.uint8)  # about the same luminance
    same, other = (metrics.evaluate(real, each, extractor, repeats=3) for each in (real[::-1], turned))
    assert other["intensity_distance"]["value"] > same["intensity_distance"]["value"] + 10
    assert other["frechet_distance"]["value"] > same["frechet_distance"]["value"]
    assert all(np.isfinite(record["value"]) for record in other.values())
    pair = real[:2], turned[:2]
    expected = np.mean([metrics.ms_ssim(*(each[..., [c]] for each in pair)) for c in range(3)], axis=0)
    np.testing.assert_allclose(metrics.ms_ssim(*pair), expected)
    assert metrics.ssim(*pair, paired_by="a shift of colour").shape == (2,)


def test_features_of_three_channels_get_the_colours_and_of_one_their_mean():
    import tensorflow as tf

    images = tf.constant(np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8))
    three, one = (metrics.prepare(images, 16, channels).numpy() for channels in (3, 1))
    np.testing.assert_allclose(three, images.numpy() / 127.5 - 1, atol=1e-5)
    np.testing.assert_allclose(one[..., 0], three.mean(-1), atol=1e-5)


def test_studies_take_colour(trained, tmp_path, monkeypatch):
    _, _, data, extractor, _ = trained
    settings = replace(config.PROFILES["smoke"].augmentation, steps=1, batch_size=8)
    classifier = Classifier(data.image_size, 2, settings, classical=True)
    classifier.train(data.train, 0, lambda: None)
    assert classifier.logits(data.test.images).shape == (len(data.test), 2)
    found = memorisation.memorisation(data.train.images[:12], data.train, data.held_out, extractor)
    assert found["pixels"]["copy_rate"]["value"] == 1
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(trained[0]))
    made = kit.make_kit(config.Run("blood", config.PROFILES["smoke"], ()), "cgan", tmp_path / "kit", 8)
    assert made.images.shape[1:] == SIZE
    assert kit.open_kit(tmp_path / "kit").images.std() > 0


def test_the_app_shows_and_offers_colour(trained, tmp_path, monkeypatch):
    outputs, model_dir, *_ = trained
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(outputs))
    monkeypatch.setattr(config.runs, "PRETRAINED", tmp_path / "none")
    service = Service()
    try:
        client = server.create_app(service, ratings.Ratings(tmp_path / "r.sqlite3"), rate="").test_client()
        assert client.get("/result?model=blood/cgan&class=red&num=2&seed=3").status_code == 200
        drawn = Image.open(io.BytesIO(client.get("/download/png?model=blood/cgan&class=red&num=2&seed=3&index=1").data))
        expected = generators.load(model_dir).sample(2, "red", seed=3)[1]
        np.testing.assert_allclose(np.asarray(drawn), expected, atol=1)
        synthetic = client.get("/download/dcm?model=blood/cgan&class=red&num=2&seed=3&index=1").data
        np.testing.assert_array_equal(pydicom.dcmread(io.BytesIO(synthetic)).pixel_array, np.asarray(drawn))
        assert [each["image_size"] for each in client.get("/api/models").get_json()["models"]] == [list(SIZE)]
    finally:
        service.close()


def test_synthetic_dicom_holds_rgb(tmp_path):
    image = cells(HUES["violet"], 1)
    dataset = dicom.synthetic_dataset(image, "a test", ["x"])
    dataset.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    read = pydicom.dcmread(tmp_path / "x.dcm")
    assert read.PhotometricInterpretation == "RGB"
    np.testing.assert_array_equal(read.pixel_array, image)
    with pytest.raises(ValueError, match=r"uint8 \(H, W, 3\)"):
        dicom.synthetic_dataset(image.astype(np.uint16), "a test", ["x"])


def test_dicom_photographs_are_converted_in_colour_and_grey_ones_in_grey(tmp_path):
    attributes = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB"}
    attributes |= {"Modality": "GM", "BurnedInAnnotation": "NO"}
    photograph = cells(HUES["red"], 0, side=64)
    grey = np.repeat(photograph[..., :1], 3, -1)
    for name, pixels in (("photo", photograph), ("grey", grey)):
        write(tmp_path / "in" / name / "1.dcm", make(pixels, PatientID=f"ID {name}", **attributes))
    report = dicom.convert(tmp_path / "in", tmp_path / "out", 64, format="png")
    assert report.converted == 2
    read = {path.parent.name: Image.open(path) for path in (tmp_path / "out" / "images").rglob("*.png")}
    assert {name: image.mode for name, image in read.items()} == {"photo": "RGB", "grey": "L"}
    assert np.abs(np.asarray(read["photo"]).astype(int) - photograph).max() <= 1


def test_three_windows_of_ct_become_three_channels(tmp_path):
    pixels = np.random.default_rng(0).integers(-1000, 2000, (48, 48)).astype(np.int16)
    pixels[:8] = np.linspace(-1000, 1500, 48).astype(np.int16)
    write(tmp_path / "in" / "a" / "1.dcm", make(pixels, RescaleSlope=1, RescaleIntercept=0))
    names = ("lung", "soft_tissue", "bone")
    report = dicom.convert(tmp_path / "in", tmp_path / "all", 48, format="png", window=names)
    assert report.converted == 1
    assert "-600/1500, 50/400, 480/2500" in (tmp_path / "all" / "manifest.csv").read_text()
    (several,) = (np.asarray(Image.open(path)) for path in (tmp_path / "all" / "images").rglob("*.png"))
    for channel, name in enumerate(names):
        dicom.convert(tmp_path / "in", tmp_path / name, 48, format="png", window=name)
        (single,) = (np.asarray(Image.open(path)) for path in (tmp_path / name / "images").rglob("*.png"))
        np.testing.assert_array_equal(several[..., channel], single)
    for wrong, sentence in ((("lung", "bone"), "one or three of"), (("lung", "bone", "skin"), "one or three of")):
        with pytest.raises(ValueError, match=sentence):
            dicom.convert(tmp_path / "in", tmp_path / "no", 48, window=wrong)
    with pytest.raises(ValueError, match="16 bits holds one channel"):
        dicom.convert(tmp_path / "in", tmp_path / "no", 48, format="png16", window=names)


def test_other_numbers_of_channels_are_shown_side_by_side():
    images = np.arange(2 * 4 * 5 * 2, dtype=np.uint8).reshape(2, 4, 5, 2)
    shown = tile(images, 1)
    assert shown.shape == (8, 10)
    np.testing.assert_array_equal(shown[:4, 5:], images[0, ..., 1])
    assert tile(np.zeros((3, 4, 5, 3), np.uint8), 2).shape == (8, 10, 3)
    memory = io.BytesIO()
    Image.fromarray(tile(images, 2)).save(memory, "PNG")


def test_colour_survives_jpg_of_the_same_quality(trained):
    *_, data, _, _ = trained
    again = datasets.reencode(data.test.images, 95)
    assert again.shape == data.test.images.shape
    assert np.abs(again.astype(int) - data.test.images).mean() < 8


def test_a_table_without_any_patient_counts_each_image_as_one(tmp_path):
    (tmp_path / "a").mkdir()
    for number in range(6):
        Image.fromarray(np.full((16, 16), 20 * number, np.uint8)).save(tmp_path / f"a/{number}.png")
    rows = pd.DataFrame({"file": [f"a/{n}.png" for n in range(6)], "class": "a", "patient_group": ""})
    rows.to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.warns(UserWarning, match="names no patient"):
        data = datasets.load(tmp_path, 16)
    assert data.manifest["patient"].nunique() == 6
