"""What people and programs ask for, held against openapi.json: forms, links and JSON go through the same schemas."""

import json
import math
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from .errors import AppError, invalid
from .exploring import Between, Mixed, Moved
from .service import Drawing

DOCUMENT = json.loads(Path(__file__).with_name("openapi.json").read_text())
NUMBERS = {"integer": int, "number": float}
VIEWS = {"moved": "Moved", "mixed": "Mixed", "between": "Between"}


def drawing(values):
    """The `service.Drawing` of values that fit the schema Generate. Raises AppError."""
    values = checked("Generate", values)
    shared = values["model"], values.get("class"), values.get("num", 1), values.get("seed", 0)
    return Drawing(*shared, float(values.get("truncation", 1)), values.get("version", ""))


def view(values):
    """One of `exploring`'s views, by values["view"]. Raises AppError."""
    schema = VIEWS.get(values.get("view")) if isinstance(values.get("view"), str) else None
    if schema is None:
        raise invalid(f"view: choose one of {', '.join(VIEWS)}.")
    values = checked(schema, values)
    shared = values["model"], values.get("class"), values.get("seed", 0)
    truncation, layers = float(values.get("truncation", 1)), values.get("layers", "all")
    if schema == "Moved":
        return Moved(*shared, truncation, tuple(map(float, values["strengths"])), layers)
    if schema == "Mixed":
        return Mixed(*shared, values.get("other_seed", 1), truncation, values.get("layers", "fine"))
    return Between(*shared, values.get("steps", 12), values.get("to_class"))


def checked(schema, values):
    """The values, whole floats as int. Raises AppError, in one sentence, unless they fit this schema."""
    error = best_match(_validator(schema).iter_errors(values))
    if error:
        place = ".".join(map(str, error.absolute_path))
        raise invalid(f"{place + ': ' if place else ''}{_short(error.message)}.")
    whole = lambda value: int(value) if isinstance(value, float) and value == int(value) else value  # noqa: E731
    return {name: whole(value) for name, value in values.items() if value is not None}


def from_text(schema, fields):
    """Fields of a form or link as the values that `checked` takes: numbers by their type; empty ones are left out."""
    properties = DOCUMENT["components"]["schemas"][schema]["properties"]
    given = {name: text for name, text in fields.items() if name in properties and text != ""}
    kinds = {name: NUMBERS.get(str(_resolved(properties[name]).get("type"))) for name in given}
    return {name: number(text, name, kinds[name]) if kinds[name] else text for name, text in given.items()}


def number(text, name, kind=float):
    """The finite number in a text. Raises AppError for anything else."""
    try:
        value = kind(text)
        finite = math.isfinite(value)
    except (ValueError, OverflowError):
        finite = False
    if not finite:
        raise invalid(f"{name}: {_short(repr(text))} is not a {'whole ' if kind is int else ''}number.")
    return value


def from_json(data):
    """The object in the bytes of a request. Raises AppError for anything else, NaN and infinities among it."""

    def refuse(constant):
        raise ValueError(constant)

    try:
        values = json.loads(data, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise AppError(400, "malformed_request", "The request's body is not JSON.") from error
    if not isinstance(values, dict):
        raise invalid("The request's body is not a JSON object.")
    return values


def _resolved(schema):
    return DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


@cache
def _validator(schema):
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}"} | DOCUMENT)


def _short(text):
    return text if len(text) < 150 else f"{text[:120]} ... {text[-20:]}"
