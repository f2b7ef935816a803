"""The commands of the command line: each calls one function of the package and prints its result.

The docstrings are what `--help` shows; `medgan_tf/__main__.py` explains the options. A command imports what it needs
when it is called, so that `--help` need not wait for TensorFlow, and returns its exit status, or None for success.
"""

import json
import shlex
import sys
from pathlib import Path


def convert(sources, out, image_size, format, window, crop, labels, workers, scheduler):
    """Convert DICOM files to square grey images.

    DICOM files are found by content. Patient identifiers are replaced by keyed hashes. If you run it again, only
    missing images are converted.
    """
    from medgan_tf import dicom

    with dicom.on_dask(scheduler):
        report = dicom.convert(
            [source.absolute() for source in sources], out, image_size, format, window, crop, labels, workers
        )
    print(report)
    if report.converted:
        _split(out)
    elif not report.held_back:
        raise ValueError(
            f"No image came of {', '.join(map(str, sources))}: an archive has to be unpacked first, and JPG or PNG"
            " files need no conversion; give their folder to `make notebooks`."
        )


def _split(out):
    """Give every image of a manifest a split, or say why there is none."""
    from medgan_tf import datasets

    try:
        datasets.prepare([out], out)
    except ValueError as error:
        print(f"The images are not split: {error}")


def slices(sources, out, image_size, format, plane, every, keep, window, crop):
    """Slice NIfTI volumes into grey images.

    Slices are upright in any orientation of the files, with square pixels and masks beside them. If you run it again,
    only missing volumes are sliced.
    """
    from medgan_tf import volumes

    print(volumes.convert(sources, out, image_size, format, plane, every, keep, window, crop))
    _split(out)


def inspect(sources, labels):
    """Say what folders hold.

    Classes, splits, images and patients that would be used, and what would be left out and why. Nothing is written.
    """
    from medgan_tf import datasets

    print(datasets.inspect(sources, labels))


def deidentify(sources, out, workers, scheduler):
    """De-identify DICOM files by the Basic Profile of PS3.15, Table E.1-1, with shifted dates.

    Pixels stay as they are. Images that may show text wait in DIR.private/review.csv until cleared there.
    """
    from medgan_tf import dicom
    from medgan_tf.dicom import deidentify

    with dicom.on_dask(scheduler):
        print(deidentify.deidentify([source.absolute() for source in sources], out, workers))


def make_phantoms(out, patients, image_size, seed):
    """Write a cohort of chest-like phantoms as DICOM, with its truth."""
    from medgan_tf import phantoms

    truth = phantoms.write_cohort(out, patients, seed=seed, image_size=image_size)
    print(f"{len(truth)} images of {patients} patients are in {out}, with truth.csv")


def fetch(name, out):
    """Download a public data set and verify it, or list the data sets."""
    from medgan_tf.datasets import download

    if name:
        print(f"The images and their licence are in {download.fetch(name, out)}")
    else:
        for key, entry in download.SETS.items():
            print(f"{key:20} {entry.title} ({entry.licence})")


def copy_notebooks(out):
    """Copy the notebooks, to work in.

    `medgan_tf run` needs no copy: it runs those that are installed.
    """
    from medgan_tf.cli import notebooks

    print(f"Open {notebooks.copy(out)} in JupyterLab; what they make goes to outputs/ there.")


def run_notebooks(profile, data, run, notebooks, settings, config_file):
    """Run the notebooks and write one HTML report.

    If a notebook fails, the same command goes on from there.
    """
    from medgan_tf import config
    from medgan_tf.cli.notebooks import run as run_all

    changes = config.read_changes(settings, config_file)
    folders = [folder for text in data for folder in ([text] if Path(text).exists() else shlex.split(str(text)))]
    report, failures = run_all(profile, folders, run, notebooks, changes)
    print(f"The report is {report}" + ("; what failed:" if failures else ""), *failures.values(), sep="\n")
    return 1 if failures else 0


def train(run, model, seed, kimg, init_from, deterministic):
    """Train one model of a run, or continue its training.

    On several machines: the same command on each, with TF_CONFIG (docs/scaling.md).
    """
    from medgan_tf import config, training

    run = config.find_run(run)
    changes = {"init_from": init_from, "deterministic": deterministic} | ({"kimg": kimg} if kimg else {})
    record = training.train(run, model, seed, **changes)
    if record:
        print(f"{run.model(model, seed)}: {record['kimg']:g} kimg in {record['seconds']:.0f} s")


def sweep(name, sets, models, seeds, settings, search, profile, jobs):
    """Train and measure every combination of data set, settings, model and seed.

    Several processes run at a time. If you run it again, only what is missing is done. Each combination of data set
    and settings becomes a run, NAME-SET-SETTINGS. With --search, settings of one model are tuned on validation patients
    instead.
    """
    from medgan_tf import config
    from medgan_tf.cli.sweep import sweep as sweep_all

    space = config.read_changes(settings)
    if search:
        return _search(name, sets or [()], models, space, search, profile)
    grid = {each: value if isinstance(value, list) else [value] for each, value in space.items()}
    summary, failures = sweep_all(name, sets or [()], models, seeds, profile, jobs, grid)
    _print_comparison(summary)
    print(f"Everything is in {config.outputs() / name / 'results.json'}", *failures.values(), sep="\n")
    return 1 if failures else 0


