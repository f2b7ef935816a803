"""Figures and tables with their captions, and `show`, which displays them in a notebook and saves them for a thesis."""

import functools
import html
import json
import re
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.figure
import pandas as pd

from medgan_tf.files import atomic_write_text

from .style import in_style

VALUE_AND_INTERVAL = re.compile(r"^(\S+) (\[.*\])$")
LATEX = {
    "%": r"\%",
    "_": r"\_",
    "&": r"\&",
    "#": r"\#",
    "<": "$<$",
    "–": "--",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "→": r"$\rightarrow$",
    "é": r"\'e",
    "χ²": r"$\chi^2$",
}


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
        index, record = folder / "index.json", Path(run) / "run.json"
        entries = json.loads(index.read_text()) if index.exists() else {}
        entries[self.name] = {"caption": self.caption, "notebook": notebook, "run": folder.parent.name}
        entries[self.name]["config"] = json.loads(record.read_text()) if record.exists() else None
        atomic_write_text(index, json.dumps(entries, indent=2, sort_keys=True))
        return Image(folder / f"{self.name}.png", width=760, alt=self.caption)


@dataclass(frozen=True)
class Table:
    """A DataFrame of text cells, the name of its files, its caption, and LaTeX's column format ("lp{5cm}")."""

    data: pd.DataFrame
    name: str
    caption: str
    columns: str | None = None  # None: each cell on one line

    def save(self, run, notebook=None):
        """Write tables/NAME.tex (booktabs) and NAME.csv.

        In LaTeX an interval stands below its value and long column heads have two lines, so that ten columns fit.
        """
        folder = Path(run) / "tables"
        folder.mkdir(parents=True, exist_ok=True)
        self.data.to_csv(folder / f"{self.name}.csv")
        escaped = self.data.map(_latex).rename(index=_latex, columns=_two_lines)
        text = escaped.map(lambda cell: VALUE_AND_INTERVAL.sub(r"\\shortstack{\1\\\\{}\2}", cell)).to_latex(
            caption=_latex(self.caption),
            label=f"tab:{self.name}",
            position="htbp",
            column_format=self.columns or "l" + "c" * self.data.shape[1],
        )
        gap = 3 if self.data.shape[1] < 7 else 1.5
        text = text.replace("[htbp]", f"[htbp]\n\\centering\\scriptsize\\setlength{{\\tabcolsep}}{{{gap}pt}}", 1)
        text = text.replace(" \\\\\n", " \\\\[3pt]\n")  # else an interval touches the value of the next row
        (folder / f"{self.name}.tex").write_text("% needs \\usepackage{booktabs}\n" + text)
        return self.data


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


def _latex(text):
    """Text in which LaTeX prints every character as it is."""
    for sign, command in LATEX.items():
        text = str(text).replace(sign, command)
    return text


def _two_lines(head):
    """A long column head on two lines, broken at the space nearest to its middle."""
    spaces = [match.start() for match in re.finditer(" ", head)]
    if len(head) <= 12 or not spaces:
        return _latex(head)
    middle = min(spaces, key=lambda place: abs(place - len(head) / 2))
    return rf"\shortstack{{{_latex(head[:middle])}\\{{}}{_latex(head[middle + 1 :])}}}"
