"""Executed notebooks as a reader wants them: without logs and progress bars, with short outputs and small pictures."""

import re
from io import BytesIO
from pathlib import Path

import nbformat
from PIL import Image

from medgan_tf.config import ROOT

PICTURE_WIDTH = 1000  # pixels, at most
PICTURE_QUALITY = 85  # of WebP, a third of the size of PNG; the figures of a run stay as they are
LEFT_OUT = {"injected-parameters", "install"}  # tags of cells that are of no interest to a reader
TEXT_LINES, TEXT_WIDTH = 30, 160  # of a printed output; what is longer is cut


def read_executed(source, run):
    """The notebook at a path, as `run` executed it: outputs cleaned, paths of this machine as outputs/RUN."""
    notebook = nbformat.read(source, 4)
    notebook.cells = [cell for cell in notebook.cells if not LEFT_OUT.intersection(cell.metadata.get("tags", []))]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [cleaned for output in cell.outputs if (cleaned := _clean(output, run))]
    return notebook


def small(png):
    """The WebP bytes of a PNG picture, at most PICTURE_WIDTH pixels wide."""
    with Image.open(BytesIO(png)) as image:
        picture = image.convert("RGB")
    picture.thumbnail((PICTURE_WIDTH, picture.height), Image.LANCZOS, reducing_gap=None)
    memory = BytesIO()
    picture.save(memory, "WEBP", quality=PICTURE_QUALITY)
    return memory.getvalue()


def _clean(output, run):
    """The output as a reader wants it, or None where it is a log, a progress bar or empty."""
    if output.output_type == "error":
        return output
    if output.output_type == "stream":
        output.text = _shorten(_without_paths(output.text, run))
        return output if output.name == "stdout" and output.text.strip() else None
    data = output.data
    if any("widget" in kind or "javascript" in kind for kind in data):
        return None
    if "image/png" in data:
        output.data = nbformat.from_dict({"image/png": data["image/png"]})
    elif "text/html" in data:
        output.data = nbformat.from_dict({"text/html": _table(_without_paths(data["text/html"], run))})
    elif "text/plain" in data and "text/markdown" not in data:
        data["text/plain"] = _shorten(_without_paths(data["text/plain"], run))
    return output


def _table(html):
    """HTML, a pandas table without what a code host would drop or print as text: styles, classes, line breaks."""
    if "<table" not in html:
        return html
    html = re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL)
    html = re.sub(r"</?div[^>]*>", "", html)
    html = re.sub(r"<(table|tr|th|td)\b[^>]*?((?: (?:col|row)span=\"\d+\")*)[^>]*>", r"<\1\2>", html)
    html = re.sub(r">\s+<", "><", html)  # indented lines would become code
    return re.sub(r"(</tr>|<t(?:able|head|body)>|</t(?:able|head|body)>)", r"\1\n", html)


def _shorten(text):
    lines = [line if len(line) <= TEXT_WIDTH else line[: TEXT_WIDTH - 1] + "…" for line in text.splitlines()]
    cut = len(lines) - TEXT_LINES
    return "\n".join(lines if cut <= 0 else [*lines[:TEXT_LINES], f"… {cut} more lines"]) + "\n"


def _without_paths(text, run):
    """The text with the run's folder as outputs/RUN, wherever it was when the notebook was executed."""
    text = re.sub(rf"/[^\s'\"<>:,]*/{re.escape(run.name)}\b", f"outputs/{run.name}", text)
    return text.replace(f"{ROOT}/", "").replace(str(Path.home()), "~")
