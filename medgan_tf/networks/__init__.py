"""The architectures, one file each; `build(name, ...)` returns the generator and discriminator of one.

Shared parts: layers, attention, growth (progressive growing), styles and alias_free (StyleGANs), resampling, projected
(a discriminator on the fixed features of efficientnet_lite0), replicas (several devices) and sampling (latents to uint8
images). A new architecture is one file here with a `build` and one entry in ARCHITECTURES.
"""

import importlib
import inspect

from medgan_tf import config

ARCHITECTURES = {
    "gan": "fully connected generator and discriminator (Goodfellow et al. 2014)",
    "dcgan": "deep convolutional GAN (Radford et al. 2016)",
    "cgan": "conditional WGAN-GP with projection critic, optional self-attention (Miyato and Koyama 2018)",
    "fastgan": "light generator for few images, conditional, with the critic of cgan (Liu et al. 2021)",
    "pggan": "progressively growing GAN, optionally conditional (Karras et al. 2018)",
    "stylegan2": "style-based GAN with style mixing and truncation, optionally conditional (Karras et al. 2020)",
    "stylegan3": "alias-free style-based GAN, configuration T or R, optionally conditional (Karras et al. 2021)",
}
WITHOUT_LABELS = ("gan", "dcgan")


def build(name, image_size, num_classes=0, **settings):
    """Build the two networks of an architecture, untrained.

    name: a key of ARCHITECTURES. image_size: pixels, one number, (height, width) or (height, width, channels), as in
    `config.shape`. num_classes: 0 for an unconditional model. settings: keyword arguments of the architecture's own
    `build`.

    Returns (generator, discriminator), two keras.Model:
        generator      (B, latent_dim) float32 [, labels (B,) int32] -> (B, H, W, C) float32 in [-1, 1]
        discriminator  (B, H, W, C) float32 in [-1, 1] [, labels (B,) int32] -> (B, 1) float32, a score without sigmoid
    They have the labels as input only if num_classes > 0. Raises ValueError for an unknown name or setting, or a size
    that the architecture cannot make.

    >>> generator, critic = networks.build("cgan", 64, num_classes=3, base_filters=128, attention=16)
    >>> images = generator([tf.random.normal((8, 100)), tf.zeros(8, tf.int32)])  # (8, 64, 64, 1)
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"There is no architecture '{name}'; choose one of {', '.join(ARCHITECTURES)}.")
    build_networks = importlib.import_module(f"{__name__}.{name}").build
    known = list(inspect.signature(build_networks).parameters)[3:]
    unknown = [setting for setting in settings if setting not in known]
    if unknown:
        raise ValueError(f"{name} has no setting {', '.join(unknown)}; its settings are {', '.join(known)}.")
    *size, channels = config.shape(image_size)
    return build_networks(tuple(size), num_classes, channels, **settings)
