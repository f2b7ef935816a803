"""The app's pages, downloads and error answers."""

import html
import json
import re
import shutil
import threading
import time
import zipfile
from io import BytesIO

import numpy as np
import pydicom
import pytest
from app_models import METRIC, write_earlier_run, write_model
from PIL import Image

from medgan_tf import config, generators, results
from medgan_tf.app import classifier_scores, gallery, requests, server, service
from medgan_tf.app.errors import AppError
from medgan_tf.app.service import Worker

LINK = "model=trained/cgan&class=small&num=3&seed=11"


def pixels(data):
    return np.asarray(Image.open(BytesIO(data)))


def test_home_offers_the_models_and_the_classes_of_the_chosen_one(client):
    page = client.get("/?model=trained/cgan").get_data(as_text=True)
    for text in ("trained/cgan", "trained/stylegan2", "bare/dcgan", '<option value="small"', "1.25 [1.00, 1.50]"):
        assert text in page
    page = client.get("/?model=trained/dcgan").get_data(as_text=True)
    assert "this model has no classes" in page
    assert "has not been measured yet" in page


def test_home_shows_pictures_of_the_chosen_model(client):
    page = client.get("/?model=trained/cgan").get_data(as_text=True)
    source = html.unescape(re.search(r'<img class="preview first" src="([^"]+)"', page)[1])
    assert client.get(source).data == client.get("/preview.png?model=trained/cgan").data
    assert client.get(source).mimetype == "image/png"


def test_images_unlike_real_ones_are_named_and_drawn_again(client, monkeypatch):
    scores = [classifier_scores.ImageScores(None, outlier) for outlier in (0.5, 0.96, None, 0.99)]
    monkeypatch.setattr(service.Service, "score", lambda *_: scores)
    page = client.get(f"/result?{LINK.replace('num=3', 'num=4')}").get_data(as_text=True)
    assert "Images 2, 4 look unlike real images: the outlier score is above 95%" in page
    again = re.search(r'<a href="([^"]+)" data-wait="Generating">Draw again', page)[1]
    assert "seed=" in again and client.get(html.unescape(again)).status_code == 200
    monkeypatch.setattr(service.Service, "score", lambda *_: [scores[0]] * 4)
    assert "look unlike" not in client.get(f"/result?{LINK.replace('num=3', 'num=4')}").get_data(as_text=True)


@pytest.mark.parametrize("path", ["/", "/models", f"/result?{LINK}", "/explore", "/rate", "/about", "/nowhere"])
def test_every_page_is_marked_synthetic_and_loads_nothing_from_other_hosts(client, path):
    answer = client.get(path)
    page = answer.get_data(as_text=True)
    assert "<strong>Synthetic, research only.</strong>" in page
    assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', page)
    assert not re.search(r"<style|style=|<script(?! src)|onclick", page)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert re.fullmatch("[0-9a-f]{12}", answer.headers["X-Request-ID"])


def test_downloads_are_the_images_of_the_model_and_state_their_origin(client, served):
    expected = generators.load(served / "trained" / "models" / "cgan").sample(3, "small", 11)
    for index in range(3):
        data = client.get(f"/download/png?{LINK}&index={index}").data
        np.testing.assert_allclose(pixels(data), expected[index, ..., 0], atol=1)
    text = Image.open(BytesIO(data)).text
    assert text["Title"] == "Synthetic image, research only, not for diagnosis"
    assert (text["Model"], text["Seed"], text["Class"]) == ("trained/cgan", "11", "small")
    dataset = pydicom.dcmread(BytesIO(client.get(f"/download/dcm?{LINK}&index=1").data))
    np.testing.assert_allclose(dataset.pixel_array, expected[1, ..., 0], atol=1)
    assert dataset.SyntheticData == "YES"
    with zipfile.ZipFile(BytesIO(client.get(f"/download/zip?{LINK}").data)) as archive:
        np.testing.assert_allclose(pixels(archive.read("png/002.png")), expected[2, ..., 0], atol=1)
        assert len([name for name in archive.namelist() if name.endswith(".dcm")]) == 3
        assert json.loads(archive.read("origin.json"))[2]["seed"] == 11


