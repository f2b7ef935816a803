"""Images that are not square, from the folder to the page of the app."""

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from train_process import SETTINGS

from medgan_tf import config, datasets, figures, generators, metrics, networks, phantoms, training
from medgan_tf.app import catalogue, diagram, ratings, server, uploads
from medgan_tf.app.service import Service
from medgan_tf.dicom.image_files import fit
from medgan_tf.studies.classifier import Classifier
from medgan_tf.studies.readers import kit
from medgan_tf.studies.synthetic_images import from_model

SIZE = (32, 48)
TINY = replace(SETTINGS, kimg=0.04, kimg_per_epoch=0.04)


def png(array):
    memory = io.BytesIO()
    Image.fromarray(array).save(memory, "PNG")
    return memory.getvalue()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """outputs/wide with a model of images read at 32 x 48, after one epoch; the data; the domain extractor."""
    outputs = tmp_path_factory.mktemp("outputs")
    random, folder = np.random.default_rng(0), outputs / "wide" / "images"
    for number in range(60):
        path = folder / ("high" if number % 2 else "low") / f"p{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        texture = gaussian_filter(random.normal(size=(40, 60)), 2 + number % 2)
        path.write_bytes(png(np.clip(128 + 40 * texture / texture.std(), 0, 255).astype(np.uint8)))
    data = datasets.load(folder, SIZE)
    feature_classifier = metrics.train_feature_classifier(data.train, image_size=16, steps=1)
    model_dir = outputs / "wide" / "models" / "dcgan"
    training.fit(training.build(TINY, SIZE), TINY, data, model_dir, feature_classifier)
    return outputs, model_dir, data, feature_classifier


def test_a_model_is_trained_resumed_loaded_and_measured(trained):
    _, model_dir, data, feature_classifier = trained
    assert json.loads((model_dir / "model.json").read_text())["image_size"] == [32, 48]
    assert data.train.images.shape[1:] == (32, 48, 1)
    longer = replace(TINY, kimg=0.08)
    record = training.fit(training.build(longer, SIZE), longer, data, model_dir, feature_classifier)
    assert record["kimg"] == 0.08
    log = pd.read_csv(model_dir / "log.csv")
    assert log["kimg"].tolist() == [0.04, 0.08]  # the second training began where the first stood
    assert np.isfinite(log[["kernel_distance", "frechet_distance", "ms_ssim", "overfitting"]]).all(axis=None)
    with pytest.raises(ValueError, match="another image_size"):
        training.fit(training.build(longer, SIZE), longer, datasets.load(data.root, (48, 32)), model_dir)
    drawn = generators.load(model_dir).sample(40, seed=1)
    assert drawn.shape == (40, 32, 48, 1)
    grids = sorted((model_dir / "samples").glob("*.png"))
    assert Image.open(grids[-1]).size == (8 * 48, 4 * 32)
    assert (
        figures.progression(model_dir.parents[1], "dcgan", images=2).plot.axes[0].images[0].get_array().shape[0]
        == 2 * 32
    )
    measured = metrics.evaluate(data.train.images, drawn, feature_classifier, repeats=3)
    assert {record["image_size"] for record in measured.values()} == {"32 x 48"}
    assert all(np.isfinite(record["value"]) for record in measured.values())
    assert from_model(model_dir, data, feature_classifier).name == "dcgan"  # the record's list is the data's pair
    settings = replace(config.PROFILES["smoke"].augmentation, steps=1, batch_size=8)
    classifier = Classifier(data.image_size, 2, settings, classical=True)
    classifier.train(data.train, 0, lambda: None)
    assert classifier.logits(data.test.images).shape == (len(data.test), 2)


