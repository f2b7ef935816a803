"""Trained generators: load one, sample, explore its latent space, invert real images, measure equivariance.

    from medgan_tf import generators

    model = generators.load("pretrained/chest_xray_cgan")  # or "RUN/MODEL", or a folder
    images = model.sample(16, label="normal", seed=0)  # uint8 (16, 64, 64, 1)

`available` lists the models by name, `Generator` documents what a model can do. `generators.latents` has the tools for
the styles of StyleGANs: style mixing, truncation, directions.
"""

from . import latents
from .equivariance import measure_equivariance
from .generator import Generator
from .inversion import Inversion, invert
from .loading import available, load