def test_the_link_of_a_result_gives_the_same_bytes_also_from_another_replica(client, new_client):
    page = client.get(f"/result?{LINK}").get_data(as_text=True)
    link = re.search(r'id="reproduce" href="([^"]+)"', page)[1].replace("&amp;", "&")
    assert "version=" in link
    other = new_client()
    images, again = (
        re.findall(r"data:image/png;base64,[^\"]+", text) for text in (page, other.get(link).get_data(as_text=True))
    )
    assert len(images) == 3
    assert again == images
    assert client.get(f"/download/zip?{LINK}").data == other.get(f"/download/zip?{LINK}").data


def test_earlier_requests_do_not_change_the_bytes(client, new_client):
    """Keras's programs for one batch size and for any differ in the last bit; see `service.load_generator`."""
    before = new_client()
    for count in (8, 5, 2):
        before.post("/api/generate", json={"model": "trained/stylegan2", "num": count, "seed": 99})
    for seed in range(25):
        ask = {"model": "trained/stylegan2", "seed": seed, "num": 1 + seed % 3}
        assert before.post("/api/generate", json=ask).json == client.post("/api/generate", json=ask).json


def test_class_probabilities_are_shown_with_their_calibration_and_only_if_there_is_one(client, served):
    page = client.get(f"/result?{LINK}").get_data(as_text=True)
    calibration = results.read(served / "trained")["calibration/label_classifier"]
    perfect = calibration["expected_calibration_error"]
    assert f"{100 * calibration['accuracy']['value']:.1f}%" in page
    assert f"{100 * perfect['real_vs_real_low']:.1f} to {100 * perfect['real_vs_real_high']:.1f} on as many" in page
    assert page.count("<meter") == 3 * 2
    assert page.count("Outlier score:") == 3
    bare = client.get("/result?model=bare/dcgan&num=2").get_data(as_text=True)
    assert "<meter" not in bare
    assert "Outlier score:" not in bare
    assert "No class probabilities are shown" in bare


def test_a_run_of_an_earlier_version_is_served_and_has_a_gallery(served, tmp_path, new_client):
    write_earlier_run(served / "trained", tmp_path / "trained")
    shutil.rmtree(tmp_path / "trained" / "models" / "stylegan2")
    client = new_client(tmp_path)
    assert "epoch_kimg" in (tmp_path / "trained/models/cgan/model.json").read_text()
    assert "floor_low" in (tmp_path / "trained/results.json").read_text()
    page = client.get(f"/result?{LINK}").get_data(as_text=True)
    assert page.count("<meter") == 3 * 2
    assert page.count("Outlier score:") == 3
    assert "1.25 [1.00, 1.50]" in page
    metric = client.get("/api/models").json["models"][0]["metrics"][0]
    assert metric.pop("metric") == "kernel_distance"
    assert metric == {name: METRIC[name] for name in metric}
    run = config.find_run("trained")
    index = gallery.write(config.Run(run.name, run.profile, (tmp_path,)), tmp_path / "gallery")
    assert "1.25 [1.00, 1.50]" in index.read_text()


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ("model=trained/none", 404, "no such model"),
        ("model=../../etc/passwd", 404, "no such model"),
        ("model=trained/cgan&class=huge", 422, "classes are large, small"),
        ("model=trained/dcgan&class=large", 422, "has no classes"),
        ("model=trained/dcgan&truncation=0.5", 422, "Only StyleGANs"),
        ("model=trained/cgan&num=65", 422, "num: 65 is greater than the maximum of 64"),
        ("model=trained/cgan&num=0", 422, "num: 0 is less"),
        ("model=trained/cgan&seed=x", 422, "not a whole number"),
        ("model=trained/stylegan2&truncation=nan", 422, "not a number"),
        (f"model=trained/cgan&seed={'9' * 500}", 422, "seed"),
        ("model=trained/cgan&version=000000000000", 409, "was trained again"),
        ("", 422, "model"),
    ],
)
def test_invalid_request_gives_one_sentence_and_no_image(client, query, status, sentence):
    answer = client.get(f"/result?{query}")
    page = answer.get_data(as_text=True)
    assert answer.status_code == status
    assert sentence in re.search("<h1>(.*?)</h1>", page, re.DOTALL)[1].replace("&#39;", "'")
    assert "data:image" not in page
    assert answer.headers["X-Request-ID"] in page


