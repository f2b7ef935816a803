"""Schemathesis: requests that obey or break the OpenAPI document; every answer has to obey it."""

import copy

import pytest

from medgan_tf.app import requests, server

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed.")
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402, it comes with schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402

ROUTES = [(path, method) for path, methods in requests.OPENAPI["paths"].items() for method in methods]
MODES = list(schemathesis.GenerationMode)
CASES = [
    (mode, *route) for mode in MODES for route in ROUTES if mode.is_positive or route[1] == "post"
]  # GET requests have no parameters
SETTINGS = settings(
    max_examples=12, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def described(served, service):
    """The app with its document, restricted to a model and classes that exist: valid requests succeed."""
    document = copy.deepcopy(requests.OPENAPI)
    schemas = document["components"]["schemas"]
    schemas["Model"] |= {"enum": ["trained/stylegan2"]}
    schemas["Class"] |= {"enum": ["large", "small", None]}
    schemas["Invert"]["properties"]["class"] |= {"enum": ["large", "small"]}
    del schemas["Generate"]["properties"]["version"]
    loaded = schemathesis.openapi.from_dict(document)
    loaded.app = server.create_app(service, rate="")
    return loaded


@pytest.mark.parametrize(("mode", "path", "method"), CASES)
def test_answers_obey_the_document(described, path, method, mode):
    """In negative mode requests break the document and have to be refused as it describes."""
    # Random bytes are not an image, so valid requests to invert are refused.
    statuses, excluded = [], [positive_data_acceptance] if path == "/api/invert" else []

    @SETTINGS
    @given(described[path][method.upper()].as_strategy(generation_mode=mode))
    def check(case):
        statuses.append(case.call_and_validate(excluded_checks=excluded).status_code)

    check()
    assert statuses
    assert max(statuses) < 500
    if method == "post" and path != "/api/invert":
        assert (set(statuses) == {200}) == mode.is_positive
