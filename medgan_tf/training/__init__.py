"""Training: the GAN and its training step, losses, augmentation, optimizers, callbacks, several devices.

`train(run, name)` trains a model of a prepared run; `build` and `fit` are its two halves, for a training of your own.
"""

from .train import build, fit, train

__all__ = ["build", "fit", "train"]
