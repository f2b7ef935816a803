"""The recipes of every model, for a GPU (PAPER) and for a CPU, and the profiles: smoke, quick, study, full.

For images that are not square, give a profile image_size=(height, width): images are padded to that aspect ratio.
"""

from dataclasses import replace

from .settings import AugmentationStudyConfig, Profile, TrainingConfig


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

# The ablation of notebook 04c: each step is the one before with one part more.
ABLATION = {"plain": "cgan_plain", "+ projection": "cgan_projection", "+ attention": "cgan", "+ growing": "pggan"}


# Notebooks with ablations and second configurations, which take longer than all others together.
STUDIES = ("03b_few_images", "04c_ablation", "05b_stylegan3")

# What the discriminator of notebook 04b looks through, at equal generator, images and seeds: model: features.
FEATURE_CONTROLS = {
    "cgan_longer": "no features: the critic alone",
    "projected_random": "random weights",
    "projected_own": "trained on the training split",
    "projected": "trained on ImageNet",
}


# Trainings that are those of a model but for what they study: they change with it.
DERIVED = {
    "dcgan": ("dcgan_few", "dcgan_few_ada"),
    "cgan": ("cgan_plain", "cgan_projection", "cgan_shuffled"),
    "projected": ("cgan_longer", "projected_random", "projected_own"),
    "stylegan3": ("stylegan3_r",),
}


def _ablation_models(dcgan, cgan, projected, stylegan3):
    """Further trainings: DCGAN for few images without and with ADA, ablations of the cGAN, controls, StyleGAN3-R."""
    # a small discriminator is rarely sure of its real images; p can go to 1 and back several times in a short training
    adaptive = {"target": 0.3, "adjust_kimg": dcgan.kimg / 16}
    turning = stylegan3.network | {"configuration": "R"}
    blur_kimg = min(stylegan3.batch_size * 200 / 32, stylegan3.kimg / 20)  # as the authors; less in a short training
    network = {name: value for name, value in cgan.network.items() if name != "attention"}
    return {
        "dcgan_few": dcgan,
        "dcgan_few_ada": replace(dcgan, augmentation=adaptive),
        "cgan_plain": replace(cgan, network=network | {"projection": False}),
        "cgan_projection": replace(cgan, network=network),
        "cgan_shuffled": cgan,
        "cgan_longer": replace(projected, projected={}),
        "projected_random": replace(projected, projected=projected.projected | {"features": "random"}),
        "projected_own": projected,  # features is the file that notebook 04b writes
        "overfitted": OVERFITTED,
        "stylegan3_r": replace(stylegan3, network=turning, blur_kimg=blur_kimg),
    }


def _models(*settings):
    return dict(zip(("gan", "dcgan", "cgan", "projected", "pggan", "stylegan2", "stylegan3"), settings, strict=True))


def _smoke(settings, **network):
    lengths = {"kimg": 0.512, "kimg_per_epoch": 0.256, "decay_kimg": min(settings.decay_kimg, 0.256)}
    return replace(settings, network=settings.network | network, **lengths)


