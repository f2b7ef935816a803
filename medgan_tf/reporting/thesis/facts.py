"""What a run used and what it did not: the conditions of the templates, without numbers."""

import tomllib
from pathlib import Path

from medgan_tf import results
from medgan_tf.figures import FEATURES, FURTHER, PIXELS
from medgan_tf.studies.privacy_report import CONTROLS, NOT_PROVEN

CHAPTERS = tomllib.loads(Path(__file__).with_name("chapters.toml").read_text(encoding="utf-8"))
METHODS = tomllib.loads(Path(__file__).with_name("methods.toml").read_text(encoding="utf-8"))


def facts(run):
    """The names that templates ask for, from the sections of results.json of a config.Run."""
    sections = results.read(run)
    kinds = {name.partition("/")[0] for name in sections}
    trainings = results.sections(run, "training")
    settings = [training["settings"] for training in trainings.values()]
    quality = results.quality(run)
    measured = set(quality["metric"]) if len(quality) else set()
    qualities = [kind for kind in dict.fromkeys(name.partition("/")[0] for name in sections) if _is_quality(kind)]
    chapters = {name: chapter | {"run": _was_run(chapter, kinds, sections)} for name, chapter in CHAPTERS.items()}
    return {
        "sections": sections,
        "kinds": kinds,
        "phantoms": not run.data,
        "profile": run.profile.name,
        "changes": run.changes,
        "classes": list(sections.get("data", {}).get("classes", {})),
        "splits": sections.get("data", {}).get("splits", []),
        "trainings": trainings,
        "architectures": _used(METHODS["architectures"], {each["architecture"] for each in settings}),
        "training_parts": _used(METHODS["training"], set().union(*map(_parts, settings))),
        "extractors": _used(METHODS["extractors"], _extractors(run, qualities)),
        "metrics": _used(METHODS["metrics"], measured),
        "studies": _used(METHODS["studies"], kinds),
        "models": list(dict.fromkeys(quality["model"])) if len(quality) else [],
        "first_metric": _first(quality),
        "qualities": {kind: list(dict.fromkeys(results.quality(run, kind)["model"])) for kind in qualities},
        "seeds": {each["seed"] for each in settings},
        "not_run": [chapter["title"] for chapter in chapters.values() if not chapter["run"]],
        "chapters": chapters,
        "controls": CONTROLS,
        "not_proven": NOT_PROVEN,
        "readers": [name for name in sections if name.startswith("reader_study/")],
        "people_read": any(
            name.startswith("reader_study/") and part.get("status") == "analysed" for name, part in sections.items()
        ),
    }


def _is_quality(kind):
    return kind == "quality" or kind.startswith("quality_")


def _was_run(chapter, kinds, sections):
    return any(name in kinds or name in sections for name in chapter["measured"])


def _used(texts, names):
    """The texts of what was used, in the order of the file."""
    return {name: text.strip() for name, text in texts.items() if name in names}


def _parts(settings):
    """The entries of [training] in methods.toml that the settings of one training need."""
    projected = settings.get("projected") or {}
    parts = {
        settings["loss"]: True,
        "r1": settings["penalty"] == "r1",
        "path_length": settings["path_length_weight"] > 0,
        "augmentation": bool(settings["augmentation"]),
        "projected": bool(projected),
        "imagenet": projected.get("features") == "imagenet",
        "frozen": settings.get("frozen_layers", 0) > 0,
    }
    return {name for name, used in parts.items() if used}


def _extractors(run, kinds):
    tables = [results.quality(run, kind) for kind in kinds]
    return {name for table in tables for name in table["extractor"]} | (
        {"feature_classifier"} if results.section(run, "feature_classifier") else set()
    )


def _first(quality):
    """The key of a record that stands for how all metrics were measured; "" where none was."""
    names = [name for name in (*FEATURES, *FURTHER, *PIXELS) if len(quality) and name in set(quality["metric"])]
    return f"quality/{quality['model'].iloc[0]}/metrics/{names[0]}" if names else ""
