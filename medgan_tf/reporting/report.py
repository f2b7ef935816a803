"""One self-contained HTML page of a run: tables, figures, and every executed notebook."""

import base64
import json
from pathlib import Path

import jinja2

from medgan_tf import figures, results
from medgan_tf.studies import privacy_report


def write_report(run, failures):
    """Write report.html from what the run's folder holds; return its path. failures: {notebook: a sentence}."""
    from nbconvert import HTMLExporter

    folder = run.directory
    sections = results.read(folder)
    audits = results.privacy(folder)
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    template = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True).get_template("report.html")
    exporter = HTMLExporter(embed_images=True)  # of notebooks, each a page to be shown in a frame of its own
    notebooks = sorted((folder / "notebooks").glob("*.ipynb"))
    page = template.render(
        run=run,
        failures=failures,
        sections=sections,
        quality=_html(figures.quality_table(run)),
        ablation=_html(figures.ablation_table(run)),
        canonical=_html(figures.canonical_table(run)),
        privacy={name: privacy_report.findings(section) for name, section in audits.items()},
        blind=privacy_report.undetected_controls(audits),
        controls=privacy_report.CONTROLS,
        not_proven=privacy_report.NOT_PROVEN,
        figures=_figures(folder / "figures"),
        tables=sorted(path.name for path in (folder / "tables").glob("*.tex")),
        notebooks=[(path.stem, exporter.from_filename(str(path))[0]) for path in notebooks],
    )
    path = folder / "report.html"
    path.write_text(page)
    return path


def _html(table):
    return table and table.data.to_html(border=0, classes="numbers")


def _figures(folder):
    """The figures in the order of their notebooks, as (name, entry of index.json, data URL)."""
    index = folder / "index.json"
    entries = json.loads(index.read_text()) if index.exists() else {}
    ordered = sorted(entries.items(), key=lambda item: (item[1]["notebook"], item[0]))
    encoded = {name: base64.b64encode((folder / f"{name}.png").read_bytes()).decode() for name in entries}
    return [(name, entry, f"data:image/png;base64,{encoded[name]}") for name, entry in ordered]