def test_damaged_models_have_a_clear_page_and_the_others_still_work(served, tmp_path, new_client):
    models = tmp_path / "outputs" / "trained" / "models"
    for name in ("cut", "missing", "other", "record", "newer", "sound"):
        shutil.copytree(served / "trained" / "models" / "dcgan", models / name)
    weights = (models / "cut" / "generator.weights.h5").read_bytes()
    (models / "cut" / "generator.weights.h5").write_bytes(weights[: len(weights) // 2])
    (models / "missing" / "generator.weights.h5").unlink()
    shutil.copy(served / "trained/models/stylegan2/generator.weights.h5", models / "other")
    (models / "record" / "model.json").write_text('{"image_size": 32')
    record = json.loads((models / "newer" / "model.json").read_text())
    record["settings"]["network"]["invented_later"] = 3
    (models / "newer" / "model.json").write_text(json.dumps(record))
    client = new_client(tmp_path / "outputs")
    sentences = {"cut": "cannot be loaded", "missing": "has no weights", "other": "cannot be loaded"}
    sentences |= {"record": "model.json is damaged", "newer": "another version"}
    for name, sentence in sentences.items():
        answer = client.get(f"/result?model=trained/{name}")
        page = answer.get_data(as_text=True)
        assert answer.status_code == 503
        assert sentence in page, name
        assert str(tmp_path) not in page
        assert "data:image" not in page
    assert client.get("/result?model=trained/sound").status_code == 200
    listed = client.get("/models").get_data(as_text=True)
    assert all(f"trained/{name}" in listed for name in (*sentences, "sound"))
    assert client.get("/").status_code == 200


def test_with_a_damaged_classifier_only_its_scores_are_missing(served, tmp_path, new_client):
    shutil.copytree(served, tmp_path / "outputs")
    for name in ("label_classifier", "feature_classifier"):
        (tmp_path / "outputs" / "trained" / name / "classifier.keras").write_bytes(b"cut")
    answer = new_client(tmp_path / "outputs").get("/result?model=trained/cgan&num=2")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert page.count("data:image/png") == 2
    assert "<meter" not in page
    assert "Outlier score" not in page


def test_a_model_trained_again_is_loaded_again_and_old_links_say_so(tmp_path, new_client):
    folder = tmp_path / "outputs" / "run" / "models" / "dcgan"
    write_model(folder, "dcgan", False, 1)
    client = new_client(tmp_path / "outputs")
    ask = {"model": "run/dcgan", "seed": 1}
    before = client.post("/api/generate", json=ask).json
    shutil.rmtree(folder)
    write_model(folder, "dcgan", False, 2)
    after = client.post("/api/generate", json=ask).json
    assert before["version"] != after["version"]
    assert before["images"] != after["images"]
    assert client.get(before["reproduce"]).status_code == 409
    assert client.get(after["reproduce"]).status_code == 200


def test_pretrained_models_are_served_beside_those_of_runs(client, tmp_path, monkeypatch):
    write_model(tmp_path / "chest", "dcgan", False)
    results.write(tmp_path / "chest", "published", {"model": "dcgan"})
    results.write(tmp_path / "chest", "quality/gan", {"metrics": {"kernel_distance": METRIC | {"value": 9.0}}})
    results.write(tmp_path / "chest", "quality/dcgan", {"metrics": {"kernel_distance": METRIC | {"value": 1.125}}})
    monkeypatch.setattr(config.runs, "PRETRAINED", tmp_path)
    assert client.get("/result?model=pretrained/chest").status_code == 200
    assert "1.12 [1.00, 1.50]" in client.get("/?model=pretrained/chest").get_data(as_text=True)


def test_simultaneous_requests_never_mix(client, service):
    def ask(seed):
        with client.application.test_client() as own:
            return own.post("/api/generate", json={"model": "trained/cgan", "seed": seed}).json

    expected = {seed: ask(seed) for seed in range(12)}
    service._generated.clear()
    answers = {}
    threads = [threading.Thread(target=lambda seed=seed: answers.update({seed: ask(seed)})) for seed in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == expected
    assert len({answer["images"][0]["sha256"] for answer in answers.values()}) == 12


def test_a_job_that_waits_too_long_is_refused_and_never_done():
    worker, done, begin = Worker(max_waiting=2), [], threading.Event()
    first = threading.Thread(target=worker.run, args=(30, begin.wait))
    first.start()
    time.sleep(0.1)
    with pytest.raises(AppError) as late:
        worker.run(0.05, done.append, 1)
    assert (late.value.status, late.value.kind) == (503, "timeout")
    second = threading.Thread(target=worker.run, args=(30, done.append, 2))
    second.start()
    time.sleep(0.1)
    with pytest.raises(AppError) as busy:
        worker.run(30, done.append, 3)
    assert busy.value.kind == "busy"
    begin.set()
    first.join()
    second.join()
    assert done == [2]
    with pytest.raises(ZeroDivisionError):
        worker.run(5, lambda: 1 / 0)
    worker.close()


def test_an_address_with_too_many_requests_is_refused(served, service):
    client = server.create_app(service, rate="2 per minute").test_client()
    statuses = [client.get("/result?model=trained/none").status_code for _ in range(3)]
    assert statuses == [404, 404, 429]
    assert client.get("/").status_code == 200
    assert client.post("/api/generate", json={"model": "trained/cgan"}).json["error"]["type"] == "rate_limited"


def test_forms_from_other_sites_are_refused(client):
    answer = client.post("/upload", data={"model": "trained/cgan"})
    assert answer.status_code == 400
    assert "This form has expired" in answer.get_data(as_text=True)
    assert client.post("/rate", data={"reader": "a"}).status_code == 400


def test_an_error_of_the_app_itself_shows_no_details(client, service, monkeypatch):
    monkeypatch.setattr(service, "generate", lambda asked: 1 / 0)
    answer = client.get(f"/result?{LINK}")
    assert answer.status_code == 500
    assert "ZeroDivision" not in answer.get_data(as_text=True)


def test_the_explorer_moves_mixes_and_interpolates(client):
    style, plain = "model=trained/stylegan2", "model=trained/dcgan"
    still, moved = (
        pixels(client.get(f"/explore/picture.png?{style}&view=moved&seed=2&d1={d}").data) for d in ("0", "3")
    )
    assert still.shape == (32, 32)
    assert np.abs(still.astype(int) - moved).max() > 5
    assert pixels(client.get(f"/explore/picture.png?{style}&view=mixed&other_seed=3").data).shape == (32, 96)
    assert pixels(client.get(f"/explore/picture.png?{plain}&view=between&steps=6").data).shape == (32, 192)
    answer = client.get(f"/explore/picture.png?{plain}&view=moved")
    assert answer.status_code == 422
    assert "has no styles" in answer.get_data(as_text=True)
    assert client.get(f"/explore?{style}&view=moved&d1=2").status_code == 200
    assert client.get(f"/explore/picture.png?{style}&view=moved&d1=99").status_code == 422
    assert client.get(f"/explore/picture.png?{style}&view=sideways").status_code == 422


def test_whole_numbers_may_be_floats_but_nothing_else():
    assert requests.parse_generation({"model": "a/b", "num": 2.0}).count == 2
    for wrong in (True, "2", 2.5, [2]):
        with pytest.raises(AppError):
            requests.parse_generation({"model": "a/b", "num": wrong})
