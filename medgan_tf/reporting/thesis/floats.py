"""The figures and tables of a run as floats of LaTeX, in the order of the notebooks."""

import json
from dataclasses import dataclass
from pathlib import Path

from medgan_tf import figures
from medgan_tf.figures.latex import escape, short

from .numbers import key


@dataclass(frozen=True)
class Float:
    """A figure or table: the notebook that it is from, its label, the files of the folder, and which one to input."""

    notebook: str
    label: str
    files: dict  # {path in the folder: bytes}
    path: str


def floats(run):
    """Every Float of a config.Run: the saved figures, the tables that results.json gives, and other saved tables."""
    return [*_figures(run.directory / "figures"), *_tables(run)]


def table_float(notebook, table):
    """The Float of a figures.Table."""
    return _table(notebook, table.name, figures.latex.table(table.data, table.name, table.caption, table.columns))


def _figures(folder):
    for name, entry in _index(folder).items():
        saved = next((path for end in (".pdf", ".png") if (path := folder / f"{name}{end}").exists()), None)
        if saved:
            path = f"figures/{_plain(name)}"
            text = (
                f"\\begin{{figure}}[htbp]\n\\centering\n\\runfigure{{{path}{saved.suffix}}}\n"
                f"\\caption[{{{escape(short(entry['caption']))}}}]{{{escape(entry['caption'])}}}\n"
                f"\\label{{fig:{_plain(name)}}}\n\\end{{figure}}\n"
            )
            files = {f"{path}{saved.suffix}": saved.read_bytes(), f"{path}.tex": text.encode()}
            yield Float(entry["notebook"], f"fig:{_plain(name)}", files, f"{path}.tex")


def _tables(run):
    folder, made = run.directory / "tables", figures.all_tables(run)
    index = _index(folder)
    for notebook, table in made.values():
        yield table_float(index.get(table.name, {}).get("notebook") or notebook, table)
    saved = {path.stem: path for path in sorted(folder.glob("*.tex"))}
    for name in dict.fromkeys([*index, *saved]):
        if name in saved and name not in made:
            yield _table(index.get(name, {}).get("notebook") or "", name, saved[name].read_text(encoding="utf-8"))


def _table(notebook, name, text):
    path = f"tables/{_plain(name)}.tex"
    return Float(notebook, f"tab:{_plain(name)}", {path: text.encode()}, path)


def _index(folder):
    """{name: entry} of index.json in the order of the notebooks, within one in the order in which they were shown."""
    path = Path(folder) / "index.json"
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return dict(sorted(entries.items(), key=lambda item: item[1]["notebook"] or ""))


def _plain(name):
    """A name that files and labels may have."""
    return key(name).replace(" ", "_").replace("/", "_")
