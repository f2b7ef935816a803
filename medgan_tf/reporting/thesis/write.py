"""`write`: the folder of a thesis from what a run's folder holds."""

import tomllib
from pathlib import Path

from .facts import facts
from .floats import floats, table_float
from .folder import write_folder
from .numbers import definitions, numbers
from .settings_tables import settings_tables
from .text import Texts, references

CHECKLIST = Path(__file__).with_name("checklist.toml")
GENERATED = "% Written by `python -m medgan_tf thesis` from the run's results: it is replaced when that is run again.\n"


def write(run, out):
    """Write the LaTeX of a config.Run to the folder `out`; return the path of its main.tex.

    main.tex is the author's: it is written where there is none and never changed. All else is made of results.json,
    run.json and the saved figures and tables, and replaced when the command is run again; what the run has not measured
    is "not run". Raises ValueError, before anything is written, where an author has changed a file that is to be
    replaced.
    """
    found = numbers(run)
    placed = floats(run)
    methods = [table_float("", table) for table in settings_tables(run)]
    texts = Texts(found, facts(run) | {"placed_labels": {each.label for each in placed}})
    written = {
        "methods": texts.of_template("methods"),
        "results": texts.of_template("results", floats=_by_chapter(placed, texts)),
        "limits": texts.of_template("limits"),
        "checklist": texts.of_template("checklist", items=_checklist(texts)),
    }
    main = texts.of_template("main")
    generated = {path: content for each in (*placed, *methods) for path, content in each.files.items()}
    generated |= {f"{name}.tex": (GENERATED + text).encode() for name, text in written.items()}
    generated["numbers.tex"] = "\n".join([GENERATED.strip(), *definitions(found), ""]).encode()
    generated["preamble.tex"] = (GENERATED + texts.of_template("preamble")).encode()
    generated["references.bib"] = references([main, *written.values()]).encode()
    write_folder(out, generated, {"main.tex": main.encode()})
    return Path(out) / "main.tex"


def _by_chapter(placed, texts):
    """{notebook: its Floats}, those of no known notebook under ""."""
    chapters = texts.environment.globals["chapters"]
    found = {}
    for each in placed:
        found.setdefault(each.notebook if each.notebook in chapters else "", []).append(each)
    return found


def _checklist(texts):
    """The items of checklist.toml, each with the LaTeX of what the run knows, "" where it knows nothing."""
    items = tomllib.loads(CHECKLIST.read_text(encoding="utf-8"))["item"]
    return [item | {"known": " ".join(texts.of_string(item.get("known", "")).split())} for item in items]
