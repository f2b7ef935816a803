"""What pages, JSON API and explorer ask for, done one after the other by one thread: draw, invert, explore."""

import hashlib
import logging
from dataclasses import dataclass, replace

import numpy as np
from cachetools import LRUCache

from medgan_tf import generators
from medgan_tf.app import catalogue, opinions, uploads

from .errors import AppError, invalid
from .worker import Worker

LOADED = 8  # models that stay in memory
DRAWN = 64 * 2**20  # bytes of pictures that are remembered, for downloads and links just followed
SECONDS = 60  # for a request that draws
INVERSION_SECONDS = 150
log = logging.getLogger("medgan_tf.app")


@dataclass(frozen=True)
class Drawing:
    """What fixes pictures: the same drawing gives the same bytes. version: of the weights, "" for the present ones."""

    model: str
    label: str | None
    count: int
    seed: int
    truncation: float = 1.0
    version: str = ""


@dataclass(frozen=True)
class Pictures:
    """images (n, H, W, 1) uint8 of a drawing, whose version is filled in, and the class of each ("" without)."""

    drawing: Drawing
    images: np.ndarray
    labels: tuple


@dataclass(frozen=True)
class Loaded:
    """A model in memory: the generators.Generator, the version of its weights, and who judges its pictures."""

    generator: object
    version: str
    opinions: object


class Service:
    """All that needs a network. Every method may be called from any thread and waits for its result."""

    def __init__(self):
        self.worker = Worker()
        self._loaded, self._drawn = LRUCache(LOADED), LRUCache(DRAWN, getsizeof=lambda pictures: pictures.images.nbytes)

    def draw(self, drawing, seconds=SECONDS):
        """The Pictures of a Drawing. Raises AppError for what the model cannot do and for another version's."""
        entry = catalogue.find(drawing.model)
        self._check(entry, drawing.label, drawing.truncation)
        return self.worker.run(seconds, self._draw, entry, drawing)

    def opinions(self, pictures, seconds=SECONDS):
        """What a classifier and the outlier score say of Pictures, an `opinions.Opinion` an image."""
        entry = catalogue.find(pictures.drawing.model)
        return self.worker.run(seconds, lambda: self._load(entry).opinions.of(pictures.images))

    def invert(self, model, data, label=None, seconds=INVERSION_SECONDS):
        """An `uploads.Inverted` of the bytes of an uploaded file."""
        entry = catalogue.find(model)
        self._check(entry, label)
        original = uploads.read(data, entry.size)
        return self.worker.run(seconds, lambda: uploads.invert(self._load(entry), original, label))

    def explore(self, view, seconds=SECONDS):
        """(n, H, W, 1) uint8, the pictures of one of `exploring`'s views: Moved, Mixed or Between."""
        entry = catalogue.find(view.model)
        self._check(entry, view.label, getattr(view, "truncation", 1.0))
        if getattr(view, "to_label", None) is not None:
            self._check(entry, view.to_label)
            view = replace(view, label=view.label or entry.classes[0])
        if view.needs_styles and not entry.styles:
            raise invalid(f"A {entry.architecture} has no styles to move or mix; choose a stylegan2 or stylegan3.")
        return self.worker.run(seconds, lambda: view.pictures(self._load(entry).generator))

    def _check(self, entry, label, truncation=1.0):
        if label is not None and label not in entry.classes:
            classes = ", ".join(entry.classes)
            raise invalid(f"This model's classes are {classes}." if classes else "This model knows no classes.")
        if truncation != 1 and not entry.styles:
            raise invalid(f"Only StyleGANs can be truncated; for a {entry.architecture} leave the truncation at 1.")

    def _draw(self, entry, drawing):
        loaded = self._load(entry)
        if drawing.version not in ("", loaded.version):
            raise AppError(409, "other_version", f"{entry.name} was trained again: pictures of the old one are gone.")
        drawing = replace(drawing, version=loaded.version)
        if drawing not in self._drawn:
            images = loaded.generator.sample(drawing.count, drawing.label, drawing.seed, drawing.truncation)
            images.setflags(write=False)
            given = [drawing.label] * drawing.count if drawing.label else np.resize(entry.classes or "", drawing.count)
            pictures = Pictures(drawing, images, tuple(map(str, given)))
            if images.nbytes > DRAWN:
                return pictures
            self._drawn[drawing] = pictures
        return self._drawn[drawing]

    def _load(self, entry):
        """The Loaded of an entry, read again where its files have changed."""
        try:
            parts = [path.stat() for path in (entry.weights, entry.directory / "model.json")]
            key = (entry.name, *((part.st_mtime_ns, part.st_size) for part in parts))
            if key not in self._loaded:
                version = hashlib.sha256(entry.weights.read_bytes()).hexdigest()[:12]
                generator = _settled(generators.load(entry.directory), entry.styles)
                self._loaded[key] = Loaded(generator, version, opinions.load(entry))
            return self._loaded[key]
        except Exception as error:  # whatever a damaged file or another version makes Keras raise
            log.exception("%s cannot be loaded", entry.name)
            sentence = f"The model {entry.name} cannot be loaded: its files are damaged, or of another version of"
            raise AppError(503, "model_damaged", f"{sentence} medgan_tf. The other models go on working.") from error


def _settled(generator, styles):
    """The generator, its programs compiled.

    Keras compiles one for the first batch size and one for all others, whichever come first, and the two differ in the
    last bit. In a fixed order the same link gives the same bytes whatever was asked before, and from any replica.
    """
    for truncation in (1.0, 0.5) if styles else (1.0,):
        for count in (1, 2, 3):
            generator.sample(count, truncation=truncation)
    return generator
