"""What a blinded reader study is made of: a page for the readers, and a key that stays with the study's leader."""

import base64
import hashlib
import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
from PIL import Image

from medgan_tf import datasets, generators, results

KINDS = ("real", "synthetic")
REPEATED = 0.1  # of the images are shown twice
ORDERS = 24  # orders of presentation; a reader's code chooses one
PAGE, KEY = Path("for_readers") / "reading.html", Path("hidden") / "key.csv"
TEMPLATES = Path(__file__).parent / "templates"
README = """{page}   give this file to the readers; it needs nothing but a browser
hidden/                    the key: keep it from every reader until the last one is done
answers/                   put the readers' files here (answers_..._CODE.csv) and analyse them

The page holds images of patients: give it only to those who may see them.
A new kit needs a new folder: answers belong to the kit that they were given for.
"""


@dataclass(frozen=True)
class Kit:
    """A kit in a folder: how it was made, the key (image, kind, class, repeated, ...) and images (n, H, W) uint8."""

    directory: Path
    settings: dict
    key: pd.DataFrame
    images: np.ndarray

    @property
    def page(self):
        """The file for the readers."""
        return self.directory / PAGE

    @property
    def hidden(self):
        """The folder that no reader may see."""
        return self.directory / KEY.parent

    @property
    def answers(self):
        """The folder where the readers' files are collected."""
        return self.directory / "answers"


