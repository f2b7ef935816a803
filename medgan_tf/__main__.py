"""The command line, `python -m medgan_tf COMMAND`: the options of every command, with their explanations."""

import argparse
import errno
import inspect
import sys
from pathlib import Path

from medgan_tf import __version__
from medgan_tf.cli import commands


def main(arguments=None):
    """Run a command; report every expected failure as one sentence with exit status 1. Returns the exit status."""
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    command = options.pop("command")
    try:
        return command(**options) or 0
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
        description="From folders of DICOM files to synthetic medical images one can check. For research use only.",
        epilog="`medgan_tf COMMAND --help` explains a command. `make notebooks` runs everything.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name, function):
        description = inspect.getdoc(function)
        command = subparsers.add_parser(name, help=description.partition(".\n")[0].rstrip("."), description=description)
        command.set_defaults(command=function)
        return command.add_argument

    for add_commands in (_data_commands, _training_commands, _model_commands, _app_commands):
        add_commands(add)
    return parser


def _data_commands(add):
    option = add("convert", commands.convert)
    option("sources", nargs="+", type=Path, metavar="SOURCE", help="file, or folder whose first level is the classes")
    text = "folder for images/ and manifest.csv; what names the sources goes to DIR.private"
    option("--out", required=True, type=Path, metavar="DIR", help=text)
    text = "side of the square images, or HEIGHTxWIDTH (default 256)"
    option("--image-size", type=_size, default=256, metavar="PIXELS", help=text)
    text = "file format: jpg with quality 95, png with 8 bits or png16 with 16 bits a pixel (default jpg)"
    option("--format", choices=["jpg", "png", "png16"], default="jpg", help=text)
    option(
        "--window",
        type=_window,
        default="auto",
        help="range of stored values that becomes black to white: auto, lung, bone, ..., the number of a window in the "
        "file, or CENTER,WIDTH (default auto)",
    )
    option("--crop", action="store_true", help="crop to a square instead of padding with black")
    text = "table with the class of each file or patient (default: by folder)"
    option("--labels", type=Path, metavar="CSV", help=text)
    _parallel(option)

    option = add("deidentify", commands.deidentify)
    option("sources", nargs="+", type=Path, metavar="SOURCE", help="folder or file")
    text = "folder for the files, named by pseudonyms, and manifest.csv"
    option("--out", required=True, type=Path, metavar="DIR", help=text)
    _parallel(option)

    option = add("phantoms", commands.make_phantoms)
    option("--out", required=True, type=Path, metavar="DIR", help="folder for the files and truth.csv")
    option("--patients", type=int, default=100, metavar="N", help="number of patients (default 100)")
    option("--image-size", type=int, default=256, metavar="PIXELS", help="side of the images (default 256)")
    option("--seed", type=int, default=0, help="the same seed gives the same files (default 0)")

    option = add("fetch", commands.fetch)
    option("name", nargs="?", metavar="NAME", help="data set to download; without a name they are listed")
    option("--out", type=Path, default=Path("data"), metavar="DIR", help="folder to put it in (default data)")


def _parallel(option):
    option("--workers", type=int, metavar="N", help="number of parallel processes (default: one for each core)")
    text = "address of a Dask cluster that does the work instead, such as tcp://host:8786"
    option("--scheduler", metavar="ADDRESS", help=text)


def _profile(option):
    text = "how much of everything is done: smoke (minutes, to try), quick (two cores), full (a GPU) (default quick)"
    option("--profile", choices=["smoke", "quick", "full"], default="quick", help=text)


def _training_commands(add):
    option = add("run", commands.run_notebooks)
    _profile(option)
    text = "folders of DICOM files, or of JPG or PNG in class folders (default: phantoms)"
    option("--data", nargs="*", default=[], type=Path, metavar="DIR", help=text)
    option("--run", default="", metavar="NAME", help="folder under outputs/ (default: named after profile and data)")
    option("--notebooks", nargs="+", metavar="NAME", help="only these notebooks, for example 03_dcgan (default: all)")

    option = add("train", commands.train)
    option("run", metavar="RUN", help="a folder under outputs/ that notebook 01 has prepared")
    option("model", metavar="MODEL", help="a model of its profile, such as dcgan")
    text = "seed of the initial weights, the order of images and all random numbers (default 0)"
    option("--seed", type=int, default=0, help=text)
    option("--kimg", type=float, help="length of the training in thousands of images (default: as in the profile)")
    text = "start from the weights of a model trained on smaller images of the same patients (default: random weights)"
    option("--init-from", default="", metavar="RUN/MODEL", help=text)
    text = "the same seed gives the same weights to the bit; training is slower"
    option("--deterministic", action="store_true", help=text)

    option = add("sweep", commands.sweep)
    option("--out", required=True, dest="name", metavar="NAME", help="folder under outputs/ for the collected results")
    text = "folders of one data set; give the option once for each data set (default: phantoms)"
    option("--data", action="append", dest="sets", nargs="+", type=Path, metavar="DIR", help=text)
    option("--models", nargs="+", required=True, metavar="MODEL", help="models of the profile, such as dcgan cgan")
    option("--seeds", nargs="+", type=int, default=[0], metavar="SEED", help="one training for each seed (default 0)")
    _profile(option)
    text = "number of processes at a time, which share the cores or GPUs (default 1)"
    option("--jobs", type=int, default=1, metavar="N", help=text)