def test_the_app_serves_the_model_and_accepts_uploads_of_any_aspect(trained, tmp_path, monkeypatch):
    outputs, model_dir, *_ = trained
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(outputs))
    monkeypatch.setattr(config.runs, "PRETRAINED", tmp_path)
    entry = catalogue.find("wide/dcgan")
    assert entry.sides == (32, 48)
    service = Service()
    try:
        client = server.create_app(service, ratings.Ratings(tmp_path / "r.sqlite3"), rate="").test_client()
        assert "32 × 48 pixels" in client.get("/?model=wide/dcgan").get_data(as_text=True)
        assert 'width="192" height="64"' in client.get("/models").get_data(as_text=True)
        page = client.get("/result?model=wide/dcgan&num=2&seed=3").get_data(as_text=True)
        assert page.count('width="48" height="32"') == 2
        drawn = client.get("/download/png?model=wide/dcgan&num=2&seed=3&index=1").data
        assert Image.open(io.BytesIO(drawn)).size == (48, 32)
        models = client.get("/api/models").get_json()["models"]
        assert [each["image_size"] for each in models] == [[32, 48]]
    finally:
        service.close()
    for damaged in ("64", [64], [64, 64, 1, 1], None, [64, "64"]):
        record = json.loads((model_dir / "model.json").read_text()) | {"image_size": damaged}
        (tmp_path / "model.json").write_text(json.dumps(record))
        assert catalogue._read_record(tmp_path) == {}
    assert "32 × 48" in diagram.architecture(entry.record)[0]


@pytest.mark.parametrize("shape", [(40, 80), (80, 40), (64, 96), (90, 31)])
@pytest.mark.parametrize("size", [(48, 32), (32, 48)])
def test_files_and_uploads_are_padded_to_the_aspect(shape, size, tmp_path):
    white = np.full(shape, 255, np.uint8)
    (tmp_path / "white.png").write_bytes(png(white))
    covered = np.array(shape) * min(np.array(size) / shape)
    for read in (datasets.read_image(tmp_path / "white.png", size), uploads.decode(png(white), size)):
        assert read.shape == (*size, 1)
        light = read[..., 0] > 127
        np.testing.assert_allclose([light.any(1).sum(), light.any(0).sum()], covered, atol=1.01)
        for axis, side in enumerate(size):
            lit = np.flatnonzero(light.any(1 - axis))
            assert abs(lit[0] - (side - 1 - lit[-1])) <= 1  # in the middle


def test_squares_are_read_unchanged(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (50, 75), np.uint8)
    (tmp_path / "picture.png").write_bytes(png(picture))
    square = Image.new("L", (75, 75))
    square.paste(Image.fromarray(picture), (0, 12))
    expected = np.asarray(square.resize((32, 32), Image.Resampling.LANCZOS))
    for size in (32, (32, 32)):
        np.testing.assert_array_equal(datasets.read_image(tmp_path / "picture.png", size)[..., 0], expected)


def test_dicom_is_converted_to_the_aspect_of_the_profile():
    profile = replace(config.PROFILES["smoke"], image_size=(96, 64))
    assert (profile.converted_size, profile.in_pixels) == ((256, 171), "96 x 64 px")
    assert config.PROFILES["smoke"].converted_size == 256
    light = np.ones((60, 60), np.float32)
    for crop, filled in ((False, (171, 171)), (True, (256, 171))):
        image = fit(light, 1.0, profile.converted_size, crop)
        assert image.shape == (256, 171)
        assert (image.any(axis=1).sum(), image.any(axis=0).sum()) == filled
    assert fit(light, 1.5, profile.converted_size, False).all()  # pixels half as high again as wide


def test_a_reading_kit_pads_what_it_shows_to_squares():
    images = np.full((2, 32, 47, 1), 200, np.uint8)
    shown = kit._pad_to_squares(images)
    assert shown.shape == (2, 47, 47, 1)
    np.testing.assert_array_equal(shown[:, 7:39], images)
    assert not shown[:, :7].any() and not shown[:, 39:].any()
    np.testing.assert_array_equal(kit._pad_to_squares(shown), shown)


def test_impossible_requests_raise_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path))
    with pytest.raises(ValueError, match="a number of pixels, a pair"):
        datasets.read_image(tmp_path / "none.png", (1, 2, 3, 4))
    with pytest.raises(ValueError, match="squares, as phantoms are"):
        phantoms.train_segmenter(tmp_path, datasets.read_image, SIZE)
    with pytest.raises(ValueError, match="does not give"):
        networks.build("pggan", (32, 36))
    monkeypatch.setitem(config.PROFILES, "smoke", replace(config.PROFILES["smoke"], image_size=SIZE))
    with pytest.raises(ValueError, match="Phantoms are square"):
        config.open_run("r", "smoke")
    assert config.open_run("r", "smoke", [tmp_path]).profile.image_size == SIZE
