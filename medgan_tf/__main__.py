"""The command line: python -m medgan_tf COMMAND. Each command is one call into the module."""

import argparse
import errno
import json
import sys
from pathlib import Path

from medgan_tf import __version__


def main(arguments=None):
    """Parse, run, and turn every expected failure into one sentence and exit status 1."""
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    command = options.pop("command")
    try:
        return command(**options)
    except KeyboardInterrupt:
        print("\nInterrupted. What is finished is kept; the same command goes on from there.", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"medgan_tf: {_sentence(error)}", file=sys.stderr)
        return 1


def convert(sources, out, image_size, format, window, crop, labels, workers, scheduler):
    """Convert DICOM, split the images by patient, say what came of it."""
    from medgan_tf import datasets, dicom

    with dicom.on_dask(scheduler):
        report = dicom.convert(
            [source.absolute() for source in sources], out, image_size, format, window, crop, labels, workers
        )
    print(report)
    if report.converted:
        try:
            datasets.prepare([out], out)
        except ValueError as error:
            print(f"The images are not split: {error}")
    return 0


def deidentify(sources, out, workers, scheduler):
    """De-identify DICOM files."""
    from medgan_tf import deidentify, dicom

    with dicom.on_dask(scheduler):
        print(deidentify.deidentify([source.absolute() for source in sources], out, workers))
    return 0


def make_phantoms(out, patients, image_size, seed):
    """Write a cohort."""
    from medgan_tf import phantoms

    truth = phantoms.write_cohort(out, patients, seed=seed, image_size=image_size)
    print(f"{len(truth)} images of {patients} patients are in {out}, with truth.csv")
    return 0


def fetch(name, out):
    """Download a public set, or list them."""
    from medgan_tf import public

    if name:
        print(f"The images and their licence are in {public.fetch(name, out)}")
    else:
        for key, entry in public.SETS.items():
            print(f"{key:20} {entry.title} ({entry.licence})")
    return 0


def run_notebooks(profile, data, run, notebooks):
    """Run the notebooks."""
    from medgan_tf.run import run as run_all

    report, failures = run_all(profile, data, run, notebooks)
    print(f"The report is {report}" + (f"; {len(failures)} notebook(s) failed." if failures else ""))
    return 1 if failures else 0


def train(run, model, seed, kimg, deterministic):
    """Train one model of a run."""
    from medgan_tf import config, fitting

    run = config.find_run(run)
    changes = {"deterministic": deterministic} | ({"kimg": kimg} if kimg else {})
    training = fitting.train(run, model, seed, **changes)
    if training:
        print(f"{run.model(model, seed)}: {training['kimg']:g} kimg in {training['seconds']:.0f} s")
    return 0


def sweep(name, sets, models, seeds, profile, jobs):
    """Train and measure seeds by models by sets."""
    from medgan_tf import config, figures
    from medgan_tf.sweep import sweep as sweep_all

    summary, failures = sweep_all(name, sets or [()], models, seeds, profile, jobs)
    print(figures.comparison_table(summary).T.to_string())
    print(f"All of it is in {config.outputs() / name / 'results.json'}" + "".join(f"\n{f}" for f in failures.values()))
    return 1 if failures else 0


def sample(model_dir, out, count, label, seed, truncation):
    """Write images as PNG."""
    from PIL import Image

    from medgan_tf import inference

    images = inference.load(model_dir).sample(count, label, seed, truncation)
    out.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(out / f"seed{seed}_{index:05d}.png")
    print(f"{count} images are in {out}")
    return 0


def export(run, model, out, data, licence):
    """Weights in half precision, and a model card."""
    from medgan_tf import config, publish

    print(f"The model card is {publish.export(config.find_run(run), model, out, data, licence)}")
    return 0


