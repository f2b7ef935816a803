"""Runs the notebooks in order with papermill, resumes after a failure, and ends with one HTML report."""

import hashlib
import json
import os
import re
import shutil
import sys
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from medgan_tf import config
from medgan_tf.config import NOTEBOOKS
from medgan_tf.dicom.review import cleared_files

BAR = "{n_fmt}/{total_fmt} {bar:10} {elapsed}, {remaining} left {postfix}"


def run(profile="quick", data=(), name="", notebooks=None, changes=None):
    """Run the notebooks into outputs/NAME/notebooks and write outputs/NAME/report.html; return (report, failures).

    notebooks: names such as "03_dcgan", by default all, those of config.STUDIES only where the profile has studies. A
    notebook that ran before with the same source and parameters is not run again, unless one before it was or images
    were cleared. Where one fails, the next one runs: trainings do not need each other. Only a failed first notebook,
    which prepares the data, ends the run. changes: as in `config.open_run`.
    """
    from medgan_tf.reporting.report import write_report

    opened = config.open_run(name, profile, data, changes)
    parameters = {"PROFILE": profile, "DATA": [str(folder) for folder in opened.data], "RUN": opened.name}
    parameters |= {"CHANGES": opened.changes} if opened.changes else {}
    sources = _choose(notebooks or _of_profile(opened.profile))
    failures, again = {}, False
    bar = tqdm(sources, "Notebooks", unit="notebook", bar_format=BAR)
    for source in bar:
        bar.set_postfix_str(source.stem)
        done = opened.directory / "notebooks" / f"{source.stem}.done"
        if not again and done.exists() and done.read_text() == _fingerprint(source, parameters, opened):
            continue
        again = True
        done.unlink(missing_ok=True)
        failure = _execute(source, opened.directory / "notebooks" / source.name, parameters, bar)
        if failure:
            failures[source.stem] = failure
            tqdm.write(failure, file=sys.stderr)
            if source == sources[0]:
                break
        else:
            done.write_text(_fingerprint(source, parameters, opened))
    bar.close()
    return write_report(opened, failures), failures


def copy(out):
    """Copy the notebooks to out/notebooks, with the pages and pictures that they link; return that folder.

    Raises FileExistsError where one of them is there already: it may have been worked in.
    """
    out = Path(out)
    if clash := next((source for source in _sources() if (out / "notebooks" / source.name).exists()), None):
        raise FileExistsError(f"{out / 'notebooks' / clash.name} is there already: give another folder.")
    pages = ("notebooks/*.ipynb", "docs/*.md", "docs/images/*", "pretrained/*/samples.png")
    for path in chain.from_iterable(config.ROOT.glob(pattern) for pattern in pages):
        target = out / path.relative_to(config.ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return out / "notebooks"


def _fingerprint(source, parameters, run):
    """What a notebook depends on; the first one also on the images that a person has cleared in review.csv."""
    cleared = "".join(sorted(cleared_files(run.images)))
    return hashlib.sha256(source.read_bytes() + json.dumps(parameters).encode() + cleared.encode()).hexdigest()


def _of_profile(profile):
    """The names of the notebooks of a profile: those of config.STUDIES only where it has studies."""
    names = [source.stem for source in _sources()]
    return [name for name in names if profile.studies or name not in config.STUDIES]


def _choose(names):
    sources = _sources()
    known = [source.stem for source in sources]
    if unknown := set(names) - set(known):
        raise ValueError(f"There is no notebook {', '.join(sorted(unknown))}; choose from {', '.join(known)}.")
    return [source for source in sources if source.stem in names]


def _sources():
    sources = sorted(NOTEBOOKS.glob("[0-9][0-9]*_*.ipynb"))
    if not sources:
        raise ValueError(f"{NOTEBOOKS} holds no notebooks; install medgan_tf again.")
    return sources


def _execute(source, target, parameters, bar):
    """Run one notebook; return "", or a sentence that names the notebook, the cell and the error."""
    import papermill
    from jupyter_client.manager import AsyncKernelManager
    from nbclient.exceptions import DeadKernelError

    environment = os.environ | {"MEDGAN_TF_OUTPUTS": str(config.outputs())}  # the kernel works in another folder
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # this environment's kernel before one of the user's
    target.parent.mkdir(parents=True, exist_ok=True)

    class Kernel(AsyncKernelManager):
        """A kernel whose own output, mainly TensorFlow's C++ log, goes to a file beside the notebook."""

        async def start_kernel(self, **settings):
            with target.with_suffix(".log").open("w") as log:
                await super().start_kernel(**settings, env=environment, stderr=log)

    try:
        papermill.execute_notebook(
            source,
            target,
            parameters,
            kernel_name="python3",
            cwd=source.parent,
            progress_bar=False,
            stderr_file=_Progress(bar, source.stem),
            kernel_manager_class=Kernel,
            start_timeout=300,  # seconds; Python starts slowly on a busy machine or a cluster's file system
            extra_arguments=["--IPKernelApp.capture_fd_output=False"],
        )
    except papermill.PapermillExecutionError as error:
        line = error.source.strip().splitlines()[0]
        return (
            f"{source.stem} failed in cell {error.cell_index} ({line!r}): {error.ename}: {error.evalue} "
            f"See {target}; the same command resumes there."
        )
    except DeadKernelError:
        return f"{source.stem}: its process was killed, possibly out of memory; the same command resumes there."
    except RuntimeError as error:  # of jupyter_client
        return f"{source.stem}: its process did not start ({error}): see {target.with_suffix('.log')}."
    return ""


class _Progress:
    """A stream that shows the last line of a notebook's own progress bar behind the bar of all notebooks."""

    def __init__(self, bar, name):
        self.bar, self.name = bar, name

    def write(self, text):
        lines = [line.strip() for line in re.split(r"[\r\n]|\x1b\[A", text) if line.strip()]
        if lines:
            self.bar.set_postfix_str(f"{self.name}: {lines[-1][:70]}", refresh=False)
            self.bar.update(0)  # redraws it no more often than tqdm is told to

    def flush(self):
        """Nothing waits to be written."""
