"""The JSON API against its own OpenAPI document."""

import base64
import hashlib
from io import BytesIO
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from app_models import discs
from jsonschema import Draft202012Validator
from PIL import Image

from medgan_tf import generators
from medgan_tf.app import requests

POSTS = ("/api/generate", "/api/explore", "/api/invert")


def checked(answer, path, method="post"):
    """The JSON of an answer, after validation against the OpenAPI document."""
    responses = requests.OPENAPI["paths"][path][method]["responses"]
    expected_response = responses.get(str(answer.status_code), {"$ref": "#/components/responses/Failure"})
    if "$ref" in expected_response:
        expected_response = requests.OPENAPI["components"]["responses"]["Failure"]
    schema = expected_response["content"]["application/json"]["schema"]
    Draft202012Validator(schema | {"components": requests.OPENAPI["components"]}).validate(answer.json)
    return answer.json


def decode(text):
    return np.asarray(Image.open(BytesIO(base64.b64decode(text))))


def test_the_document_is_served_and_has_every_route(client):
    document = client.get("/api/openapi.json").json
    assert document == requests.OPENAPI
    routes = {rule.rule for rule in client.application.url_map.iter_rules() if rule.endpoint.startswith("api.")}
    assert routes - {"/api/openapi.json"} == set(document["paths"])


def test_models_are_listed_with_their_metrics(client):
    listed = {model["name"]: model for model in checked(client.get("/api/models"), "/api/models", "get")["models"]}
    assert set(listed) == {"bare/dcgan", "trained/cgan", "trained/dcgan", "trained/stylegan2"}
    assert listed["trained/cgan"]["classes"] == ["large", "small"]
    assert listed["trained/cgan"]["metrics"][0]["value"] == 1.25
    assert listed["bare/dcgan"]["metrics"] == []
    assert checked(client.get("/healthz"), "/healthz", "get") == {"status": "ok", "models": 4}


def test_generate_gives_the_images_of_the_model(client, served):
    ask = {"model": "trained/stylegan2", "class": "large", "num": 2, "seed": 5, "truncation": 0.5}
    answer = checked(client.post("/api/generate", json=ask), "/api/generate")
    expected = generators.load(served / "trained/models/stylegan2").sample(2, "large", 5, 0.5)
    for image, made in zip(answer["images"], expected, strict=True):
        np.testing.assert_allclose(decode(image["png"]), made[..., 0], atol=1)
        assert hashlib.sha256(base64.b64decode(image["png"])).hexdigest() == image["sha256"]
        assert image["class"] == "large"
    assert client.get(answer["reproduce"]).status_code == 200
    in_turn = checked(client.post("/api/generate", json={"model": "trained/cgan", "num": 3}), "/api/generate")
    assert [image["class"] for image in in_turn["images"]] == ["large", "small", "large"]
    none = checked(client.post("/api/generate", json={"model": "trained/dcgan"}), "/api/generate")
    assert [image["class"] for image in none["images"]] == [None]


@pytest.mark.parametrize("truncation", [0.12345678, 1e-7, 1 / 3, 1.5, 1])
def test_the_link_keeps_the_truncation_exactly(client, truncation):
    ask = {"model": "trained/stylegan2", "seed": 5, "truncation": truncation}
    link = client.post("/api/generate", json=ask).json["reproduce"]
    query = dict(parse_qsl(urlsplit(link).query))
    again = requests.parse_generation(requests.parse_fields("Generate", query))
    assert again.truncation == truncation


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({"view": "moved", "model": "trained/stylegan2", "strengths": [1, -2]}, 1),
        ({"view": "mixed", "model": "trained/stylegan2", "layers": "coarse"}, 3),
        ({"view": "between", "model": "trained/dcgan", "steps": 5}, 5),
        ({"view": "between", "model": "trained/cgan", "class": "large", "to_class": "small"}, 12),
    ],
)
def test_explore_gives_images(client, body, count):
    answer = checked(client.post("/api/explore", json=body), "/api/explore")
    assert len(answer["images"]) == count
    assert decode(answer["images"][0]).shape == (32, 32)


def test_invert_reconstructs_an_image_of_the_model_and_gives_its_other_class(client, served):
    drawn = generators.load(served / "trained/models/cgan").sample(1, "small", 3)[0, ..., 0]
    memory = BytesIO()
    Image.fromarray(drawn).save(memory, "PNG")
    form = {"model": "trained/cgan", "class": "small", "file": (BytesIO(memory.getvalue()), "../../a.png")}
    answer = checked(client.post("/api/invert", data=form), "/api/invert")
    np.testing.assert_array_equal(decode(answer["original"]), drawn)
    other = discs(1, 3)[0][0, ..., 0]
    far, near = (np.abs(decode(answer["reconstruction"]).astype(int) - image).mean() for image in (other, drawn))
    assert near < far / 2
    assert answer["class"] == "small"
    assert list(answer["versions"]) == ["large"]


@pytest.mark.parametrize(
    ("path", "request_", "status", "kind"),
    [
        ("/api/generate", {"data": "{", "content_type": "application/json"}, 400, "malformed_request"),
        ("/api/generate", {"data": "[1]", "content_type": "application/json"}, 422, "invalid_request"),
        ("/api/generate", {"data": "model=a"}, 415, "malformed_request"),
        ("/api/generate", {"data": '{"model": "a/b", "seed": NaN}', "content_type": "application/json"}, 400, None),
        ("/api/generate", {"json": {"model": "trained/cgan", "extra": 1}}, 422, "invalid_request"),
        ("/api/generate", {"json": {"model": "trained/none"}}, 404, "not_found"),
        ("/api/explore", {"json": {"view": "moved", "model": "trained/dcgan", "strengths": [1]}}, 422, None),
        ("/api/explore", {"json": {"view": ["x"]}}, 422, "invalid_request"),
        ("/api/explore", {"json": {"view": "between", "model": "trained/dcgan", "to_class": "large"}}, 422, None),
        ("/api/invert", {"json": {}}, 415, "malformed_request"),
        ("/api/invert", {"data": {"model": "trained/cgan"}, "content_type": "multipart/form-data"}, 422, None),
    ],
)
def test_errors_have_a_type_and_a_sentence(client, path, request_, status, kind):
    answer = client.post(path, **request_)
    error = checked(answer, path)["error"]
    assert answer.status_code == status
    assert kind in (None, error["type"])
    assert error["message"].endswith(".")
    assert error["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("path", POSTS)
def test_other_methods_are_refused(client, path):
    answer = client.get(path)
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert checked(answer, path)["error"]["type"] == "method_not_allowed"