def read_blind(run, model, out, count, seed, answers):
    """Make a kit for a reader study, or analyse what came back."""
    from medgan_tf import config, figures, results
    from medgan_tf.studies import readers

    run = config.find_run(run)
    if answers is None:
        kit = readers.make(run, model, out, count, seed)
        print(f"Give the readers {kit.page}; keep {kit.hidden} from them; collect their files in {kit.answers}")
        return 0
    kit = readers.open_kit(out)
    read, problems = readers.read(answers, kit)
    section = readers.analyse(kit, read, problems)
    for problem in problems:
        print(f"medgan_tf: left out: {problem}", file=sys.stderr)
    if section["status"] == "not run":
        print(f"Reader study: not run, {section['why']} in {answers}")
    else:
        print(figures.reader_table(section).to_string(), *section["reading"], sep="\n")
    results.write(run.directory, readers.section_name(section), section)
    return 1 if problems else 0


def serve(host, port, rate, proxies):
    """The web app."""
    from medgan_tf.app import server

    server.serve(host, port, rate, proxies)
    return 0


def gallery(run, out, licence):
    """A static gallery of a run."""
    from medgan_tf import config
    from medgan_tf.app import gallery

    page = gallery.write(config.find_run(Path(run).name), out, licence)
    print(f"The gallery is {page}")
    return 0


def evaluate(real, fake, features, weights, image_size, training, by_class, json_file):
    """Measure one folder of images against another."""
    from medgan_tf import datasets, metrics

    for folder in (real, fake, *([training] if training else [])):
        datasets.read_manifest(folder)  # so that a wrong folder is named at once
    extractor = metrics.extractor(features, weights)
    records, classes = metrics.evaluate_folders(real, fake, extractor, image_size, training, by_class)
    for name, record in records.items():
        intervals = f"{_interval(record, 'value', ''):34} real against real {_interval(record, 'floor', 'floor_'):34}"
        print(f"{name:26}{intervals} {record['reading']}")
    leading, first = next(iter(records.items()))
    for name, measured in classes.items():
        too_few = f"not measured: {measured.get('too_few')} real images"
        record = measured.get(leading)
        said = f"{_interval(record, 'value', '')}, n = {record['n']}: {record['reading']}" if record else too_few
        print(f"{leading} of {name}: {said}")
    print(f"n = {first['n']} a side; features {first['extractor']}, weights {first['weights_sha256'][:12]}")
    quality = first["jpg_quality"]
    print("Both sides were measured " + (f"as JPG of quality {quality}" if quality else "without traces of JPG"))
    if json_file:
        json_file.write_text(json.dumps(records | ({"classes": classes} if classes else {}), indent=2))
    return 0


def compare(runs):
    """Print the models of runs side by side."""
    from medgan_tf import comparison, config, figures

    summary = comparison.summarise(comparison.models([config.find_run(name) for name in runs]))
    print(figures.comparison_table(summary).T.to_string())
    print(
        "kimg: thousand images seen. *: nothing sets the value apart from the best one on the same data with the same"
    )
    print("features and n; values that differ in these cannot be compared.")
    return 0


def _interval(record, name, prefix):
    return f"{record[name]:.4g} [{record[prefix + 'low']:.4g}, {record[prefix + 'high']:.4g}]"


def _sentence(error):
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"The disk is full ({error.filename or 'while writing'}): make room and run the same command again."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}."
    return str(error)