def _model_commands(add):
    option = add("sample", commands.sample)
    option("model_dir", type=Path, metavar="MODEL_DIR", help="a folder with model.json and generator.weights.h5")
    option("--out", required=True, type=Path, metavar="DIR", help="folder for the PNG files")
    option("--count", type=int, default=16, metavar="N", help="number of images (default 16)")
    option("--label", metavar="CLASS", help="class to draw, for a conditional model (default: classes in turn)")
    option("--seed", type=int, default=0, help="the same seed gives the same images (default 0)")
    text = "for StyleGANs: values below 1 give more typical and less varied images (default 1)"
    option("--truncation", type=float, default=1.0, metavar="PSI", help=text)

    option = add("evaluate", commands.evaluate)
    option("real", type=Path, metavar="REAL_DIR", help="real images that the generator has not seen")
    option("fake", type=Path, metavar="FAKE_DIR", help="synthetic images")
    text = (
        "network whose features are compared: inception, keras_inception, feature_classifier, radimagenet, squeezenet "
    )
    option(
        "--features", default="inception", metavar="NAME", help=text + " or a Keras file (.keras) (default inception)"
    )
    text = (
        "weights of the features: a run's folder feature_classifier/, or the weight file of radimagenet or squeezenet"
    )
    option("--weights", type=Path, metavar="PATH", help=text)
    text = (
        "a run's folder label_classifier/: measure how often images show the requested class (default: the classifier "
    )
    option("--label-classifier", type=Path, metavar="DIR", help=text + "of --features)")
    text = "size that all images are brought to: side, or HEIGHTxWIDTH (default: that of the synthetic images)"
    option("--image-size", type=_size, metavar="PIXELS", help=text)
    text = "training images of the generator: count synthetic images that are copies of them"
    option("--training", type=Path, metavar="DIR", help=text)
    option("--by-class", action="store_true", help="measure each class by itself, too")
    option("--cache", type=Path, metavar="DIR", help="folder that keeps features, so that they are computed once")
    option("--json", dest="json_file", type=Path, metavar="FILE", help="write all records to this file, too")

    option = add("compare", commands.compare)
    option("runs", nargs="+", metavar="RUN", help="folders under outputs/ that notebook 06 has measured")

    option = add("export", commands.export)
    option("run", metavar="RUN", help="a folder under outputs/")
    option("model", metavar="MODEL", help="a model of that run, such as stylegan2")
    option("--out", required=True, type=Path, metavar="DIR", help="folder for weights, record and model card")
    option("--data", required=True, metavar="TEXT", help="for the card: what the training images are")
    text = "licence of the training images; without one, weights and images are not exported"
    option("--licence", metavar="TEXT", help=text)
    option("--objections", default="", metavar="TEXT", help="for the card: what looks wrong in the images")

    option = add("readers", commands.reader_study)
    option("run", metavar="RUN", help="a folder under outputs/")
    option("model", metavar="MODEL", help="a model of that run, such as stylegan2")
    option("--out", required=True, type=Path, metavar="DIR", help="folder of the kit")
    text = "number of different images, half of them real (default 100)"
    option("--count", type=int, default=100, metavar="N", help=text)
    option("--seed", type=int, default=0, help="the same seed draws the same images (default 0)")
    text = "analyse the CSV files in this folder with the key of the kit in --out, instead of making a kit"
    option("--answers", type=Path, metavar="DIR", help=text)


def _app_commands(add):
    option = add("serve", commands.serve)
    option("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1, this machine alone)")
    option("--port", type=int, default=5000, help="port to listen on (default 5000)")
    text = "limit of drawing and rating for each address (default '240 per minute')"
    option("--rate", default="240 per minute", metavar="LIMIT", help=text)
    text = "number of trusted proxies in front of the app (default 0)"
    option("--proxies", type=int, default=0, metavar="N", help=text)
    text = "kits of reader studies for visitors to rate at /rate; their pictures are partly of patients (default: none)"
    option("--readers", nargs="+", type=Path, default=(), metavar="KIT", help=text)

    option = add("gallery", commands.gallery)
    option("run", metavar="RUN_DIR", help="a folder under outputs/, or its name")
    option("--out", required=True, type=Path, metavar="DIR", help="folder for the pages")
    text = "licence that allows to show real images; without it, only phantoms are shown"
    option("--licence", default="", metavar="TEXT", help=text)

    option = add("render", commands.render)
    option("run", metavar="RUN", help="a folder under outputs/ whose notebooks have been run")
    option("--out", type=Path, default=Path("docs/notebooks"), metavar="DIR", help="folder (default docs/notebooks)")


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
