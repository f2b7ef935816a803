"""From the settings of a training to its compiled Keras model."""

import keras
import tensorflow as tf

from medgan_tf import networks
from medgan_tf.networks import projected
from medgan_tf.training import distribution, optimizers
from medgan_tf.training.augment import Augmentation
from medgan_tf.training.non_saturating import NonSaturatingGAN
from medgan_tf.training.projected import ProjectedGAN
from medgan_tf.training.stylegan import StyleGAN
from medgan_tf.training.wgan_gp import WGANGP

PROJECTED_VIEW = ("translation", "cutout")  # brightness and contrast would make the heads blind to grey levels


def build(settings, image_size, num_classes=0):
    """The compiled GAN of a config.TrainingConfig, with untrained networks.

    Sets Keras's seed, precision and determinism for this process. Raises ValueError for settings that contradict each
    other and for a batch that the devices cannot share evenly.
    """
    _check(settings)
    strategy = distribution.strategy()
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    distribution.check_batch_size(settings.batch_size, strategy)
    keras.utils.set_random_seed(settings.seed)
    keras.config.set_dtype_policy(settings.precision)
    with strategy.scope():
        generator, discriminator = networks.build(settings.architecture, image_size, num_classes, **settings.network)
        _freeze(discriminator, settings.frozen_layers)
        gan = _gan(settings, generator, discriminator, num_classes)
        gan.compile(
            *_optimizers(settings),
            jit_compile=settings.jit_compile,
            # Keras's loop over several steps does not run on more than one device
            steps_per_execution=1 if tf.distribute.has_strategy() else settings.steps_per_execution,
        )
    return gan


def _freeze(discriminator, count):
    """Stop the training of the first `count` convolutions, which read the image (FreezeD, Mo et al. 2020, 2002.10964).

    A residual block has three. Raises ValueError where there are fewer.
    """
    kernels = {layer: getattr(layer, "kernel", None) for layer in discriminator.layers}
    convolutions = [layer for layer, kernel in kernels.items() if kernel is not None and len(kernel.shape) == 4]
    if count > len(convolutions):
        raise ValueError(f"frozen_layers is {count}, but the discriminator has {len(convolutions)} convolutions.")
    for layer in convolutions[:count]:
        layer.trainable = False


def _optimizers(settings):
    """Those of the generator, the discriminator and, where there are any, the heads of a projected discriminator."""
    images = settings.batch_size
    yield optimizers.adam(settings.generator_learning_rate, settings, images * settings.discriminator_steps)
    yield optimizers.adam(settings.discriminator_learning_rate, settings, images)
    if settings.projected:
        yield optimizers.adam(settings.projected_learning_rate, settings, images)


def _gan(settings, generator, discriminator, num_classes):
    """The networks in the class of their training step."""
    shared = {
        "discriminator_steps": settings.discriminator_steps,
        "ema_kimg": settings.ema_kimg,
        "augmentation": Augmentation(**settings.augmentation) if settings.augmentation else None,
        "seed": settings.seed,
    }
    if settings.projected:
        *size, channels = discriminator.inputs[0].shape[1:]
        heads = projected.build(size, num_classes, channels=channels, **settings.projected)
        shared |= {"penalty_weight": settings.penalty_weight, "view": Augmentation(policy=PROJECTED_VIEW)}
        return ProjectedGAN(generator, discriminator, heads, critic_weight=settings.critic_weight, **shared)
    if settings.loss == "wasserstein":
        return WGANGP(generator, discriminator, penalty_weight=settings.penalty_weight, **shared)
    if settings.penalty == "r1":
        shared |= {"r1_weight": settings.penalty_weight, "r1_interval": settings.penalty_interval}
    if not _is_stylegan(settings):
        return NonSaturatingGAN(generator, discriminator, **shared)
    return StyleGAN(
        generator,
        discriminator,
        path_length_weight=settings.path_length_weight,
        path_length_interval=settings.path_length_interval,
        blur_kimg=settings.blur_kimg,
        **shared,
    )


def _is_stylegan(settings):
    return settings.architecture.startswith("stylegan")


def _check(settings):
    """Raise ValueError for settings that contradict each other."""
    chosen = settings.loss, settings.penalty
    if chosen not in (("non_saturating", "none"), ("non_saturating", "r1"), ("wasserstein", "wgan_gp")):
        raise ValueError(
            f"There is no training step with loss '{settings.loss}' and penalty '{settings.penalty}'; choose"
            " 'non_saturating' with 'none' or 'r1', or 'wasserstein' with 'wgan_gp'."
        )
    if settings.projected and settings.loss != "wasserstein":
        raise ValueError("A projected discriminator trains beside WGAN-GP's critic: set loss to 'wasserstein'.")
    if settings.penalty == "wgan_gp" and settings.penalty_interval != 1:
        raise ValueError("WGAN-GP takes its penalty at every step: set penalty_interval to 1.")
    if not 0 <= settings.decay_kimg <= settings.kimg:
        raise ValueError(
            f"decay_kimg must lie between 0 and kimg, which is {settings.kimg:g}; it is {settings.decay_kimg:g}."
        )
    if settings.frozen_layers < 0 or (settings.frozen_layers and not settings.init_from):
        raise ValueError(
            f"frozen_layers is {settings.frozen_layers}: it counts layers that keep the weights of the model named by"
            " init_from, and is 0 for random weights."
        )
    if settings.frozen_layers and settings.architecture == "pggan":
        raise ValueError("A growing discriminator begins with its coarse layers: set frozen_layers to 0 for pggan.")
    if (settings.path_length_weight or settings.blur_kimg) and not _is_stylegan(settings):
        raise ValueError(f"path_length_weight and blur_kimg are for StyleGANs, not for {settings.architecture}.")
    if settings.path_length_weight and settings.architecture == "stylegan3" and settings.precision != "float32":
        raise ValueError(
            "StyleGAN3 has no path length penalty in half precision: use precision float32 or path_length_weight 0."
        )