def _parser():
    parser = argparse.ArgumentParser(
        "medgan_tf",
        description="From folders of DICOM to synthetic medical images one can check. Research use only.",
        epilog="`medgan_tf COMMAND --help` explains a command. `make notebooks` runs everything.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name, function, summary, details=""):
        command = commands.add_parser(name, help=summary, description=f"{summary}. {details}")
        command.set_defaults(command=function)
        return command.add_argument

    option = add(
        "convert",
        convert,
        "Convert DICOM to square grey images",
        "Files are known by their content. Patients become keyed hashes. A rerun does only what is missing.",
    )
    option("sources", nargs="+", type=Path, metavar="SOURCE", help="folder or file; the folders in it are the classes")
    option(
        "--out", required=True, type=Path, help="folder for images/ and manifest.csv; what names sources: DIR.private"
    )
    option("--image-size", type=int, default=256, metavar="PIXELS", help="side of the images (default 256)")
    option("--format", choices=["jpg", "png", "png16"], default="jpg", help="jpg is of quality 95 (default jpg)")
    option("--window", type=_window, default="auto", help="auto, lung, bone, ..., a window's number, or CENTER,WIDTH")
    option("--crop", action="store_true", help="crop to a square instead of padding with black")
    option("--labels", type=Path, metavar="CSV", help="classes by file or patient, instead of by folder")
    option("--workers", type=int, help="processes (default: one a core)")
    option("--scheduler", metavar="ADDRESS", help="of a Dask cluster that does the work, such as tcp://host:8786")

    option = add(
        "deidentify",
        deidentify,
        "De-identify DICOM files by the Basic Profile of PS3.15, Table E.1-1, with dates shifted",
        "Pixels stay as they are. Images that may show text wait in DIR.private/review.csv until cleared there.",
    )
    option("sources", nargs="+", type=Path, metavar="SOURCE", help="folder or file")
    option(
        "--out", required=True, type=Path, metavar="DIR", help="folder for the files, by pseudonyms, and manifest.csv"
    )
    option("--workers", type=int, help="processes (default: one a core)")
    option("--scheduler", metavar="ADDRESS", help="of a Dask cluster that does the work, such as tcp://host:8786")

    option = add("phantoms", make_phantoms, "Write a cohort of chest-like phantoms as DICOM, with its truth")
    option("--out", required=True, type=Path, help="folder for the files and truth.csv")
    option("--patients", type=int, default=100, help="number of patients (default 100)")
    option("--image-size", type=int, default=256, metavar="PIXELS", help="side of the images (default 256)")
    option("--seed", type=int, default=0, help="the same seed gives the same files (default 0)")

    option = add("fetch", fetch, "Download a public set and verify it, or list the sets")
    option("name", nargs="?", metavar="NAME", help="without a name: list them")
    option("--out", type=Path, default=Path("data"), help="folder to put it in (default data)")

    option = add(
        "run", run_notebooks, "Run the notebooks and write one HTML report", "A rerun goes on after a failure."
    )
    option("--profile", choices=["smoke", "quick", "full"], default="quick", help="how much of everything")
    option("--data", nargs="*", default=[], type=Path, metavar="DIR", help="folders of DICOM or images; none: phantoms")
    option("--run", default="", metavar="NAME", help="folder under outputs/ (default: profile and data)")
    option("--notebooks", nargs="+", metavar="NAME", help="only these, for example 03_dcgan")

    option = add(
        "train",
        train,
        "Train one model of a prepared run, or go on",
        "On several machines: the same command on each, with TF_CONFIG (docs/scaling.md).",
    )
    option("run", metavar="RUN", help="a folder under outputs/ that notebook 01 has prepared")
    option("model", metavar="MODEL", help="a model of its profile, such as dcgan")
    option("--seed", type=int, default=0, help="of weights, order and random numbers (default 0)")
    option("--kimg", type=float, help="thousands of images to train with (default: as in the profile)")
    option("--deterministic", action="store_true", help="the same bits from the same seed, for a price in time")

    option = add(
        "sweep",
        sweep,
        "Train and measure seeds by models by sets of images, several processes at a time",
        "A rerun does only what is missing. Sets become the runs NAME-SET.",
    )
    option("--out", required=True, dest="name", metavar="NAME", help="folder under outputs/ for the collected results")
    option("--data", action="append", dest="sets", nargs="+", type=Path, metavar="DIR", help="one set; may be repeated")
    option("--models", nargs="+", required=True, metavar="MODEL", help="models of the profile, such as dcgan cgan")
    option("--seeds", nargs="+", type=int, default=[0], metavar="SEED", help="(default 0)")
    option("--profile", choices=["smoke", "quick", "full"], default="quick", help="how much of everything")
    option(
        "--jobs", type=int, default=1, metavar="N", help="processes at a time, which share cores or GPUs (default 1)"
    )

    option = add("sample", sample, "Draw images from a trained generator")
    option("model_dir", type=Path, metavar="MODEL_DIR", help="a folder with model.json and generator.weights.h5")
    option("--out", required=True, type=Path, help="folder for the PNG files")
    option("--count", type=int, default=16, help="number of images (default 16)")
    option("--label", help="a class of a conditional model")
    option("--seed", type=int, default=0, help="the same seed gives the same images (default 0)")
    option("--truncation", type=float, default=1.0, metavar="PSI", help="StyleGANs: below 1 less varied (default 1)")

    option = add("export", export, "Put a measured generator into a folder for others, with a model card")
    option("run", metavar="RUN", help="a folder under outputs/")
    option("model", metavar="MODEL", help="a model of that run, such as stylegan2")
    option("--out", required=True, type=Path, help="folder for weights, record and card")
    option("--data", required=True, metavar="TEXT", help="for the card: what the training images are")
    option("--licence", required=True, metavar="TEXT", help="for the card: the licence of the training images")

    option = add(
        "readers",
        read_blind,
        "Make the kit of a blinded reader study, or analyse the answers",
        "Readers get one HTML file that works without a network, and give back one CSV file each.",
    )
    option("run", metavar="RUN", help="a folder under outputs/")
    option("model", metavar="MODEL", help="a model of that run, such as stylegan2")
    option("--out", required=True, type=Path, help="folder of the kit")
    option("--count", type=int, default=100, help="different images, half of them real (default 100)")
    option("--seed", type=int, default=0, help="the same seed draws the same images (default 0)")
    option("--answers", type=Path, metavar="DIR", help="analyse the CSV files in this folder with the key in --out")

    option = add(
        "evaluate",
        evaluate,
        "Measure synthetic against real images, each number with its n, interval and floor",
        "Folders hold class folders of JPG or PNG, or a manifest.csv with patients.",
    )
    option("real", type=Path, metavar="REAL_DIR", help="real images that the generator has not seen")
    option("fake", type=Path, metavar="FAKE_DIR", help="synthetic images")
    names = ["inception", "keras_inception", "domain", "radimagenet", "squeezenet"]
    option("--features", choices=names, default="inception")
    option(
        "--weights",
        type=Path,
        metavar="PATH",
        help="with --features domain: a run's domain/ folder; with radimagenet or squeezenet: the weight file",
    )
    option("--image-size", type=int, default=64, metavar="PIXELS", help="both sides are read at this size (default 64)")
    option("--training", type=Path, metavar="DIR", help="what the generator learned from: look for copies of it")
    option("--by-class", action="store_true", help="also each class by itself, where both folders have the same")
    option("--json", dest="json_file", type=Path, metavar="FILE", help="also write the records to this file")

    option = add("compare", compare, "Show the measured models of runs side by side, with their costs")
    option("runs", nargs="+", metavar="RUN", help="folders under outputs/ that notebook 06 has measured")

    option = add("serve", serve, "Serve the web app: draw, upload, explore, rate", "Models are those of all runs.")
    option("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1, this machine alone)")
    option("--port", type=int, default=5000, help="port to listen on (default 5000)")
    option("--rate", default="240 per minute", help="what one address may ask of the networks (default 240 per minute)")
    option("--proxies", type=int, default=0, metavar="N", help="trusted proxies in front of the app (default 0)")

    option = add("gallery", gallery, "Write a static gallery of a run: plain HTML for any host")
    option("run", metavar="RUN_DIR", help="a folder under outputs/, or its name")
    option("--out", required=True, type=Path, help="folder for the pages")
    option("--licence", default="", metavar="TEXT", help="of real images; without it only phantoms are shown as such")
    return parser


def _window(text):
    if "," in text:
        center, width = text.split(",")
        return float(center), float(width)
    return int(text) if text.lstrip("-").isdigit() else text


if __name__ == "__main__":
    sys.exit(main())