SMOKE_CGAN = _smoke(CGAN_CPU, base_filters=32)
SMOKE_FEATURES = PROJECTED | {"feature_size": 32, "filters": 4}
SMOKE_PROJECTED = replace(_smoke(PROJECTED_CPU, base_filters=32), projected=SMOKE_FEATURES, discriminator_steps=1)
SMOKE_STYLES = {"channel_base": 256, "channel_max": 16, "latent_dim": 32}
SMOKE_STYLEGAN3 = _smoke(STYLEGAN3_CPU, num_layers=4, **SMOKE_STYLES)
SMOKE_DCGAN = _smoke(DCGAN_CPU, base_filters=8)
PROFILES = {
    "smoke": Profile(
        "smoke",
        image_size=32,
        phantom_patients=80,
        segmenter_patients=24,
        classifier_steps=20,
        evaluation_images=64,
        repeats=4,
        inversion_steps=20,
        seeds=(0,),
        augmentation=AugmentationStudyConfig(steps=20, seeds=(0, 1), ratios=(1,), fractions=(0.25,), resamples=200),
        models=_models(
            _smoke(DENSE),
            SMOKE_DCGAN,
            SMOKE_CGAN,
            SMOKE_PROJECTED,
            _smoke(PGGAN_CPU, base_filters=16, fade_kimg=0.064, stable_kimg=0.064),
            _smoke(STYLEGAN2_CPU, **SMOKE_STYLES),
            SMOKE_STYLEGAN3,
        ),
        ablation_models=_ablation_models(SMOKE_DCGAN, SMOKE_CGAN, SMOKE_PROJECTED, SMOKE_STYLEGAN3)
        | {"overfitted": _smoke(OVERFITTED)},
    ),
    "study": Profile(
        "study",
        image_size=64,
        phantom_patients=400,
        segmenter_patients=600,
        classifier_steps=None,
        evaluation_images=1000,
        repeats=20,
        inversion_steps=300,
        seeds=(0,),
        augmentation=AugmentationStudyConfig(
            steps=200, seeds=(0, 1, 2), ratios=(0.5, 1, 2), fractions=(0.1, 0.25, 0.5)
        ),
        models=_models(DENSE, DCGAN_CPU, CGAN_CPU, PROJECTED_CPU, PGGAN_CPU, STYLEGAN2_CPU, STYLEGAN3_CPU),
        ablation_models=_ablation_models(
            replace(DCGAN_CPU, kimg=10, kimg_per_epoch=2.5), CGAN_CPU, PROJECTED_CPU, STYLEGAN3_CPU
        ),
        studies=True,
    ),
    "full": Profile(
        "full",
        image_size=256,
        phantom_patients=4000,
        segmenter_patients=1000,
        classifier_steps=None,
        evaluation_images=5000,
        repeats=40,
        inversion_steps=1000,
        seeds=(0, 1, 2),
        augmentation=AugmentationStudyConfig(steps=4000, seeds=(0, 1, 2, 3, 4)),
        models=_models(
            replace(DENSE, kimg=500, kimg_per_epoch=25),
            DCGAN_PAPER,
            CGAN_PAPER,
            PROJECTED_PAPER,
            PGGAN_PAPER,
            STYLEGAN2_PAPER,
            STYLEGAN3_PAPER,
        ),
        ablation_models=_ablation_models(
            replace(DCGAN_PAPER, kimg=500, kimg_per_epoch=25), CGAN_PAPER, PROJECTED_PAPER, STYLEGAN3_PAPER
        ),
        studies=True,
    ),
}
# A quarter of an hour on two cores: shorter trainings than those of the studies, and fewer repeats.
QUICK_PROJECTED = replace(PROJECTED_CPU, kimg=3, kimg_per_epoch=1, decay_kimg=1.5, ema_kimg=1.0)
PROFILES["quick"] = replace(
    PROFILES["study"],
    name="quick",
    phantom_patients=300,
    evaluation_images=500,
    repeats=10,
    inversion_steps=150,
    augmentation=AugmentationStudyConfig(steps=200, seeds=(0, 1), ratios=(1,), fractions=(0.25,)),
    models=PROFILES["study"].models
    | {
        "gan": replace(DENSE, kimg=10),
        "dcgan": replace(DCGAN_CPU, kimg=10, kimg_per_epoch=2.5),
        "projected": QUICK_PROJECTED,
        "stylegan2": replace(
            STYLEGAN2_CPU, kimg=STYLEGAN2_CPU.kimg / 2, kimg_per_epoch=STYLEGAN2_CPU.kimg_per_epoch / 2
        ),
    },
    ablation_models=PROFILES["study"].ablation_models | {"cgan_longer": replace(QUICK_PROJECTED, projected={})},
    studies=False,
)
