"""The kit of a blinded reader study: a page for the readers, and a key that stays with the leader of the study."""

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

from medgan_tf import config, datasets, generators, results
from medgan_tf.files import sha256_of_file
from medgan_tf.sources import displayed

KINDS = ("real", "synthetic")
REPEATED = 0.1  # fraction of the images that is shown twice
ORDERS = 24  # orders of presentation; a reader's code chooses one
PAGE, KEY = Path("for_readers") / "reading.html", Path("hidden") / "key.csv"
README = """{page}   give this file to the readers; it needs nothing but a browser
hidden/                    the key: keep it from every reader until the last one is done
answers/                   put the readers' files here (answers_..._CODE.csv) and analyse them

The page holds images of patients: give it only to those who may see them.
A new kit needs a new folder: answers belong to the kit that they were given for.
"""


@dataclass(frozen=True)
class Kit:
    """A kit in a folder: how it was made, the key (image, kind, class, repeated, ...) and images (n, H, W, C) uint8."""

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


def make_kit(run, model, out, count=100, seed=0):
    """Make a kit in folder `out`: `count` images, half of them real and half from `model` of a config.Run.

    Real images are drawn at random from held-out patients, one for each; a conditional model draws the same classes.
    Nobody selects images. Both kinds have the model's size, the same encoding (`datasets.match_encoding`) and the same
    number of bytes on the page. A tenth of each kind is shown twice. An existing kit is returned unchanged. Raises
    ValueError if it was made with other settings, for an odd count, and for more images than patients.
    """
    out, weights = Path(out), run.model(model) / "generator.weights.h5"
    generator = generators.load(run.model(model))
    made_of = {"run": run.name, "model": model, "count": count, "seed": seed, "weights_sha256": sha256_of_file(weights)}
    if (out / KEY).exists():
        kit = open_kit(out)
        changed = [f"{name} {kit.settings[name]}" for name, value in made_of.items() if kit.settings[name] != value]
        if changed:
            raise ValueError(f"{out} holds a kit with other settings ({', '.join(changed)}): give another folder.")
        return kit
    data = datasets.load(run.images, config.shape(generator.record["image_size"]))
    real = draw_one_image_per_patient(data.held_out, count, seed)
    requested = [data.classes[label] for label in real.labels]
    drawn = generator.sample_set(len(real), requested if generator.classes else None, seed)
    real, drawn = datasets.match_encoding(real, drawn)
    key = pd.DataFrame(
        {
            "kind": np.repeat(KINDS, len(real)),
            "class": requested + (requested if generator.classes else [""] * len(real)),
            "patient": [*real.patients, *[""] * len(real)],
            "source": [*real.files, *(f"seed {seed}, image {index}" for index in range(len(real)))],
        }
    )
    random = np.random.default_rng(seed)
    place = random.permutation(len(key))
    key = key.iloc[place].reset_index(drop=True).rename_axis("image")
    key["repeated"] = np.isin(key.index, choose_repeated(key["kind"], random))
    images = _pad_to_squares(np.concatenate([real.images, drawn.images])[place])
    shown = [order.tolist() for order in presentation_orders(key["repeated"].to_numpy(), random)]
    identity = hashlib.sha256(images.tobytes() + json.dumps(shown).encode()).hexdigest()[:12]
    settings = made_of | {"study": identity, "jpg_quality": real.jpg_quality, "orders": shown, "classes": data.classes}
    _write_kit(Kit(out, settings, key.reset_index(), images))
    return open_kit(out)


def open_kit(directory):
    """Open the kit that `make_kit` wrote. Raises ValueError where there is none."""
    directory = Path(directory)
    if not (directory / KEY).exists():
        raise ValueError(f"{directory} holds no kit of a reader study: {KEY.as_posix()} is missing.")
    key = pd.read_csv(directory / KEY, keep_default_na=False)
    settings = json.loads((directory / KEY.parent / "kit.json").read_text())
    return Kit(directory, settings, key, np.load(directory / KEY.parent / "images.npy"))


def best_model(run):
    """The model of a config.Run with the smallest kernel distance. Raises ValueError where none was measured."""
    quality = results.quality(run.directory)
    if quality.empty:
        raise ValueError(f"No model of {run.name} was measured: name one, or run 06_evaluation first.")
    return quality[quality["metric"] == "kernel_distance"].set_index("model")["value"].idxmin()


def draw_one_image_per_patient(split, count, seed=0):
    """Draw `count` / 2 images of a datasets.ImageSet at random, each of another patient."""
    patients = np.unique(split.patients)
    if count % 2 or not 8 <= count <= 2 * len(patients):
        rule = "an even number of images, 8 or more, half of them real and each of another patient"
        limit = f"of the {len(patients)} held-out patients at most {2 * len(patients)}, not {count}"
        raise ValueError(f"A kit has {rule}: {limit}.")
    random = np.random.default_rng(seed)
    chosen = random.permutation(patients)[: count // 2]
    return split.take([random.choice(np.flatnonzero(split.patients == patient)) for patient in chosen])


def choose_repeated(kinds, random):
    """Draw the indices of images to show twice: a tenth of `kinds` (n,), at least two, equally many of both kinds."""
    each = max(1, round(REPEATED * len(kinds) / 2))
    return np.concatenate([random.choice(np.flatnonzero(kinds == kind), each, replace=False) for kind in KINDS])


def presentation_orders(repeated, random, number=ORDERS):
    """Draw orders of presentation: indices (number, n + repeated images) of n images; repeated: bool (n,).

    An image that is shown twice comes in the first third and again in the last, so that it may be forgotten by then.
    """
    twice, once, third = np.flatnonzero(repeated), np.flatnonzero(~repeated), len(repeated) // 3
    made = []
    for _ in range(number):
        first, middle, last = np.split(random.permutation(once), [third - len(twice), 2 * third - len(twice)])
        parts = np.concatenate([first, twice]), middle, np.concatenate([last, twice])
        made.append(np.concatenate([random.permutation(part) for part in parts]))
    return np.array(made)


def _render_page(kit):
    """The page for the readers as one HTML text. It contains no information about which images are real."""
    content = {name: kit.settings[name] for name in ("study", "orders")}
    content["images"] = [_png_base64(image) for image in kit.images]
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    template = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True).get_template("reading.html")
    suggestions = [name.replace("_", " ") for name in kit.settings["classes"]]  # for the diagnosis, a free text
    return template.render(content=content, classes=suggestions)


def _png_base64(image):
    """An image uint8 (H, W, C) as uncompressed PNG in base64, so that its length depends on the image size only."""
    memory = BytesIO()
    Image.fromarray(displayed(image)).save(memory, "PNG", compress_level=0)
    return base64.b64encode(memory.getvalue()).decode()


def _pad_to_squares(images):
    """(n, S, S, C), the page's shape, of images (n, H, W, C), padded with black."""
    pads = [max(images.shape[1:3]) - side for side in images.shape[1:3]]
    return np.pad(images, ((0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)))


def _write_kit(kit):
    for folder in (kit.hidden, kit.page.parent, kit.answers):
        folder.mkdir(parents=True, exist_ok=True)
    kit.page.write_text(_render_page(kit), encoding="utf-8")
    (kit.directory / "README.txt").write_text(README.format(page=PAGE.as_posix()))
    (kit.hidden / "kit.json").write_text(json.dumps(kit.settings))
    np.save(kit.hidden / "images.npy", kit.images)
    kit.key.to_csv(kit.directory / KEY, index=False)  # written last: marks a complete kit