def make(run, model, out, count=100, seed=0):
    """Draw `count` images, half of them real and half from `model` of a config.Run, into a kit in folder `out`.

    Real images are of held-out patients, one image each, drawn at random; a conditional model is asked for the same
    classes. Nobody looks at them before. Both kinds have the model's size and the same encoding
    (`datasets.match_encoding`) and take the same number of bytes on the page. A tenth of either kind is shown twice.
    A kit that is there already is returned as it is. Raises ValueError if it was made otherwise, for an odd count, and
    for more images than there are patients.
    """
    out, weights = Path(out), run.model(model) / "generator.weights.h5"
    generator = generators.load(run.model(model))
    made_of = {"run": run.name, "model": model, "count": count, "seed": seed}
    made_of["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    if (out / KEY).exists():
        return _same(open_kit(out), made_of)
    data = datasets.load(run.images, generator.record["image_size"])
    real = one_of_each_patient(data.held_out, count, seed)
    asked = [data.classes[label] for label in real.labels]
    drawn = generator.sample_set(len(real), asked if generator.classes else None, seed)
    real, drawn = datasets.match_encoding(real, drawn)
    key = pd.DataFrame(
        {
            "kind": np.repeat(KINDS, len(real)),
            "class": asked + (asked if generator.classes else [""] * len(real)),
            "patient": [*real.patients, *[""] * len(real)],
            "source": [*real.files, *(f"seed {seed}, image {index}" for index in range(len(real)))],
        }
    )
    random = np.random.default_rng(seed)
    place = random.permutation(len(key))
    key = key.iloc[place].reset_index(drop=True).rename_axis("image")
    key["repeated"] = np.isin(key.index, repeats(key["kind"], random))
    images = _square(np.concatenate([real.images, drawn.images])[place, ..., 0])
    shown = [order.tolist() for order in orders(key["repeated"].to_numpy(), random)]
    identity = hashlib.sha256(images.tobytes() + json.dumps(shown).encode()).hexdigest()[:12]
    settings = made_of | {"study": identity, "jpg_quality": real.jpg_quality, "orders": shown, "classes": data.classes}
    _write(Kit(out, settings, key.reset_index(), images))
    return open_kit(out)


def open_kit(directory):
    """The kit that `make` wrote. Raises ValueError where there is none."""
    directory = Path(directory)
    if not (directory / KEY).exists():
        raise ValueError(f"{directory} holds no kit of a reader study: {KEY.as_posix()} is missing.")
    key = pd.read_csv(directory / KEY, keep_default_na=False)
    settings = json.loads((directory / KEY.parent / "kit.json").read_text())
    return Kit(directory, settings, key, np.load(directory / KEY.parent / "images.npy"))


def best(run):
    """The model of a config.Run with the smallest kernel distance. Raises ValueError where none was measured."""
    quality = results.quality(run.directory)
    if quality.empty:
        raise ValueError(f"No model of {run.name} was measured: name one, or run 06_evaluation first.")
    return quality[quality["metric"] == "kernel_distance"].set_index("model")["value"].idxmin()


def one_of_each_patient(split, count, seed=0):
    """`count` / 2 images of a datasets.ImageSet, each of another patient: patients and then images by chance alone."""
    patients = np.unique(split.patients)
    if count % 2 or not 8 <= count <= 2 * len(patients):
        raise ValueError(
            f"A kit has an even number of images, 8 or more, half of them real and each of another patient: "
            f"of the {len(patients)} held-out patients at most {2 * len(patients)}, not {count}."
        )
    random = np.random.default_rng(seed)
    chosen = random.permutation(patients)[: count // 2]
    return split.take([random.choice(np.flatnonzero(split.patients == patient)) for patient in chosen])


def repeats(kinds, random):
    """Indices of the images that are shown twice: a tenth of `kinds` (n,), two at least, as many of either kind."""
    each = max(1, round(REPEATED * len(kinds) / 2))
    return np.concatenate([random.choice(np.flatnonzero(kinds == kind), each, replace=False) for kind in KINDS])


def orders(repeated, random, number=ORDERS):
    """Orders of presentation, (number, n + repeated images) indices, of n images; repeated: bool (n,).

    An image that is shown twice comes in the first and again in the last third, so that it is half forgotten.
    """
    twice, once, third = np.flatnonzero(repeated), np.flatnonzero(~repeated), len(repeated) // 3
    made = []
    for _ in range(number):
        others = random.permutation(once)
        first, middle, last = np.split(others, [third - len(twice), 2 * third - len(twice)])
        parts = np.concatenate([first, twice]), middle, np.concatenate([last, twice])
        made.append(np.concatenate([random.permutation(part) for part in parts]))
    return np.array(made)


def page(images, shown, study, classes=()):
    """The page for the readers as one HTML text. Of what is real it is told nothing, so it can give nothing away.

    images: (n, H, W) uint8. shown: orders of presentation. classes: what the diagnosis suggests, beside free text.
    """
    content = {"study": study, "orders": shown, "images": [png(image) for image in images]}
    loader = jinja2.FileSystemLoader(TEMPLATES)
    template = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True).get_template("reading.html")
    return template.render(content=content, classes=[name.replace("_", " ") for name in classes])


def png(image):
    """(H, W) uint8 as PNG in base64, not compressed: its length depends on the size alone and tells nothing else."""
    memory = BytesIO()
    Image.fromarray(image).save(memory, "PNG", compress_level=0)
    return base64.b64encode(memory.getvalue()).decode()


def _square(images):
    """(n, S, S), the page's shape, of images (n, H, W): padded with black."""
    pads = [max(images.shape[1:]) - side for side in images.shape[1:]]
    return np.pad(images, ((0, 0), *((pad // 2, pad - pad // 2) for pad in pads)))


def _write(kit):
    for folder in (kit.hidden, kit.page.parent, kit.answers):
        folder.mkdir(parents=True, exist_ok=True)
    settings = kit.settings
    kit.page.write_text(page(kit.images, settings["orders"], settings["study"], settings["classes"]), encoding="utf-8")
    (kit.directory / "README.txt").write_text(README.format(page=PAGE.as_posix()))
    (kit.hidden / "kit.json").write_text(json.dumps(settings))
    np.save(kit.hidden / "images.npy", kit.images)
    kit.key.to_csv(kit.directory / KEY, index=False)  # last: it is what says that the kit is whole


def _same(kit, made_of):
    other = {name: kit.settings[name] for name, value in made_of.items() if kit.settings[name] != value}
    if other:
        names = ", ".join(f"{name} {value}" for name, value in other.items())
        raise ValueError(f"{kit.directory} holds a kit that was made otherwise ({names}): give another folder.")
    return kit
