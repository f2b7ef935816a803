"""The recipe of every model: for a GPU, as close to its paper as can be (PAPER), and for a CPU."""

from dataclasses import replace

from .settings import TrainingConfig


def _adam(learning_rate, **betas):
    """Settings of Adam for both networks."""
    return {"generator_learning_rate": learning_rate, "discriminator_learning_rate": learning_rate} | betas


# The paper's recipe, for a GPU: it needs batches of 128 and at least 25 epochs.
DCGAN_PAPER = TrainingConfig(
    "dcgan",
    kimg=2000,
    kimg_per_epoch=50,
    network={"base_filters": 64},
    batch_size=128,
    ema_kimg=10.0,
    jit_compile=True,
)
# For a CPU: half the filters, small batches, and a lazy R1 penalty instead of BatchNorm in the discriminator. Its
# weight follows the rule of the ADA paper: 0.0002 pixels / batch size, at 64 px and batches of 16.
DCGAN_CPU = TrainingConfig(
    "dcgan",
    kimg=20,
    kimg_per_epoch=4,
    network={"base_filters": 32, "discriminator_norm": "none"},
    penalty="r1",
    penalty_weight=0.05,
    penalty_interval=16,
    batch_size=16,
    **_adam(3e-4, beta_1=0.0),
    ema_kimg=5.0,
)
# Gulrajani et al. 2017, with the label in the score (Miyato and Koyama 2018) and self-attention (Zhang et al. 2019).
CGAN_PAPER = TrainingConfig(
    "cgan",
    kimg=2000,
    kimg_per_epoch=50,
    network={"residual": True, "attention": 32},
    loss="wasserstein",
    penalty="wgan_gp",
    discriminator_steps=5,
    **_adam(1e-4, beta_2=0.9),
    balanced=True,
    jit_compile=True,
)
# For a CPU: a quarter of the filters, attention where it is cheap, small batches, and two critic updates for each
# generator update instead of five: five times as many generator updates for the same number of images.
CGAN_CPU = replace(
    CGAN_PAPER,
    kimg=10,
    kimg_per_epoch=2,
    network={"base_filters": 128, "attention": 16},
    discriminator_steps=2,
    batch_size=16,
    **_adam(4e-4, beta_1=0.0),  # with this learning rate 0.5 overshoots
    ema_kimg=5.0,
    jit_compile=False,
)
# Sauer et al. 2021: a discriminator that looks through fixed features, beside the critic, which keeps the diversity.
PROJECTED = {"features": "imagenet", "feature_size": 64, "filters": 32}
# For a GPU it was not run yet, and it is not the paper's recipe, which has no critic and FastGAN's generator.
PROJECTED_PAPER = replace(
    CGAN_PAPER,
    network=CGAN_PAPER.network | {"critic_pooling": 2},  # the heads see what is fine: on a CPU a third of the time less
    projected=PROJECTED | {"feature_size": 256, "filters": 64},
    critic_weight=0.3,
)
# From random weights the heads win before there is anything to refine; notebook 04b begins with its conditional GAN.
PROJECTED_CPU = replace(
    CGAN_CPU, projected=PROJECTED, critic_weight=0.3, **_adam(2e-4, beta_1=0.0), decay_kimg=5.0, ema_kimg=2.0
)
# Karras et al. 2018, conditional and with attention: the last step of the ablation.
PGGAN_PAPER = replace(
    CGAN_PAPER,
    architecture="pggan",
    network={"attention": 32, "fade_kimg": 100.0, "stable_kimg": 100.0},
    **_adam(1e-3),
)
PGGAN_CPU = replace(
    CGAN_CPU,
    architecture="pggan",
    kimg_per_epoch=1,
    network={
        "base_filters": 64,
        "wide_size": 8,
        "attention": 16,
        "first_size": 8,
        "fade_kimg": 1.0,
        "stable_kimg": 1.0,
    },
    **_adam(1e-3),  # equalised weights have variance 1 and need larger steps
)
# Karras et al. 2020 (StyleGAN2-ADA, "auto" at 256 px and batches of 32). The paper corrects Adam's settings because its
# lazy penalties take extra steps, one in 16 or 4. Here they are added to the loss of a step: no correction is needed.
STYLEGAN2_PAPER = TrainingConfig(
    "stylegan2",
    kimg=2000,
    kimg_per_epoch=10,
    network={"mapping_layers": 2},
    penalty="r1",
    penalty_weight=0.4,
    penalty_interval=16,
    path_length_weight=2.0,
    **_adam(2.5e-3, beta_1=0.0, beta_2=0.99),
    ema_kimg=10.0,
    augmentation={"target": 0.6, "adjust_kimg": 500.0},
    precision="mixed_float16",
    jit_compile=True,
)
# For a CPU: an eighth of the channels, shorter vectors, no path length penalty. ADA would not start so soon.
STYLEGAN2_CPU = replace(
    STYLEGAN2_PAPER,
    kimg=10,
    kimg_per_epoch=2,
    network={"channel_base": 1024, "channel_max": 64, "latent_dim": 128, "mapping_layers": 2},
    penalty_weight=0.05,
    path_length_weight=0.0,
    batch_size=16,
    ema_kimg=5.0,
    augmentation={},
    precision="float32",
    jit_compile=False,
)
# Karras et al. 2021: no path length penalty, a stronger R1 penalty, a lower discriminator learning rate.
STYLEGAN3_PAPER = replace(
    STYLEGAN2_PAPER,
    architecture="stylegan3",
    network={"configuration": "T"},
    penalty_weight=2.0,
    path_length_weight=0.0,
    discriminator_learning_rate=2e-3,
)
# Filtering at twice the resolution makes it several times slower than StyleGAN2: half the channels, six layers.
STYLEGAN3_CPU = replace(
    STYLEGAN2_CPU,
    architecture="stylegan3",
    kimg=4,
    kimg_per_epoch=1,
    network={"channel_base": 512, "channel_max": 32, "latent_dim": 128, "num_layers": 6},
)
DENSE = TrainingConfig(
    "gan", kimg=20, kimg_per_epoch=2.5, batch_size=64, penalty="r1", penalty_weight=1.0, penalty_interval=16
)

# Positive control of the privacy audit: few images, no penalty, hardly any averaging, and a discriminator that is far
# ahead and trained long enough to learn all images by heart.
OVERFITTED = TrainingConfig(
    "dcgan",
    kimg=24,
    kimg_per_epoch=8,
    network={"base_filters": 16, "discriminator_norm": "none"},
    batch_size=16,
    discriminator_steps=4,
    **_adam(5e-4),
    ema_kimg=0.5,
)
OVERFITTED_IMAGES = 32
