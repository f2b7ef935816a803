"""Figures and tables with their captions, and `show`, which displays them in a notebook and saves them for a thesis."""

import functools
import html
import json
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.figure
import pandas as pd

from medgan_tf.files import atomic_write_text

from . import latex
from .style import in_style


def of_results(read, *which):
    """Decorator that calls f(run, read(run, *which), ...) with the figures' style; None where there are no results."""

    def decorate(function):
        @functools.wraps(function)
        def made(run, *arguments, **options):
            found = read(run, *which)
            return in_style(function)(run, found, *arguments, **options) if len(found) else None

        return made

    return decorate


@dataclass(frozen=True)
class Figure:
    """A matplotlib figure, the name of its files, its caption, and the numbers behind it (None for pictures)."""

    plot: mpl.figure.Figure
    name: str
    caption: str
    data: pd.DataFrame | None = None

    def save(self, run, notebook):
        """Write figures/NAME.png, .pdf, .txt (caption) and .csv (data), and its entry in figures/index.json."""
        from IPython.display import Image

        folder = Path(run) / "figures"
        folder.mkdir(parents=True, exist_ok=True)
        in_style(self.plot.savefig)(folder / f"{self.name}.png")
        in_style(self.plot.savefig)(folder / f"{self.name}.pdf")
        (folder / f"{self.name}.txt").write_text(self.caption + "\n")
        if self.data is not None:
            self.data.to_csv(folder / f"{self.name}.csv", index=False)
        _enter(self, folder, notebook)
        return Image(folder / f"{self.name}.png", width=760, alt=self.caption)


@dataclass(frozen=True)
class Table:
    """A DataFrame of text cells, the name of its files, its caption, and LaTeX's column format ("lp{5cm}")."""

    data: pd.DataFrame
    name: str
    caption: str
    columns: str | None = None  # None: each cell on one line

    def save(self, run, notebook=None):
        """Write tables/NAME.tex (booktabs), NAME.csv and its entry in tables/index.json."""
        folder = Path(run) / "tables"
        folder.mkdir(parents=True, exist_ok=True)
        self.data.to_csv(folder / f"{self.name}.csv")
        text = latex.table(self.data, self.name, self.caption, self.columns)
        (folder / f"{self.name}.tex").write_text(f"% needs \\usepackage{{{latex.NEEDED}}}\n{text}")
        _enter(self, folder, notebook)
        return self.data


def _enter(item, folder, notebook):
    """Enter a figure or table into index.json of its folder, behind those that were shown before it."""
    index, record = folder / "index.json", folder.parent / "run.json"
    entries = json.loads(index.read_text()) if index.exists() else {}
    entries.pop(item.name, None)
    entries[item.name] = {"caption": item.caption, "notebook": notebook, "run": folder.parent.name}
    entries[item.name]["config"] = json.loads(record.read_text()) if record.exists() else None
    atomic_write_text(index, json.dumps(entries, indent=2))


def show(run, notebook, *shown):
    """Display figures and tables with their captions in a notebook, and save them in the run's folder.

    run: a config.Run or its folder. notebook: the name of the notebook, under which the report lists the figures.
    shown: each a `Figure`, a `Table`, or None, which a function returns where the run did not measure it.

    >>> figures.show(run, "02_gan", figures.training_curves(run, ["gan"]))
    """
    from IPython.display import HTML, display

    for item in shown or [None]:
        if item is None:
            print("This run has not measured what would be shown here.")
        else:
            display(item.save(run, notebook), HTML(f"<p><em>{html.escape(item.caption)}</em></p>"))
