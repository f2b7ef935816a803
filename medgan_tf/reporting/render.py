"""Executed notebooks as Markdown pages with their pictures: a code host shows them without running anything."""

import json
import re
import shutil
from os.path import relpath
from pathlib import Path

from medgan_tf.config import NOTEBOOKS

from .executed import read_executed, small

LINK = re.compile(r"(\]\()(?![a-z]+:|#)([^)\s#]+)")  # the target of a relative Markdown link


def render(run, out):
    """Write the executed notebooks of a run as Markdown pages; return the path of their index.

    run: config.Run, whose notebooks `python -m medgan_tf run` has executed. out: the folder of NN_name.md and
    NN_name_files/*.webp of each notebook, and of README.md, an index with the title, the first picture and the first
    sentence of each. Logs and progress bars are left out, long outputs are cut, and paths of this machine become
    outputs/RUN. Real images in the notebooks are in the pages too: publish only pages of data that may be shown. Raises
    ValueError where no notebook was executed, or one ended with an error.
    """
    out = Path(out)
    sources = list(filter(_was_finished, sorted((run.directory / "notebooks").glob("[0-9][0-9]*_*.ipynb"))))
    if not sources:
        raise ValueError(
            f"{run.directory} holds no executed notebook: `python -m medgan_tf run --run {run.name}` first."
        )
    out.mkdir(parents=True, exist_ok=True)
    pages = {source.name for source in sources}
    entries = [_page(source, out, run, pages) for source in sources]
    data = " and ".join(folder.name for folder in run.data) or "phantoms, whose truth is known"
    intro = (
        f"Executed with the profile `{run.profile.name}` at {run.profile.in_pixels} on {data}. `make docs` makes these "
        "pages; the notebooks to run yourself are in `notebooks/`."
    )
    if absent := sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]*_*.ipynb") if path.name not in pages):
        intro += f" Not executed in this run, so without a page: {', '.join(absent)}."
    index = out / "README.md"
    index.write_text("\n\n".join(["# The notebooks, with their results", intro, *entries]) + "\n")
    return index


def _page(source, out, run, pages):
    """Write one page with its pictures; return its entry in the index."""
    from nbconvert import MarkdownExporter

    notebook = read_executed(source, run)
    captions = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            _refuse_errors(cell.outputs, source)
            captions += [_caption(output) for output in cell.outputs if "image/png" in output.get("data", {})]
        elif cell.cell_type == "markdown":
            cell.source = _relink(cell.source, out, pages)
    first = next(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    title = first.splitlines()[0].lstrip("# ")
    folder = out / f"{source.stem}_files"
    shutil.rmtree(folder, ignore_errors=True)
    resources = {"unique_key": source.stem, "output_files_dir": folder.name}
    page, resources = MarkdownExporter().from_notebook_node(notebook, resources)
    pictures = {Path(name).with_suffix(".webp").name: data for name, data in resources["outputs"].items()}
    page = re.sub(r"!\[png\]\((.+?)\.png\)", lambda shown: f"![{captions.pop(0)}]({shown[1]}.webp)", page)
    for name, data in pictures.items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(small(data))
    (out / f"{source.stem}.md").write_text(re.sub(r"\n{3,}", "\n\n", page).strip() + "\n")
    picture = f"![{title}]({folder.name}/{next(iter(pictures))})" if pictures else ""
    return "\n\n".join(filter(None, [f"## [{title}]({source.stem}.md)", _sentence(first), picture]))


def _refuse_errors(outputs, source):
    for output in outputs:
        if output.output_type == "error":
            raise ValueError(f"{source} ended with {output.ename}: {output.evalue} Run it again before it is rendered.")


def _caption(output):
    return re.sub(r"[][\n]", "", output.metadata.get("image/png", {}).get("alt", ""))


def _relink(text, out, pages):
    """Markdown whose links are relative to notebooks/, as it has to be in `out`; notebooks in `pages` become those."""

    def moved(match):
        start, target = match.groups()
        if target in pages:
            return start + Path(target).with_suffix(".md").name
        return start + Path(relpath((NOTEBOOKS / target).resolve(), out.resolve())).as_posix()

    return LINK.sub(moved, text)


def _was_finished(path):
    """Whether papermill came to the end of a notebook, or to an error: one that was killed has no end time."""
    return json.loads(path.read_text())["metadata"].get("papermill", {}).get("end_time", "") is not None


def _sentence(text):
    """The question in bold below the title of a notebook's first cell, or else the first sentence."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")[1:] if re.match(r"\*{0,2}[^\W\d]", part)]
    if not paragraphs:
        return ""
    question = re.match(r"\*\*(.+?)\*\*", paragraphs[0])
    return question[1] if question else re.split(r"(?<=[.?!])(?<! al\.)\s(?=[A-Z])", paragraphs[0])[0]
