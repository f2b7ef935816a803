"""What people and programs can ask for. Forms, links and JSON are validated against the schemas of openapi.json."""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from medgan_tf.generators import latents

from .errors import AppError, invalid_request

OPENAPI = json.loads(Path(__file__).with_name("openapi.json").read_text())
NUMBER_TYPES = {"integer": int, "number": float}
VIEW_SCHEMAS = {"moved": "Moved", "mixed": "Mixed", "between": "Between"}
DIRECTIONS = 5  # latent directions that the explorer shows: those to which the layers react most


@dataclass(frozen=True)
class GenerationRequest:
    """Everything that determines generated images: equal requests give equal bytes."""

    model: str
    label: str | None  # class name; None: the classes take turns
    count: int
    seed: int
    truncation: float = 1.0
    version: str = ""  # of the weights, as in `service.LoadedModel`; "": the current weights

    def query(self):
        """Query parameters of the page that shows exactly these images."""
        shared = {"model": self.model, "class": self.label, "num": self.count, "seed": self.seed}
        return shared | {"truncation": repr(self.truncation), "version": self.version or None}


@dataclass(frozen=True)
class MoveRequest:
    """The image of a seed, its w moved along the first latent directions by `strengths` standard deviations."""

    model: str
    label: str | None
    seed: int
    truncation: float
    strengths: tuple
    layers: str
    needs_styles: ClassVar[bool] = True

    def images(self, generator):
        """(1, H, W, 1) uint8."""
        w = generator.map_latents(1, self.label, self.seed, self.truncation)
        vectors = latents.directions(generator).vectors[: len(self.strengths)]
        return latents.moved(generator, w, vectors, self.strengths, self.layers)


@dataclass(frozen=True)
class MixRequest:
    """Style mixing: the image of a seed, with the w of `layers` taken from another seed."""

    model: str
    label: str | None
    seed: int
    truncation: float
    other_seed: int
    layers: str
    needs_styles: ClassVar[bool] = True

    def images(self, generator):
        """(3, H, W, 1) uint8: the first image, the mixture, the second image."""
        seeds = self.seed, self.other_seed
        ws = [generator.for_layers(generator.map_latents(1, self.label, seed, self.truncation)) for seed in seeds]
        mixed = ws[0].copy()
        chosen = latents.layer_numbers(generator, self.layers)
        mixed[:, chosen] = ws[1][:, chosen]
        return generator.synthesise(np.concatenate([ws[0], mixed, ws[1]]))


@dataclass(frozen=True)
class InterpolationRequest:
    """Interpolation between the first two latents of a seed or, with to_label, of one latent between two classes."""

    model: str
    label: str | None
    seed: int
    steps: int
    to_label: str | None = None
    needs_styles: ClassVar[bool] = False

    def images(self, generator):
        """(steps, H, W, 1) uint8."""
        if self.to_label is None:
            return generator.between_latents(self.steps, self.label, self.seed)
        return generator.between_classes(self.label, self.to_label, self.steps, self.seed)


def parse_generation(values):
    """The GenerationRequest of values that fit the schema Generate. Raises AppError if they do not."""
    values = validate("Generate", values)
    shared = values["model"], values.get("class"), values.get("num", 1), values.get("seed", 0)
    return GenerationRequest(*shared, float(values.get("truncation", 1)), values.get("version", ""))


def parse_view(values):
    """A MoveRequest, MixRequest or InterpolationRequest, by values["view"]. Raises AppError if the schema is broken."""
    schema = VIEW_SCHEMAS.get(values.get("view")) if isinstance(values.get("view"), str) else None
    if schema is None:
        raise invalid_request(f"view: choose one of {', '.join(VIEW_SCHEMAS)}.")
    values = validate(schema, values)
    shared = values["model"], values.get("class"), values.get("seed", 0)
    truncation = float(values.get("truncation", 1))
    if schema == "Moved":
        strengths = tuple(map(float, values["strengths"]))
        return MoveRequest(*shared, truncation, strengths, values.get("layers", "all"))
    if schema == "Mixed":
        return MixRequest(*shared, truncation, values.get("other_seed", 1), values.get("layers", "fine"))
    return InterpolationRequest(*shared, values.get("steps", 12), values.get("to_class"))


def parse_upload(form, files):
    """(model, class or None, bytes of the file) of a multipart form. Raises AppError if something is missing."""
    values = parse_fields("Invert", form)
    if "file" not in files:
        raise invalid_request("The file is missing: choose a PNG, JPG or DICOM image.")
    data = files["file"].read()
    values = validate("Invert", values | {"file": ""})
    return values["model"], values.get("class"), data


def validate(schema, values):
    """The values, with whole floats as int and without None. Raises AppError if they do not fit the schema."""
    error = best_match(_validator(schema).iter_errors(values))
    if error:
        field = ".".join(map(str, error.absolute_path))
        raise invalid_request(f"{field + ': ' if field else ''}{_shorten(error.message)}.")
    whole = lambda value: int(value) if isinstance(value, float) and value == int(value) else value  # noqa: E731
    return {name: whole(value) for name, value in values.items() if value is not None}


def parse_fields(schema, fields):
    """Text fields of a form or link, for `validate`: numbers are converted, empty and unknown fields left out."""
    properties = OPENAPI["components"]["schemas"][schema]["properties"]
    given = {name: text for name, text in fields.items() if name in properties and text != ""}
    types = {name: NUMBER_TYPES.get(str(_resolve(properties[name]).get("type"))) for name in given}
    return {name: parse_number(text, name, types[name]) if types[name] else text for name, text in given.items()}


def parse_number(text, name, number_type=float):
    """The finite number in the text of field `name`. Raises AppError for anything else."""
    try:
        value = number_type(text)
        finite = math.isfinite(value)
    except (ValueError, OverflowError):
        finite = False
    if not finite:
        kind = "whole number" if number_type is int else "number"
        raise invalid_request(f"{name}: {_shorten(repr(text))} is not a {kind}.")
    return value


def parse_json(data):
    """The JSON object in the bytes of a request body. Raises AppError for anything else, also for NaN and infinity."""

    def refuse(constant):
        raise ValueError(constant)

    try:
        values = json.loads(data, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise AppError(400, "malformed_request", "The request's body is not JSON.") from error
    if not isinstance(values, dict):
        raise invalid_request("The request's body is not a JSON object.")
    return values


def _resolve(schema):
    return OPENAPI["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


@cache
def _validator(schema):
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}"} | OPENAPI)


def _shorten(text):
    return text if len(text) < 150 else f"{text[:120]} ... {text[-20:]}"
