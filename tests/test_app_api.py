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


def fits(answer, path, method="post"):
    """The JSON of an answer, held against what the document promises."""
    responses = requests.OPENAPI["paths"][path][method]["responses"]
    promised = responses.get(str(answer.status_code), {"$ref": "#/components/responses/Failure"})
    if "$ref" in promised:
        promised = requests.OPENAPI["components"]["responses"]["Failure"]
    schema = promised["content"]["application/json"]["schema"]
    Draft202012Validator(schema | {"components": requests.OPENAPI["components"]}).validate(answer.json)
    return answer.json


def picture(text):
    return np.asarray(Image.open(BytesIO(base64.b64decode(text))))


def test_the_document_is_served_and_names_every_route(client):
    document = client.get("/api/openapi.json").json
    assert document == requests.OPENAPI
    routes = {rule.rule for rule in client.application.url_map.iter_rules() if rule.endpoint.startswith("api.")}
    assert routes - {"/api/openapi.json"} == set(document["paths"])


def test_models_are_listed_with_their_metrics(client):
    listed = {model["name"]: model for model in fits(client.get("/api/models"), "/api/models", "get")["models"]}
    assert set(listed) == {"bare/dcgan", "trained/cgan", "trained/dcgan", "trained/stylegan2"}
    assert listed["trained/cgan"]["classes"] == ["large", "small"]
    assert listed["trained/cgan"]["metrics"][0]["value"] == 1.25
    assert listed["bare/dcgan"]["metrics"] == []
    assert fits(client.get("/healthz"), "/healthz", "get") == {"status": "ok", "models": 4}


def test_generate_draws_what_the_model_draws(client, served):
    ask = {"model": "trained/stylegan2", "class": "large", "num": 2, "seed": 5, "truncation": 0.5}
    answer = fits(client.post("/api/generate", json=ask), "/api/generate")
    expected = generators.load(served / "trained/models/stylegan2").sample(2, "large", 5, 0.5)
    for image, made in zip(answer["images"], expected, strict=True):
        np.testing.assert_allclose(picture(image["png"]), made[..., 0], atol=1)
        assert hashlib.sha256(base64.b64decode(image["png"])).hexdigest() == image["sha256"]
        assert image["class"] == "large"
    assert client.get(answer["reproduce"]).status_code == 200
    in_turn = fits(client.post("/api/generate", json={"model": "trained/cgan", "num": 3}), "/api/generate")
    assert [image["class"] for image in in_turn["images"]] == ["large", "small", "large"]
    none = fits(client.post("/api/generate", json={"model": "trained/dcgan"}), "/api/generate")
    assert [image["class"] for image in none["images"]] == [None]


@pytest.mark.parametrize("truncation", [0.12345678, 1e-7, 1 / 3, 1.5, 1])
def test_the_link_says_the_truncation_to_the_last_bit(client, truncation):
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
def test_explore_gives_pictures(client, body, count):
    answer = fits(client.post("/api/explore", json=body), "/api/explore")
    assert len(answer["images"]) == count
    assert picture(answer["images"][0]).shape == (32, 32)


def test_invert_finds_a_picture_of_the_model_again_under_both_conditions(client, served):
    drawn = generators.load(served / "trained/models/cgan").sample(1, "small", 3)[0, ..., 0]
    memory = BytesIO()
    Image.fromarray(drawn).save(memory, "PNG")
    form = {"model": "trained/cgan", "class": "small", "file": (BytesIO(memory.getvalue()), "../../a.png")}
    answer = fits(client.post("/api/invert", data=form), "/api/invert")
    np.testing.assert_array_equal(picture(answer["original"]), drawn)
    other = discs(1, 3)[0][0, ..., 0]
    far, near = (np.abs(picture(answer["reconstruction"]).astype(int) - image).mean() for image in (other, drawn))
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
def test_what_is_wrong_is_typed_and_said(client, path, request_, status, kind):
    answer = client.post(path, **request_)
    error = fits(answer, path)["error"]
    assert answer.status_code == status
    assert kind in (None, error["type"])
    assert error["message"].endswith(".")
    assert error["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("path", POSTS)
def test_another_method_is_told_so(client, path):
    answer = client.get(path)
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert fits(answer, path)["error"]["type"] == "method_not_allowed"
