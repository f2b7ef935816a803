"""An image as a model can make it, and what it becomes under the model's other classes."""

from dataclasses import dataclass

import numpy as np

from medgan_tf import generators
from medgan_tf.networks import sampling

STEPS = {"w+": 200, "z": 120}  # of gradient descent, by latent space
CENTRE_LATENTS = 2000  # whose mean w is the centre of a class


@dataclass(frozen=True)
class Reconstruction:
    """The nearest image that a model can make; all images are (H, W, 1) uint8."""

    original: np.ndarray
    image: np.ndarray
    versions: dict  # {class: the image under that class}, without the class of the reconstruction
    label: str | None  # the class given, or else the one that comes nearest; None for an unconditional model
    method: str  # how the latent was found, in words
    ssim: float
    psnr: float  # dB


def reconstruct(loaded, original, label=None):
    """The Reconstruction of an image (H, W, 1) uint8 by a `service.LoadedModel`."""
    names = [layer.name for layer in loaded.generator.network.layers]
    search = _invert_into_styles if "styles" in names else _match_latent
    found, best, *described = search(loaded.generator, loaded.classifiers.feature_classifier, original, label)
    similarity = float(found.ssim[best]), float(found.psnr[best])
    return Reconstruction(original, found.images[best], *described, *similarity)


def _invert_into_styles(generator, feature_classifier, original, label):
    found = generators.invert(generator, original[None], "w+", None, feature_classifier, STEPS["w+"])
    versions = {}
    if generator.classes:
        centres = {name: generator.map_latents(CENTRE_LATENTS, name).mean(axis=0) for name in generator.classes}
        mean_w = found.latents[0].mean(axis=0)
        label = label or min(centres, key=lambda name: np.linalg.norm(mean_w - centres[name]))
        steps = {name: centre - centres[label] for name, centre in centres.items() if name != label}
        versions = {name: generator.synthesise(found.latents + step)[0] for name, step in steps.items()}
    return found, 0, versions, label, f"inverted into the latents of the layers (w+) in {STEPS['w+']} steps"


def _match_latent(generator, feature_classifier, original, label):
    labels = [label] if label else list(generator.classes) or [None]
    given = labels if generator.classes else None
    originals = np.repeat(original[None], len(labels), 0)
    found = generators.invert(generator, originals, "z", given, feature_classifier, STEPS["z"])
    best = int(found.losses[-1].argmin())
    others = [name for name in generator.classes if name != labels[best]]
    z = np.repeat(found.latents[best : best + 1], len(others), axis=0)
    made = sampling.images(generator.network, z, generator.numbers(len(others), others)) if others else ()
    versions = dict(zip(others, made, strict=True))
    return found, best, versions, labels[best], f"matched to the nearest latent in {STEPS['z']} steps"
