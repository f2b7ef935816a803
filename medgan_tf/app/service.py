"""Everything that needs a network, done by one thread: generate, score, reconstruct and explore."""

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import BoundedSemaphore

import numpy as np
from cachetools import LRUCache

from medgan_tf import generators
from medgan_tf.app import catalogue, classifier_scores, uploads

from .errors import AppError, busy, invalid_request
from .reconstruction import reconstruct
from .requests import VIEWS, GenerationRequest

MAX_LOADED = 8  # models that stay in memory
CACHE_BYTES = 64 * 2**20  # of generated images, for downloads and links that are followed at once
MAX_WAITING = 128  # requests; further ones are refused
SECONDS = 60  # that a request may take, waiting included
INVERSION_SECONDS = 150
log = logging.getLogger("medgan_tf.app")


@dataclass(frozen=True)
class GeneratedImages:
    """Images with the request that produced them."""

    request: GenerationRequest  # its version is filled in
    images: np.ndarray  # (n, H, W, 1) uint8
    labels: tuple  # the class of each image; "" for an unconditional model


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory."""

    generator: generators.Generator
    version: str  # of its weights: the first 12 digits of their SHA-256
    classifiers: classifier_scores.Classifiers


class Worker:
    """One thread that runs jobs in order of arrival: results cannot mix, and TensorFlow is entered once at a time."""

    def __init__(self, max_waiting=MAX_WAITING):
        self._thread = ThreadPoolExecutor(1, "generation")
        self._slots = BoundedSemaphore(max_waiting)

    def run(self, seconds, function, *arguments):
        """Return function(*arguments), or raise what it raises.

        Raises AppError if too many jobs wait already, or if there is no result after `seconds`; a job that has not
        started by then is dropped, so that no time is spent on an answer that nobody waits for.
        """
        if not self._slots.acquire(blocking=False):
            raise busy()
        job = self._thread.submit(function, *arguments)
        job.add_done_callback(lambda done: self._slots.release())
        try:
            return job.result(seconds)
        except TimeoutError as error:
            job.cancel()
            message = f"There was no result after {seconds:g} seconds; try again later."
            raise AppError(503, "timeout", message) from error

    def close(self):
        """Finish the running job and drop those that wait."""
        self._thread.shutdown(cancel_futures=True)


class Service:
    """Loads models and does the work. Every method may be called from any thread and waits for its result."""

    def __init__(self):
        self.worker = Worker()
        self._loaded = LRUCache(MAX_LOADED)
        self._generated = LRUCache(CACHE_BYTES, getsizeof=lambda generated: generated.images.nbytes)

    def generate(self, request):
        """The GeneratedImages of a GenerationRequest.

        Raises AppError for a class or truncation that the model does not have, and for another version's weights.
        """
        entry = catalogue.find(request.model)
        _check(entry, request.label, request.truncation)
        return self.worker.run(SECONDS, self._generate, entry, request)

    def score(self, generated):
        """A `classifier_scores.ImageScores` for each of GeneratedImages."""
        entry = catalogue.find(generated.request.model)
        return self.worker.run(SECONDS, lambda: self._load(entry).classifiers.score(generated.images))

    def invert(self, model, data, label=None):
        """The `reconstruction.Reconstruction` of the bytes of an uploaded file."""
        entry = catalogue.find(model)
        _check(entry, label)
        original = uploads.read(data, entry.shape)
        return self.worker.run(INVERSION_SECONDS, lambda: reconstruct(self._load(entry), original, label))

    def explore(self, view, model, label=None, **settings):
        """(n, H, W, 1) uint8 of one of `requests.VIEWS`; settings: its other arguments."""
        entry = catalogue.find(model)
        _check(entry, label, settings.get("truncation", 1.0))
        if settings.get("to_label") is not None:
            _check(entry, settings["to_label"])
            label = label or entry.classes[0]
        if view != "between" and not entry.has_styles:
            raise invalid_request(f"A {entry.architecture} has no styles to move or mix; choose a StyleGAN.")
        return self.worker.run(SECONDS, lambda: VIEWS[view](self._load(entry).generator, label=label, **settings))

    def close(self):
        """Finish the running job and drop those that wait."""
        self.worker.close()

    def _generate(self, entry, request):
        loaded = self._load(entry)
        if request.version not in ("", loaded.version):
            message = f"{entry.name} was trained again, so the images of this link no longer exist; generate new ones."
            raise AppError(409, "other_version", message)
        request = replace(request, version=loaded.version)
        if request not in self._generated:
            images = loaded.generator.sample(request.count, request.label, request.seed, request.truncation)
            images.setflags(write=False)
            labels = [request.label] * request.count if request.label else np.resize(entry.classes or "", request.count)
            generated = GeneratedImages(request, images, tuple(map(str, labels)))
            if images.nbytes > CACHE_BYTES:
                return generated
            self._generated[request] = generated
        return self._generated[request]

    def _load(self, entry):
        """The LoadedModel of an entry, read again if its files have changed."""
        try:
            stats = [path.stat() for path in (entry.weights, entry.directory / "model.json")]
            key = (entry.name, *((stat.st_mtime_ns, stat.st_size) for stat in stats))
            if key not in self._loaded:
                version = hashlib.sha256(entry.weights.read_bytes()).hexdigest()[:12]
                self._loaded[key] = LoadedModel(load_generator(entry), version, classifier_scores.load(entry))
            return self._loaded[key]
        except Exception as error:  # Keras raises all kinds of errors for damaged files and those of other versions
            log.exception("%s cannot be loaded", entry.name)
            message = f"The model {entry.name} cannot be loaded: its files are damaged, or from another version of"
            raise AppError(503, "model_damaged", f"{message} medgan_tf. The other models still work.") from error


def _check(entry, label, truncation=1.0):
    if label is not None and label not in entry.classes:
        classes = ", ".join(entry.classes)
        raise invalid_request(f"This model's classes are {classes}." if classes else "This model has no classes.")
    if truncation != 1 and not entry.has_styles:
        raise invalid_request(f"Only StyleGANs can be truncated; for a {entry.architecture} leave the truncation at 1.")


def load_generator(entry):
    """The generators.Generator of a `catalogue.Entry`, after its first calls.

    Keras compiles one program for the first batch size and one for all others, and their results differ in the last
    bit. Compiling in a fixed order makes a link give the same bytes on every replica, whatever was generated before.
    """
    generator = generators.load(entry.directory)
    for truncation in (1.0, 0.5) if entry.has_styles else (1.0,):
        for count in (1, 2, 3):
            generator.sample(count, truncation=truncation)
    return generator
