"""Changes to settings from outside: `--set cgan.kimg=100`, a TOML file, or the notebooks' parameter CHANGES."""

import ast
import difflib
import tomllib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import get_args, get_origin

from .profiles import DERIVED


def read_changes(settings=(), path=None):
    """{name: value} of texts such as "cgan.kimg=100" and of a TOML file, whose tables are the parts of names.

    The texts come after the file. Raises ValueError for a text without "=" and for a damaged file, OSError where there
    is none.

    >>> read_changes(["cgan.kimg=100", "dcgan.network.base_filters=64"])
    {'cgan.kimg': 100, 'dcgan.network.base_filters': 64}
    """
    changes = {}
    if path:
        try:
            changes = _flat(tomllib.loads(Path(path).read_text(encoding="utf-8")))
        except ValueError as error:
            raise ValueError(f"{path} cannot be read as TOML: {error}.") from error
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"'{text}' is no change: write NAME=VALUE, for example cgan.kimg=100.")
        changes[name.strip()] = _value(value.strip())
    return changes


def changed(profile, changes):
    """The Profile with changes {name: value}.

    A name is a field of the profile, `augmentation.FIELD`, `MODEL.FIELD`, or `MODEL.network.ARGUMENT` and the like for
    fields that are dictionaries. Trainings that an ablation or a control derives from a model change with it. Raises
    ValueError for an unknown name, with the nearest one, and for a value of another type.

    >>> changed(PROFILES["quick"], {"cgan.kimg": 100}).training("cgan").kimg
    100
    """
    for name, value in _flat(changes).items():
        first, _, rest = name.partition(".")
        for each in (first, *DERIVED.get(first, ())) if rest else (first,):
            profile = _with(profile, [each, *rest.split(".")] if rest else [each], value, name)
    return profile


def _flat(changes, prefix=""):
    """{"a.b": value} of nested dictionaries; an empty one is a value."""
    flat = {}
    for name, value in changes.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) and value else {f"{prefix}{name}": value}
    return flat


def _value(text):
    if text in ("true", "false"):  # as in TOML
        return text == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _with(settings, parts, value, name):
    """Settings, a dataclass or a dictionary, in which the value at a path of parts is another one."""
    part, *rest = parts
    models = {**settings.models, **settings.ablation_models} if hasattr(settings, "models") else {}
    if part in models:
        group = "models" if part in settings.models else "ablation_models"
        inner = _with(models[part], rest, value, name) if rest else _refuse(name, f"{name}.kimg and the like")
        return replace(settings, **{group: getattr(settings, group) | {part: inner}})
    if isinstance(settings, dict):
        if rest and not isinstance(settings.get(part), dict):
            _refuse(name, f"{name.removesuffix('.' + '.'.join(rest))} has no parts")
        return settings | {part: _with(settings[part], rest, value, name) if rest else value}
    known = {field.name: getattr(settings, field.name) for field in fields(settings)}
    kinds = {field.name: field.type for field in fields(settings)}
    if part not in known or part in ("name", "models", "ablation_models"):
        nearest = difflib.get_close_matches(part, [*known, *models], 1)
        prefix = name.removesuffix(".".join(parts))
        _refuse(name, f"did you mean {prefix}{'.'.join([nearest[0], *rest])}" if nearest else "see the profile's table")
    if rest and not (is_dataclass(known[part]) or isinstance(known[part], dict)):
        _refuse(name, f"{name.removesuffix('.' + '.'.join(rest))} has no parts")
    return replace(
        settings, **{part: _with(known[part], rest, value, name) if rest else _typed(kinds[part], value, name)}
    )


def _typed(kind, value, name):
    """The value, a list as the tuple that settings hold. Raises ValueError where it is not of the field's type."""
    value = tuple(value) if isinstance(value, list) else value
    kinds = [get_origin(each) or each for each in (get_args(kind) if isinstance(kind, UnionType) else [kind])]
    if isinstance(value, (*kinds, int) if float in kinds else tuple(kinds)) and isinstance(value, bool) <= (
        bool in kinds
    ):
        return value
    raise ValueError(f"{name} is of the type {' or '.join(each.__name__ for each in kinds)}, not {value!r}.")


def _refuse(name, remedy):
    raise ValueError(f"There is no setting '{name}': {remedy}.")
