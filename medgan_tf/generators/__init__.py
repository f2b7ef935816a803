"""Trained generators: the one way in for notebooks, app and command line.

`load(model)` gives a `Generator`; `latents`, `inversion` and `equivariance` work on one.
"""

from .generator import Generator
from .loading import PRETRAINED, available, load

__all__ = ["PRETRAINED", "Generator", "available", "load"]
