"""Small untrained StyleGAN generators in which every variable has an effect, for the tests of latents."""

import keras
import numpy as np

from medgan_tf import generators, networks

SETTINGS = {"latent_dim": 12, "channel_base": 256, "channel_max": 16, "mapping_layers": 2}


def generator(architecture="stylegan2", classes=(), image_size=16):
    """A generators.Generator; w_avg is not 0, and few pixels are clipped to black or white."""
    settings = SETTINGS | ({"num_layers": 4} if architecture == "stylegan3" else {})
    keras.utils.set_random_seed(1)
    network, _ = networks.build(architecture, image_size, len(classes), **settings)
    noise = np.random.default_rng(0)
    for variable in network.trainable_variables:
        variable.assign(variable.value + 0.2 * noise.standard_normal(variable.shape))
    synthesis = network.get_layer("synthesis")
    for layer in synthesis.to_image if architecture == "stylegan2" else []:
        layer.kernel.assign(0.15 * layer.kernel)
    network.get_layer("styles").w_avg.assign(0.3 * noise.standard_normal(SETTINGS["latent_dim"]))
    record = {"image_size": image_size, "classes": list(classes), "conditional": bool(classes)}
    return generators.Generator(network, record | {"settings": {"architecture": architecture, "network": settings}})
