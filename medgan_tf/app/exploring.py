"""The views of the explorer: an image moved along directions, two images mixed, the way from one to another."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from medgan_tf.generators import latents

DIRECTIONS = 5  # that the explorer shows, those to which the layers react most


@dataclass(frozen=True)
class Moved:
    """The image of a seed, its vectors moved by `strengths` standard deviations of w along the first directions."""

    model: str
    label: str | None
    seed: int
    truncation: float
    strengths: tuple
    layers: str
    needs_styles: ClassVar[bool] = True

    def pictures(self, generator):
        """(1, H, W, 1) uint8."""
        w = generator.map_latents(1, self.label, self.seed, self.truncation)
        vectors = latents.directions(generator).vectors[: len(self.strengths)]
        return latents.moved(generator, w, vectors, self.strengths, self.layers)


@dataclass(frozen=True)
class Mixed:
    """The image of a seed with the vectors of `layers` from that of another seed."""

    model: str
    label: str | None
    seed: int
    other_seed: int
    truncation: float
    layers: str
    needs_styles: ClassVar[bool] = True

    def pictures(self, generator):
        """(3, H, W, 1) uint8: the image, the mixture, the other image."""
        seeds = self.seed, self.other_seed
        ws = [generator.for_layers(generator.map_latents(1, self.label, seed, self.truncation)) for seed in seeds]
        mixed = ws[0].copy()
        chosen = latents.layer_numbers(generator, self.layers)
        mixed[:, chosen] = ws[1][:, chosen]
        return generator.synthesise(np.concatenate([ws[0], mixed, ws[1]]))


@dataclass(frozen=True)
class Between:
    """The way from the first to the second latent of a seed, of one class; or of one latent to another class."""

    model: str
    label: str | None
    seed: int
    steps: int
    to_label: str | None = None
    needs_styles: ClassVar[bool] = False

    def pictures(self, generator):
        """(steps, H, W, 1) uint8."""
        if self.to_label is None:
            return generator.between_latents(self.steps, self.label, self.seed)
        return generator.between_classes(self.label, self.to_label, self.steps, self.seed)
