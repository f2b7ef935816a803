"""One self-contained HTML page of a run: tables, figures, and every executed notebook."""

import json
from pathlib import Path

import jinja2

from medgan_tf import figures, results
from medgan_tf.studies import privacy_report

from .offline import CODE_STYLE, notebook_page, picture
from .verdict import verdict

FIRST = (
    "real_and_synthetic",
    "cgan_classes",
    "dcgan_progression",
    "stylegan2_progression",
)  # figures, if they are there


def write_report(run, failures):
    """Write report.html from what the run's folder holds; return its path. failures: {notebook: a sentence}."""
    folder = run.directory
    sections = results.read(folder)
    audits = results.privacy(folder)
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    template = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True).get_template("report.html")
    notebooks = sorted((folder / "notebooks").glob("*.ipynb"))
    drawn = _figures(folder / "figures")
    page = template.render(
        run=run,
        failures=failures,
        sections=sections,
        quality=_html(figures.quality_table(run)),
        ablation=_html(figures.ablation_table(run)),
        transfer=_html(figures.transfer_table(run)),
        canonical=_html(figures.canonical_table(run)),
        privacy={name: privacy_report.findings(section) for name, section in audits.items()},
        blind=privacy_report.undetected_controls(audits),
        controls=privacy_report.CONTROLS,
        not_proven=privacy_report.NOT_PROVEN,
        verdict=verdict(run),
        pictures=[drawn.pop(name) for name in FIRST if name in drawn],
        figures=drawn.values(),
        tables=sorted(path.name for path in (folder / "tables").glob("*.tex")),
        code_style=CODE_STYLE,
        notebooks=[(path.stem, notebook_page(path, run)) for path in notebooks],
    )
    path = folder / "report.html"
    path.write_text(page)
    return path


def _html(table):
    return table and table.data.to_html(border=0, classes="numbers")


def _figures(folder):
    """{name: (name, entry of index.json, data URL)} of the figures, in the order of their notebooks."""
    index = folder / "index.json"
    entries = json.loads(index.read_text()) if index.exists() else {}
    ordered = sorted(entries.items(), key=lambda item: (item[1]["notebook"], item[0]))
    return {name: (name, entry, picture((folder / f"{name}.png").read_bytes())) for name, entry in ordered}
