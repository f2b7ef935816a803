"""The profiles smoke, quick, study and full: how much of everything a run does, and which recipes it trains.

For images that are not square, give a profile image_size=(height, width): images are padded to that aspect ratio.
"""

from dataclasses import replace

from .recipes import (
    CGAN_CPU,
    CGAN_PAPER,
    DCGAN_CPU,
    DCGAN_PAPER,
    DENSE,
    OVERFITTED,
    PGGAN_CPU,
    PGGAN_PAPER,
    PROJECTED,
    PROJECTED_CPU,
    PROJECTED_PAPER,
    STYLEGAN2_CPU,
    STYLEGAN2_PAPER,
    STYLEGAN3_CPU,
    STYLEGAN3_PAPER,
)
from .settings import AugmentationStudyConfig, Profile

# The ablation of notebook 04c: each step is the one before with one part more.
ABLATION = {"plain": "cgan_plain", "+ projection": "cgan_projection", "+ attention": "cgan", "+ growing": "pggan"}


# Notebooks with ablations and second configurations, which take longer than all others together.
STUDIES = ("03b_few_images", "04c_ablation", "04d_transfer", "05b_stylegan3")

# The model that the transfer study of notebook 04d begins with; its trainings have the same network.
TRANSFER_FROM = "pretrained/chest_xray_cgan"

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


def _ablation_models(dcgan, cgan, projected, stylegan3, transfer):
    """Further trainings: DCGAN for few images without and with ADA, ablations of the cGAN, controls, StyleGAN3-R.

    transfer: those of the transfer study.
    """
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
        "scratch": transfer,
        "transferred": replace(transfer, init_from=TRANSFER_FROM),
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
SMOKE_TRANSFER = replace(_smoke(CGAN_CPU), kimg=0.256)
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
        ablation_models=_ablation_models(SMOKE_DCGAN, SMOKE_CGAN, SMOKE_PROJECTED, SMOKE_STYLEGAN3, SMOKE_TRANSFER)
        | {"overfitted": _smoke(OVERFITTED)},
        transfer_images=(16,),
        transfer_seeds=(0, 1),
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
            replace(DCGAN_CPU, kimg=10, kimg_per_epoch=2.5),
            CGAN_CPU,
            PROJECTED_CPU,
            STYLEGAN3_CPU,
            replace(CGAN_CPU, kimg=4, kimg_per_epoch=1),
        ),
        transfer_images=(100, 300),
        transfer_seeds=(0, 1, 2),
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
            replace(DCGAN_PAPER, kimg=500, kimg_per_epoch=25),
            CGAN_PAPER,
            PROJECTED_PAPER,
            STYLEGAN3_PAPER,
            replace(CGAN_CPU, kimg=100, kimg_per_epoch=10, jit_compile=True),
        ),
        transfer_images=(100, 300, 900),
        transfer_seeds=(0, 1, 2),
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
