"""Training: one file for each algorithm (wgan_gp, non_saturating, stylegan) on the base in gan.py.

`train(run, name)` trains a model of a prepared run. Its two stages, to call yourself for a custom training:
`build(settings, image_size, num_classes)` gives the compiled Keras model, and
`fit(gan, settings, data, folder)` trains it with its callbacks.
"""

from .build import build
from .feature_network import train_features
from .gan import GAN
from .non_saturating import NonSaturatingGAN
from .stylegan import StyleGAN
from .train import fit, train
from .wgan_gp import WGANGP
