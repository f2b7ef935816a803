"""The command line, `python -m medgan_tf COMMAND`: the options of every command, with their explanations."""

import argparse
import errno
import inspect
import re
import sys
from pathlib import Path

import shtab

from medgan_tf import __version__
from medgan_tf.cli import commands, progress

DIR = {"type": Path, "metavar": "DIR"}


def main(arguments=None):
    """Run a command; report every expected failure as one sentence with exit status 1. Returns the exit status."""
    parser = _parser()
    options = vars(parser.parse_args(_with_negative_values(sys.argv[1:] if arguments is None else arguments)))
    command = options.pop("command")
    progress.lines_without_terminal()
    try:
        return command(**options) or 0
    except KeyboardInterrupt:
        print("\nInterrupted. What is finished is kept; the same command goes on from there.", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"medgan_tf: {_sentence(error)}", file=sys.stderr)
        return 1


def _with_negative_values(arguments):
    """Arguments in which a value such as -600,1500 is joined to its option: argparse takes it for an option else."""
    joined = []
    for argument in map(str, arguments):
        if joined and joined[-1].startswith("--") and re.match(r"-\d[\d.]*,", argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _sentence(error):
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"The disk is full ({error.filename or 'while writing'}): make room and run the same command again."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else error.strerror
    return str(error)


def _parser():
    parser = argparse.ArgumentParser(
        "medgan_tf",
        description="From folders of DICOM files to synthetic medical images one can check. For research use only.",
        epilog="`medgan_tf COMMAND --help` explains a command. `make notebooks` runs everything.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    text = "print what makes a shell complete commands and options, and exit"
    shells = {"action": shtab.completion_action(), "choices": shtab.SUPPORTED_SHELLS, "default": argparse.SUPPRESS}
    parser.add_argument("--print-completion", help=text, **shells)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name, function):
        description = inspect.getdoc(function)
        command = subparsers.add_parser(name, help=description.partition(".\n")[0].rstrip("."), description=description)
        command.set_defaults(command=function)

        def option(name, help, **settings):
            if settings.get("default") not in (None, "", [], ()) and "(default" not in help:
                help += " (default %(default)s)"
            added = command.add_argument(name, help=help, **settings)
            if settings.get("type") is Path:
                added.complete = shtab.DIRECTORY if settings.get("metavar") == "DIR" else shtab.FILE

        return option

    for add_commands in (_data_commands, _training_commands, _model_commands, _app_commands):
        add_commands(add)
    return parser


def _data_commands(add):
    option = add("inspect", commands.inspect)
    option("sources", "folder of DICOM files, or of pictures", nargs="+", type=Path, metavar="SOURCE")
    labels = "table with the class of each file or patient, or 'none' for one class (default: by folder)"
    option("--labels", labels, metavar="CSV")

    option = add("convert", commands.convert)
    option("sources", "file, or folder whose first level is the classes", nargs="+", type=Path, metavar="SOURCE")
    text = "folder for images/ and manifest.csv; what names the sources goes to DIR.private"
    option("--out", text, required=True, **DIR)
    option("--image-size", "side of the square images, or HEIGHTxWIDTH", type=_size, default=256, metavar="PIXELS")
    text = "file format: jpg with quality 95, png with 8 bits or png16 with 16 bits a pixel"
    option("--format", text, choices=["jpg", "png", "png16"], default="jpg")
    text = "stored values from black to white: auto, lung, bone, ..., number of a window in the file, CENTER,WIDTH, or"
    text += " three names for three channels, such as lung,soft_tissue,bone"
    option("--window", text, type=_window, default="auto")
    option("--crop", "crop to a square instead of padding with black", action="store_true")
    option("--labels", labels, metavar="CSV")
    _parallel(option)

    option = add("slices", commands.slices)
    option("sources", "NIfTI file, or folder of them", nargs="+", type=Path, metavar="SOURCE")
    option("--out", "folder for images/, masks/ and manifest.csv", required=True, **DIR)
    option("--image-size", "side of the square images, or HEIGHTxWIDTH", type=_size, default=256, metavar="PIXELS")
    option("--format", "file format, as in convert", choices=["jpg", "png", "png16"], default="png")
    option("--plane", "which slices", choices=["axial", "coronal", "sagittal"], default="axial")
    option("--every", "take every n-th slice", type=int, default=1, metavar="N")
    text = "all slices, those with enough foreground, or those that a mask beside the volume marks"
    option("--keep", text, choices=["all", "foreground", "mask"], default="foreground")
    option("--window", "auto, or for CT lung, bone, ..., or CENTER,WIDTH", type=_window, default="auto")
    option("--crop", "crop to a square instead of padding with black", action="store_true")

    option = add("deidentify", commands.deidentify)
    option("sources", "folder or file", nargs="+", type=Path, metavar="SOURCE")
    option("--out", "folder for the files, named by pseudonyms, and manifest.csv", required=True, **DIR)
    _parallel(option)

    option = add("phantoms", commands.make_phantoms)
    option("--out", "folder for the files and truth.csv", required=True, **DIR)
    option("--patients", "number of patients", type=int, default=100, metavar="N")
    option("--image-size", "side of the images", type=int, default=256, metavar="PIXELS")
    option("--seed", "the same seed gives the same files", type=int, default=0)

    option = add("fetch", commands.fetch)
    option("name", "data set to download; without a name they are listed", nargs="?", metavar="NAME")
    option("--out", "folder to put it in", default=Path("data"), **DIR)


def _parallel(option):
    option("--workers", "number of parallel processes (default: one for each core)", type=int, metavar="N")
    option("--scheduler", "address of a Dask cluster to use instead, such as tcp://host:8786", metavar="ADDRESS")


def _profile(option):
    text = "how much is done: smoke (minutes, to try), quick (two cores), study (with all studies: hours), full (a GPU)"
    option("--profile", text, choices=["smoke", "quick", "study", "full"], default="quick")


def _training_commands(add):
    option = add("notebooks", commands.copy_notebooks)
    option("--out", "folder to copy them to", required=True, **DIR)

    option = add("run", commands.run_notebooks)
    _profile(option)
    text = "folders of DICOM files, or of JPG or PNG in class folders (default: phantoms)"
    option("--data", text, nargs="*", default=[], **DIR)
    option("--run", "folder under outputs/ (default: named after profile and data)", default="", metavar="NAME")
    option(
        "--notebooks",
        "only these notebooks, for example 03_dcgan (default: those of the profile)",
        nargs="+",
        metavar="NAME",
    )
    text = "change a setting of the profile, such as cgan.kimg=100 or dcgan.network.base_filters=64; may be repeated"
    option("--set", text, action="append", default=[], dest="settings", metavar="NAME=VALUE")
    option("--config", "TOML file of such changes", dest="config_file", type=Path, metavar="FILE")

    option = add("train", commands.train)
    option("run", "a folder under outputs/ that notebook 01 has prepared", metavar="RUN")
    option("model", "a model of its profile, such as dcgan", metavar="MODEL")
    option("--seed", "seed of the initial weights, the order of images and all random numbers", type=int, default=0)
    option("--kimg", "length of the training in thousands of images (default: as in the profile)", type=float)
    text = "start from the weights of another model, RUN/MODEL or pretrained/NAME, that saw none of the held-out images"
    option("--init-from", f"{text} (default: random weights)", default="", metavar="MODEL")
    option("--deterministic", "the same seed gives the same weights to the bit; slower", action="store_true")

    option = add("sweep", commands.sweep)
    option("--out", "folder under outputs/ for the collected results", required=True, dest="name", metavar="NAME")
    text = "folders of one data set; give the option once for each data set (default: phantoms)"
    option("--data", text, action="append", dest="sets", nargs="+", **DIR)
    option("--models", "models of the profile, such as dcgan cgan", nargs="+", required=True, metavar="MODEL")
    option("--seeds", "one training for each seed (default 0)", nargs="+", type=int, default=[0], metavar="SEED")
    text = "values of a setting, such as cgan.kimg=[50,100]; every combination is a run; with --search also LOW..HIGH"
    option("--set", text, action="append", dest="settings", default=[], metavar="NAME=VALUES")
    option("--search", "tune the settings of one model with N trainings, on validation alone", type=int, metavar="N")
    _profile(option)
    option("--jobs", "number of processes at a time, which share the cores or GPUs", type=int, default=1, metavar="N")


def _model_commands(add):
    option = add("sample", commands.sample)
    option("model_dir", "a folder with model.json and generator.weights.h5", type=Path, metavar="MODEL_DIR")
    option("--out", "folder for the PNG files", required=True, **DIR)
    option("--count", "number of images", type=int, default=16, metavar="N")
    option("--label", "class to draw, for a conditional model (default: classes in turn)", metavar="CLASS")
    option("--seed", "the same seed gives the same images", type=int, default=0)
    text = "for StyleGANs: values below 1 give more typical and less varied images"
    option("--truncation", text, type=float, default=1.0, metavar="PSI")

    option = add("evaluate", commands.evaluate)
    option("real", "real images that the generator has not seen", type=Path, metavar="REAL_DIR")
    option("fake", "synthetic images", type=Path, metavar="FAKE_DIR")
    text = "network of the features: inception, keras_inception, feature_classifier, radimagenet, squeezenet"
    option("--features", text + " or a Keras file (.keras)", default="inception", metavar="NAME")
    text = "weights of the features: a run's feature_classifier/, or the weight file of radimagenet or squeezenet"
    option("--weights", text, type=Path, metavar="PATH")
    text = "a run's folder label_classifier/: measure how often images show the requested class"
    option("--label-classifier", text + " (default: the classifier of --features)", **DIR)
    text = "size that all images are brought to: side, or HEIGHTxWIDTH (default: that of the synthetic images)"
    option("--image-size", text, type=_size, metavar="PIXELS")
    option("--training", "training images of the generator: count synthetic images that are copies of them", **DIR)
    option("--by-class", "measure each class by itself, too", action="store_true")
    option("--cache", "folder that keeps features, so that they are computed once", **DIR)
    option("--json", "write all records to this file, too", dest="json_file", type=Path, metavar="FILE")

    option = add("compare", commands.compare)
    option("runs", "folders under outputs/ that notebook 06 has measured", nargs="+", metavar="RUN")

    option = add("thesis", commands.thesis)
    option("run", "a folder under outputs/", metavar="RUN")
    option("--out", "folder for the LaTeX; an author's main.tex there stays as it is", required=True, **DIR)

    option = add("export", commands.export)
    _model(option)
    option("--out", "folder for weights, record and model card", required=True, **DIR)
    option("--data", "for the card: what the training images are", required=True, metavar="TEXT")
    text = "licence of the training images; without one, weights and images are not exported"
    option("--licence", text, metavar="TEXT")
    option("--objections", "for the card: what looks wrong in the images", default="", metavar="TEXT")

    option = add("readers", commands.reader_study)
    _model(option)
    option("--out", "folder of the kit", required=True, **DIR)
    option("--count", "number of different images, half of them real", type=int, default=100, metavar="N")
    option("--seed", "the same seed draws the same images", type=int, default=0)
    text = "analyse the CSV files in this folder with the key of the kit in --out, instead of making a kit"
    option("--answers", text, **DIR)


def _model(option):
    option("run", "a folder under outputs/", metavar="RUN")
    option("model", "a model of that run, such as stylegan2", metavar="MODEL")


def _app_commands(add):
    option = add("serve", commands.serve)
    option("--host", "address to listen on; 127.0.0.1 is this machine alone", default="127.0.0.1")
    option("--port", "port to listen on", type=int, default=5000)
    option("--rate", "limit of drawing and rating for each address", default="240 per minute", metavar="LIMIT")
    option("--proxies", "number of trusted proxies in front of the app", type=int, default=0, metavar="N")
    text = "kits of reader studies for visitors to rate at /rate; their pictures are partly of patients (default: none)"
    option("--readers", text, nargs="+", type=Path, default=(), metavar="KIT")

    option = add("gallery", commands.gallery)
    option("run", "a folder under outputs/, or its name", metavar="RUN_DIR")
    option("--out", "folder for the pages", required=True, **DIR)
    text = "licence that allows to show real images; without it, only phantoms are shown"
    option("--licence", text, default="", metavar="TEXT")

    option = add("render", commands.render)
    option("run", "a folder under outputs/ whose notebooks have been run", metavar="RUN")
    option("--out", "folder", default=Path("docs/notebooks"), **DIR)


def _size(text):
    height, by, width = text.partition("x")
    return (int(height), int(width)) if by else int(height)


def _window(text):
    if "," in text:
        parts = text.split(",")
        return tuple(map(float, parts)) if len(parts) == 2 else tuple(parts)
    return int(text) if text.lstrip("-").isdigit() else text


if __name__ == "__main__":
    sys.exit(main())
