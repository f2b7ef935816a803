"""What people and programs can ask for. Forms, links and JSON are validated against the schemas of openapi.json."""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from medgan_tf.generators import latents

from .errors import invalid_request

OPENAPI = json.loads(Path(__file__).with_name("openapi.json").read_text())
SCHEMAS = OPENAPI["components"]["schemas"]
NUMBER_TYPES = {"integer": int, "number": float}
DIRECTIONS = 5  # latent directions that the explorer shows: those to which the layers react most


@dataclass(frozen=True)
class GenerationRequest:
    """Everything that determines generated images: equal requests give equal bytes."""

    model: str
    label: str | None = None  # class name; None: the classes take turns
    count: int = 1
    seed: int = 0
    truncation: float = 1.0
    version: str = ""  # of the weights, as in `service.LoadedModel`; "": the current weights

    def query(self):
        """Query parameters of the page that shows exactly these images."""
        shared = {"model": self.model, "class": self.label, "num": self.count, "seed": self.seed}
        return shared | {"truncation": repr(self.truncation), "version": self.version or None}


def moved(generator, strengths, label=None, seed=0, truncation=1.0, layers="all"):
    """(1, H, W, 1) uint8: the image of a seed, moved by `strengths` standard deviations along the first directions."""
    w = generator.map_latents(1, label, seed, truncation)
    return latents.moved(generator, w, latents.directions(generator).vectors[: len(strengths)], strengths, layers)


def mixed(generator, label=None, seed=0, other_seed=1, truncation=1.0, layers="fine"):
    """(3, H, W, 1) uint8: the image of a seed, the same with the w of `layers` from another seed, and that seed's."""
    ws = [generator.for_layers(generator.map_latents(1, label, each, truncation)) for each in (seed, other_seed)]
    mixture, chosen = ws[0].copy(), latents.layer_numbers(generator, layers)
    mixture[:, chosen] = ws[1][:, chosen]
    return generator.synthesise(np.concatenate([ws[0], mixture, ws[1]]))


def between(generator, label=None, to_label=None, seed=0, steps=12):
    """(steps, H, W, 1) uint8: from the first latent of a seed to its second or, of one latent, to another class."""
    if to_label is None:
        return generator.between_latents(steps, label, seed)
    return generator.between_classes(label, to_label, steps, seed)


VIEWS = {"moved": moved, "mixed": mixed, "between": between}  # schemas have these names too
FIELDS = {"class": "label", "num": "count", "to_class": "to_label"}  # where JSON and arguments differ


def parse_generation(values):
    """The GenerationRequest of values that fit the schema Generate. Raises AppError if they do not."""
    return GenerationRequest(**_arguments("Generate", values))


def parse_view(values):
    """The arguments of `Service.explore` from values that fit the view's schema. Raises AppError if they do not."""
    view = values.get("view")
    if not isinstance(view, str) or view not in VIEWS:
        raise invalid_request(f"view: choose one of {', '.join(VIEWS)}.")
    return _arguments(view.capitalize(), values)


def _arguments(schema, values):
    values = validate(schema, values)
    return {FIELDS.get(name, name): float(each) if name == "truncation" else each for name, each in values.items()}


def parse_upload(form, files):
    """(model, class or None, bytes of the file) of a multipart form. Raises AppError if something is missing."""
    if "file" not in files:
        raise invalid_request("The file is missing: choose a PNG, JPG or DICOM image.")
    values = validate("Invert", parse_fields("Invert", form) | {"file": ""})
    return values["model"], values.get("class"), files["file"].read()


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
    properties = SCHEMAS[schema]["properties"]
    given = {name: text for name, text in fields.items() if name in properties and text != ""}
    resolve = lambda schema: SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema  # noqa: E731
    types = {name: NUMBER_TYPES.get(str(resolve(properties[name]).get("type"))) for name in given}
    return {name: parse_number(text, name, types[name]) if types[name] else text for name, text in given.items()}


def parse_number(text, name, number_type=float):
    """The finite number in the text of field `name`. Raises AppError for anything else."""
    try:
        value = number_type(text)
        if math.isfinite(value):
            return value
    except (ValueError, OverflowError):
        pass
    kind = "whole number" if number_type is int else "number"
    raise invalid_request(f"{name}: {_shorten(repr(text))} is not a {kind}.")


@cache
def _validator(schema):
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}"} | OPENAPI)


def _shorten(text):
    return text if len(text) < 150 else f"{text[:120]} ... {text[-20:]}"
