"""The architectures by name. A new one is one file here and one entry in ARCHITECTURES."""

import importlib

from medgan_tf import config

ARCHITECTURES = {
    "gan": "dense generator and discriminator (Goodfellow et al. 2014)",
    "dcgan": "deep convolutional GAN (Radford et al. 2016)",
    "cgan": "conditional WGAN-GP with projection critic, self-attention by choice (Miyato and Koyama 2018)",
    "pggan": "progressively growing GAN, conditional by choice (Karras et al. 2018)",
    "stylegan2": "style-based GAN with mixing and truncation, conditional by choice (Karras et al. 2020)",
    "stylegan3": "style-based GAN without aliasing, T or R, conditional by choice (Karras et al. 2021)",
}
WITHOUT_LABELS = ("gan", "dcgan")


def build(name, image_size, num_classes=0, **settings):
    """Build the two networks of an architecture.

    name: a key of ARCHITECTURES. image_size: pixels, one number or (height, width). num_classes: 0 for a model
    without labels. settings: the keyword arguments of the architecture's own `build`.

    Returns (generator, discriminator), two keras.Model:
        generator      (B, latent_dim) float32 [, labels (B,) int32] -> (B, H, W, 1) float32 in [-1, 1]
        discriminator  (B, H, W, 1) float32 in [-1, 1] [, labels (B,) int32] -> (B, 1) float32, a score without sigmoid
    The labels are an input only where num_classes > 0. Raises ValueError for an unknown name or a size that the
    architecture cannot make.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"There is no architecture '{name}'; choose one of {', '.join(ARCHITECTURES)}.")
    module = importlib.import_module(f"{__name__}.{name}")
    return module.build(config.sides(image_size), num_classes, **settings)