def _search(name, sets, models, space, trials, profile):
    from medgan_tf import config
    from medgan_tf.cli.notebooks import run as run_notebooks
    from medgan_tf.cli.search import search
    from medgan_tf.cli.sweep import PREPARE

    if len(sets) > 1 or len(models) > 1 or not space:
        raise ValueError("A search takes one data set, one model, and what to search: --set NAME=LOW..HIGH.")
    _, failures = run_notebooks(profile, sets[0], name, [PREPARE])
    if failures:
        raise ValueError(*failures.values())
    table = search(config.find_run(name), models[0], space, trials)
    print(table.to_string(index=False))
    chosen = " ".join(f"--set {each}={value}" for each, value in table.iloc[0, 1:].items())
    print(f"Chosen on validation patients, {len(table)} tried: {chosen}")
    return None


def compare(runs):
    """Show the measured models of runs side by side, with their costs."""
    from medgan_tf import config
    from medgan_tf.reporting import comparison

    _print_comparison(comparison.summarise(comparison.models([config.find_run(name) for name in runs])))


def _print_comparison(summary):
    from medgan_tf import figures

    table = figures.comparison_table(summary)
    print(table.data.T.to_string(), table.caption, sep="\n")


def sample(model_dir, out, count, label, seed, truncation):
    """Draw images from a trained generator."""
    from PIL import Image

    from medgan_tf import generators
    from medgan_tf.sources import displayed

    images = generators.load(model_dir).sample(count, label, seed, truncation)
    out.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        Image.fromarray(displayed(image)).save(out / f"seed{seed}_{index:05d}.png")
    print(f"{count} images are in {out}")


def export(run, model, out, data, licence, objections):
    """Write a measured generator into a folder for others, with half-size weights and a card."""
    from medgan_tf import config
    from medgan_tf.reporting import model_card

    print(f"The model card is {model_card.export(config.find_run(run), model, out, data, licence, objections)}")


def reader_study(run, model, out, count, seed, answers):
    """Make the kit of a blinded reader study, or analyse the answers.

    Readers get one HTML file that works without a network, and give back one CSV file each.
    """
    from medgan_tf import config, figures, results
    from medgan_tf.studies import readers

    run = config.find_run(run)
    if answers is None:
        kit = readers.make_kit(run, model, out, count, seed)
        print(f"Give the readers {kit.page}; keep {kit.hidden} from them; collect their files in {kit.answers}")
        return None
    kit = readers.open_kit(out)
    read, problems = readers.read_answers(answers, kit)
    section = readers.analyse(kit, read, problems)
    for problem in problems:
        print(f"medgan_tf: left out: {problem}", file=sys.stderr)
    if section["status"] == "not run":
        print(f"Reader study: not run, {section['why']} in {answers}")
    else:
        print(figures.reader_table(section).data.to_string(), *section["interpretation"], sep="\n")
    results.write(run, readers.section_name(section), section)
    return 1 if problems else 0


def serve(host, port, rate, proxies, readers):
    """Serve the web app: draw, upload, explore, rate.

    It shows the models of all runs.
    """
    from medgan_tf.app import server

    server.serve(host, port, rate, proxies, readers)


def gallery(run, out, licence):
    """Write a static gallery of a run: plain HTML for any host."""
    from medgan_tf import config
    from medgan_tf.app import gallery

    print(f"The gallery is {gallery.write(config.find_run(Path(run).name), out, licence)}")


def thesis(run, out):
    """Write the LaTeX of a run: figures, tables, methods, results, checklist and references.

    main.tex is the author's and is written once; all other files are replaced when the command is run again.
    """
    from medgan_tf import config
    from medgan_tf.reporting.thesis import write

    print(f"Compile {write(config.find_run(Path(run).name), out)}, for example with latexmk -pdf")


def render(run, out):
    """Write the executed notebooks of a run as Markdown pages with their pictures.

    Real images in the notebooks are in the pages too: publish only pages of data that may be shown.
    """
    from medgan_tf import config
    from medgan_tf.reporting.render import render as render_run

    print(f"The index of the pages is {render_run(config.find_run(Path(run).name), out)}")


def evaluate(real, fake, features, weights, label_classifier, image_size, training, by_class, cache, json_file):
    """Measure synthetic images against real ones.

    Every number comes with its sample size, its 95% interval and the same metric between real images. Images are a
    folder of JPG or PNG in class folders; a folder with a manifest.csv, or that file, which names patients; or an array
    in a file .npy.
    """
    from medgan_tf import datasets, figures, metrics

    for source in filter(datasets.is_image_folder, (real, fake, training)):
        datasets.read_manifest(source)  # so that a wrong folder is reported before anything is computed
    extractor = metrics.extractor(features, weights)
    classifier = label_classifier and metrics.load_classifier(label_classifier)
    if image_size:
        real, fake, training = (
            source and datasets.read_images(source, image_size) for source in (real, fake, training)
        )
    records = metrics.evaluate(
        real, fake, extractor, training, label_classifier=classifier, by_class=by_class, cache=cache
    )
    if json_file:
        json_file.write_text(json.dumps(records, indent=2))
    print(figures.evaluation_table(records).to_string())
    first, agreed = next(iter(records.values())), records.get("label_agreement")
    print(f"n = {first['n']} images a side; features {first['extractor']}, weights {first['weights_sha256'][:12]}")
    if agreed:
        print(
            f"label_agreement: n = {agreed['n']} synthetic and {agreed.get('real_vs_real_n', 0)} real images; chance"
            f" {agreed['chance']:.3g}; classifier {agreed['extractor']}, weights {agreed['weights_sha256'][:12]}"
        )
    quality = first["jpg_quality"]
    print("Both sides were measured " + (f"as JPG of quality {quality}" if quality else "without traces of JPG"))
