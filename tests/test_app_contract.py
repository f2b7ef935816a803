"""Schemathesis: requests made from the OpenAPI document, fitting it and not; no answer may be of another kind."""

import copy

import pytest

from medgan_tf.app import asking, server

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed.")
from hypothesis import HealthCheck, Phase, settings  # noqa: E402, it comes with schemathesis

schema = schemathesis.pytest.from_fixture("described")


@pytest.fixture
def described(served, service):
    """The document with the names of the models that there are, so that many requests reach the networks."""
    document = copy.deepcopy(asking.DOCUMENT)
    document["components"]["schemas"]["Model"] |= {"enum": ["trained/cgan", "trained/dcgan", "trained/stylegan2"]}
    document["components"]["schemas"]["Class"] |= {"enum": ["large", "small", None]}
    document["components"]["schemas"]["Invert"]["properties"]["class"] |= {"enum": ["large", "small"]}
    loaded = schemathesis.openapi.from_dict(document)
    loaded.app = server.create_app(service, rate="")
    return loaded


@schema.parametrize()
@settings(
    max_examples=25, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
def test_answers_are_what_the_document_promises(case):
    case.call_and_validate()
