"""The command line, python -m medgan_tf COMMAND: its options, and every expected failure as one sentence."""

import argparse
import errno
import sys
from pathlib import Path

from medgan_tf import __version__
from medgan_tf.cli import commands


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
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name, function, summary, details=""):
        command = subparsers.add_parser(name, help=summary, description=f"{summary}. {details}")
        command.set_defaults(command=function)
        return command.add_argument

    option = add(
        "convert",
        commands.convert,
        "Convert DICOM to square grey images",
        "Files are known by their content. Patients become keyed hashes. A rerun does only what is missing.",
    )
    option("sources", nargs="+", type=Path, metavar="SOURCE", help="folder or file; the folders in it are the classes")
    option(
        "--out", required=True, type=Path, help="folder for images/ and manifest.csv; what names sources: DIR.private"
    )
    option("--image-size", type=_size, default=256, metavar="PIXELS", help="side, or HEIGHTxWIDTH (default 256)")
    option("--format", choices=["jpg", "png", "png16"], default="jpg", help="jpg is of quality 95 (default jpg)")
    option("--window", type=_window, default="auto", help="auto, lung, bone, ..., a window's number, or CENTER,WIDTH")
    option("--crop", action="store_true", help="crop to a square instead of padding with black")
    option("--labels", type=Path, metavar="CSV", help="classes by file or patient, instead of by folder")
    option("--workers", type=int, help="processes (default: one a core)")
    option("--scheduler", metavar="ADDRESS", help="of a Dask cluster that does the work, such as tcp://host:8786")

    option = add(
        "deidentify",
        commands.deidentify,
        "De-identify DICOM files by the Basic Profile of PS3.15, Table E.1-1, with dates shifted",
        "Pixels stay as they are. Images that may show text wait in DIR.private/review.csv until cleared there.",
    )
    option("sources", nargs="+", type=Path, metavar="SOURCE", help="folder or file")
    option(
        "--out", required=True, type=Path, metavar="DIR", help="folder for the files, by pseudonyms, and manifest.csv"
    )
    option("--workers", type=int, help="processes (default: one a core)")
    option("--scheduler", metavar="ADDRESS", help="of a Dask cluster that does the work, such as tcp://host:8786")

    option = add("phantoms", commands.make_phantoms, "Write a cohort of chest-like phantoms as DICOM, with its truth")
    option("--out", required=True, type=Path, help="folder for the files and truth.csv")
    option("--patients", type=int, default=100, help="number of patients (default 100)")
    option("--image-size", type=int, default=256, metavar="PIXELS", help="side of the images (default 256)")
    option("--seed", type=int, default=0, help="the same seed gives the same files (default 0)")

    option = add("fetch", commands.fetch, "Download a public set and verify it, or list the sets")
    option("name", nargs="?", metavar="NAME", help="without a name: list them")
    option("--out", type=Path, default=Path("data"), help="folder to put it in (default data)")

    option = add(
        "run", commands.run_notebooks, "Run the notebooks and write one HTML report", "A rerun goes on after a failure."
    )
    option("--profile", choices=["smoke", "quick", "full"], default="quick", help="how much of everything")
    option("--data", nargs="*", default=[], type=Path, metavar="DIR", help="folders of DICOM or images; none: phantoms")
    option("--run", default="", metavar="NAME", help="folder under outputs/ (default: profile and data)")
    option("--notebooks", nargs="+", metavar="NAME", help="only these, for example 03_dcgan")

    option = add(
        "train",
        commands.train,
        "Train one model of a prepared run, or go on",
        "On several machines: the same command on each, with TF_CONFIG (docs/scaling.md).",
    )
    option("run", metavar="RUN", help="a folder under outputs/ that notebook 01 has prepared")
    option("model", metavar="MODEL", help="a model of its profile, such as dcgan")
    option("--seed", type=int, default=0, help="of weights, order and random numbers (default 0)")
    option("--kimg", type=float, help="thousands of images to train with (default: as in the profile)")
    option("--init-from", default="", metavar="RUN/MODEL", help="initial weights: those of a model of smaller images")
    option("--deterministic", action="store_true", help="the same bits from the same seed, for a price in time")

    option = add(
        "sweep",
        commands.sweep,
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

    option = add("sample", commands.sample, "Draw images from a trained generator")
    option("model_dir", type=Path, metavar="MODEL_DIR", help="a folder with model.json and generator.weights.h5")
    option("--out", required=True, type=Path, help="folder for the PNG files")
    option("--count", type=int, default=16, help="number of images (default 16)")
    option("--label", help="a class of a conditional model")
    option("--seed", type=int, default=0, help="the same seed gives the same images (default 0)")
    option("--truncation", type=float, default=1.0, metavar="PSI", help="StyleGANs: below 1 less varied (default 1)")

    option = add("export", commands.export, "Put a measured generator into a folder for others, with a model card")
    option("run", metavar="RUN", help="a folder under outputs/")
    option("model", metavar="MODEL", help="a model of that run, such as stylegan2")
    option("--out", required=True, type=Path, help="folder for weights, record and card")
    option("--data", required=True, metavar="TEXT", help="for the card: what the training images are")
    option("--licence", metavar="TEXT", help="of the training images; without one the weights and images stay here")
    option("--objections", default="", metavar="TEXT", help="for the card: what is wrong in the images to the eye")

    option = add(
        "readers",
        commands.read_blind,
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
        commands.evaluate,
        "Measure synthetic against real images, each number with its n, interval and floor",
        "Images are a folder of class folders of JPG or PNG, a folder with a manifest.csv or that file, with patients, "
        "or an array, .npy.",
    )
    option("real", type=Path, metavar="REAL_DIR", help="real images that the generator has not seen")
    option("fake", type=Path, metavar="FAKE_DIR", help="synthetic images")
    text = "inception (default), keras_inception, feature_classifier, radimagenet, squeezenet, or a Keras file, .keras"
    option("--features", default="inception", metavar="NAME", help=text)
    option(
        "--weights",
        type=Path,
        metavar="PATH",
        help="of feature_classifier: a run's folder of that name; of radimagenet and squeezenet: the weight file",
    )
    text = "a run's label_classifier/ folder: says whether classes are as asked (default: the one of --features)"
    option("--label-classifier", type=Path, metavar="DIR", help=text)
    option("--image-size", type=_size, metavar="PIXELS", help="of real and synthetic (default: as the synthetic are)")
    option("--training", type=Path, metavar="DIR", help="what the generator learned from: look for copies of it")
    option("--by-class", action="store_true", help="also each class by itself, where both folders have the same")
    option("--cache", type=Path, metavar="DIR", help="keep features there, and read them back where nothing changed")
    option("--json", dest="json_file", type=Path, metavar="FILE", help="also write the records to this file")

    option = add("compare", commands.compare, "Show the measured models of runs side by side, with their costs")
    option("runs", nargs="+", metavar="RUN", help="folders under outputs/ that notebook 06 has measured")

    option = add(
        "serve", commands.serve, "Serve the web app: draw, upload, explore, rate", "Models are those of all runs."
    )
    option("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1, this machine alone)")
    option("--port", type=int, default=5000, help="port to listen on (default 5000)")
    option("--rate", default="240 per minute", help="what one address may draw and rate (default 240 per minute)")
    option("--proxies", type=int, default=0, metavar="N", help="trusted proxies in front of the app (default 0)")
    text = "kits whose pictures, also those of held-out patients, any visitor sees and rates at /rate (default none)"
    option("--readers", nargs="+", type=Path, default=(), metavar="KIT", help=text)

    option = add("gallery", commands.gallery, "Write a static gallery of a run: plain HTML for any host")
    option("run", metavar="RUN_DIR", help="a folder under outputs/, or its name")
    option("--out", required=True, type=Path, help="folder for the pages")
    option("--licence", default="", metavar="TEXT", help="of real images; without it only phantoms are shown as such")

    option = add(
        "render",
        commands.render,
        "Write the executed notebooks of a run as Markdown pages with their pictures",
        "Real images in the notebooks are in the pages too: publish only pages of data that may be shown.",
    )
    option("run", metavar="RUN", help="a folder under outputs/ whose notebooks have been run")
    option("--out", type=Path, default=Path("docs/notebooks"), metavar="DIR", help="folder (default docs/notebooks)")
    return parser


def _size(text):
    height, by, width = text.partition("x")
    return (int(height), int(width)) if by else int(height)


def _window(text):
    if "," in text:
        center, width = text.split(",")
        return float(center), float(width)
    return int(text) if text.lstrip("-").isdigit() else text


if __name__ == "__main__":
    sys.exit(main())
