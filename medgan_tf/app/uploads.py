"""An uploaded picture, what a model makes of it, and what that would be under the model's other conditions."""

from dataclasses import dataclass
from threading import BoundedSemaphore

import numpy as np

from medgan_tf.app import decoding
from medgan_tf.dicom import isolation
from medgan_tf.generators import inversion, matching
from medgan_tf.networks import sampling

from .errors import AppError

DECODING_SECONDS = 20
DECODING_MEMORY = 2**30  # bytes of address space, a third of which the interpreter takes; the largest grey pictures fit
WAITING_SECONDS = 60
STEPS = {"w+": 200, "z": 120}
CENTRE = 2000  # latents whose mean is the centre of a class in w
_places = BoundedSemaphore(2)  # files are decoded at once; each keeps a process


@dataclass(frozen=True)
class Inverted:
    """original and reconstruction (H, W, 1) uint8; versions {class: (H, W, 1)}; how near the two first are.

    label: the class given or, for a model with classes and no given one, the class that comes nearest. method: how the
    latent was found, in words.
    """

    original: np.ndarray
    reconstruction: np.ndarray
    versions: dict
    label: str | None
    ssim: float
    psnr: float
    method: str


def read(data, image_size):
    """(H, W, 1) uint8 of an uploaded file, by image_size. Raises AppError, in one sentence."""
    if not data:
        raise AppError(422, "unreadable_image", "The file is empty; choose a PNG, JPG or DICOM image.")
    if len(data) > decoding.MAX_BYTES:
        raise AppError(413, "too_large", f"Files of more than {decoding.MAX_BYTES >> 20} MB are refused.")
    if not _places.acquire(timeout=WAITING_SECONDS):
        raise AppError(503, "busy", "Too many people are waiting; try again in a minute.")
    try:
        decoding.kind(data)
        limits = {"seconds": DECODING_SECONDS, "memory": DECODING_MEMORY}
        return isolation.call(decoding.decode, data, image_size, **limits)
    except decoding.RefusedError as error:
        raise AppError(422, "unreadable_image", str(error)) from error
    except MemoryError as error:
        sentence = f"The file cannot be read: its picture takes more than {DECODING_MEMORY >> 20} MB of memory."
        raise AppError(422, "unreadable_image", sentence) from error
    except isolation.Crashed as error:
        raise AppError(422, "unreadable_image", f"The file cannot be read: it {error}.") from error
    finally:
        _places.release()


def invert(loaded, original, label=None):
    """The Inverted of an image (H, W, 1) uint8 by a `service.Loaded`."""
    generator = loaded.generator
    has_styles = "styles" in [layer.name for layer in generator.network.layers]
    return (_by_styles if has_styles else _by_latents)(loaded, generator, original, label)


def _by_styles(loaded, generator, original, label):
    found = inversion.invert(generator, original[None], loaded.opinions.feature_classifier, "w+", STEPS["w+"])
    versions = {}
    if generator.classes:
        centres = {name: generator.map_latents(CENTRE, name).mean(axis=0) for name in generator.classes}
        middle = found.ws[0].mean(axis=0)
        label = label or min(centres, key=lambda name: np.linalg.norm(middle - centres[name]))
        versions = {
            name: generator.synthesise(found.ws + (centre - centres[label]))[0]
            for name, centre in centres.items()
            if name != label
        }
    method = f"inverted into the layers' latents (w+) in {STEPS['w+']} steps"
    return Inverted(original, found.images[0], versions, label, float(found.ssim[0]), float(found.psnr[0]), method)


def _by_latents(loaded, generator, original, label):
    labels = [label] if label else list(generator.classes) or [None]
    given = labels if generator.classes else None
    found = matching.match(
        generator, np.repeat(original[None], len(labels), 0), given, loaded.opinions.feature_classifier, STEPS["z"]
    )
    best = int(found.losses.argmin())
    others = [name for name in generator.classes if name != labels[best]]
    z = np.repeat(found.z[best : best + 1], len(others), axis=0)
    made = sampling.images(generator.network, z, generator.numbers(len(others), others)) if others else ()
    method = f"matched to the nearest latent in {STEPS['z']} steps"
    scores = float(found.ssim[best]), float(found.psnr[best])
    return Inverted(original, found.images[best], dict(zip(others, made, strict=True)), labels[best], *scores, method)
