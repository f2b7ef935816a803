"""Settings as frozen dataclasses, and the three profiles: smoke, quick, full."""

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True)
class Training:
    """Everything that a training depends on besides its data; recorded in model.json beside the weights."""

    architecture: str
    kimg: float  # length of the training in thousands of real images shown to the discriminator
    epoch_kimg: float  # a log row, a sample grid and a checkpoint after each of these
    network: dict = field(default_factory=dict)  # keyword arguments of the architecture's build
    loss: str = "non_saturating"
    penalty: str = "none"
    penalty_weight: float = 10.0
    penalty_interval: int = 1
    path_length_weight: float = 0.0
    path_length_interval: int = 4
    discriminator_steps: int = 1
    batch_size: int = 32
    generator_learning_rate: float = 2e-4
    discriminator_learning_rate: float = 2e-4
    beta_1: float = 0.5
    beta_2: float = 0.999
    schedule: str = "constant"  # or "cosine", down to zero at the end
    ema_kimg: float = 1.0
    augmentation: dict = field(default_factory=dict)  # keyword arguments of augment.Augmentation; empty: none
    balanced: bool = False  # classes take turns instead of appearing by their frequency
    precision: str = "float32"  # or "mixed_float16", "mixed_bfloat16"
    jit_compile: bool = False
    steps_per_execution: int = 8
    seed: int = 0


@dataclass(frozen=True)
class Profile:
    """How much of everything a run does."""

    name: str
    image_size: int  # pixels of the converted and of the trained images
    phantom_patients: int
    reader_patients: int  # fresh ones, for the reader of phantoms
    domain_steps: int | None  # training of what measures: domain classifier, judge, reader; None: by the data's size
    evaluation_images: int  # generated images that a model is measured by
    repeats: int  # half-splits behind each interval
    seeds: tuple[int, ...]  # of the ablation's trainings
    models: dict[str, Training]
    parts: dict[str, Training]  # what the ablations train besides the models

    def training(self, name, **changes):
        """The settings of one model or part of an ablation, with `changes` to fields."""
        return replace((self.models | self.parts)[name], **changes)


# The paper's recipe needs batches of 128 and 25 epochs and more; it is the one for a GPU.
DCGAN_PAPER = Training(
    "dcgan",
    kimg=2000,
    epoch_kimg=50,
    network={"base_filters": 64},
    batch_size=128,
    ema_kimg=10.0,
    jit_compile=True,
)
# On a CPU: half the filters, small batches, a lazy R1 penalty in place of BatchNorm in the discriminator.
DCGAN_CPU = Training(
    "dcgan",
    kimg=50,
    epoch_kimg=5,
    network={"base_filters": 32, "discriminator_norm": "none"},
    penalty="r1",
    penalty_weight=1.0,
    penalty_interval=16,
    batch_size=16,
    generator_learning_rate=3e-4,
    discriminator_learning_rate=3e-4,
    ema_kimg=5.0,
)
# Gulrajani et al. 2017, with the label in the score (Miyato and Koyama 2018) and self-attention (Zhang et al. 2019).
CGAN_PAPER = Training(
    "cgan",
    kimg=2000,
    epoch_kimg=50,
    network={"residual": True, "attention": 32},
    loss="wasserstein",
    penalty="wgan_gp",
    discriminator_steps=5,
    generator_learning_rate=1e-4,
    discriminator_learning_rate=1e-4,
    beta_2=0.9,
    balanced=True,
    jit_compile=True,
)
# On a CPU: a quarter of the filters, attention where it costs little, and small batches of which the critic sees two
# instead of five, for five times the generator updates in the images seen.
CGAN_CPU = replace(
    CGAN_PAPER,
    kimg=10,
    epoch_kimg=2,
    network={"base_filters": 128, "attention": 16},
    discriminator_steps=2,
    batch_size=16,
    generator_learning_rate=4e-4,
    discriminator_learning_rate=4e-4,
    ema_kimg=5.0,
    jit_compile=False,
)
# Karras et al. 2018, conditional and with attention: the ablation's last step.
PGGAN_PAPER = replace(
    CGAN_PAPER,
    architecture="pggan",
    network={"attention": 32, "fade_kimg": 100.0, "stable_kimg": 100.0},
    generator_learning_rate=1e-3,
    discriminator_learning_rate=1e-3,
)
PGGAN_CPU = replace(
    CGAN_CPU,
    architecture="pggan",
    epoch_kimg=1,
    network={
        "base_filters": 64,
        "wide_size": 8,
        "attention": 16,
        "first_size": 8,
        "fade_kimg": 1.0,
        "stable_kimg": 1.0,
    },
    # equalised weights have variance 1, which takes larger steps
    generator_learning_rate=1e-3,
    discriminator_learning_rate=1e-3,
)
DENSE = Training("gan", kimg=20, epoch_kimg=2.5, batch_size=64, penalty="r1", penalty_weight=1.0, penalty_interval=16)

# The ablation of notebook 04: each step is the one before with one part more.
ABLATION = {
    "plain": "cgan_plain",
    "+ projection": "cgan_projection",
    "+ attention": "cgan",
    "+ growing": "pggan",
}


def _parts(dcgan, cgan):
    """DCGAN for few images, without and with adaptive augmentation; the conditional GAN without its parts.

    The weight of R1 is that of the ADA paper's rule, 0.0002 pixels / batch at 64 px and a batch of 16: a stronger
    penalty keeps the discriminator from learning images by heart all by itself.
    """
    few = replace(dcgan, penalty_weight=0.05)
    adaptive = {"target": 0.6, "adjust_kimg": few.kimg / 4}  # p can go to 1 and back in the time there is
    network = {name: value for name, value in cgan.network.items() if name != "attention"}
    return {
        "dcgan_few": few,
        "dcgan_few_ada": replace(few, augmentation=adaptive),
        "cgan_plain": replace(cgan, network=network | {"projection": False}),
        "cgan_projection": replace(cgan, network=network),
        "cgan_shuffled": cgan,
    }


def _smoke(settings, **network):
    return replace(settings, kimg=0.512, epoch_kimg=0.256, network=settings.network | network)


SMOKE_CGAN = _smoke(CGAN_CPU, base_filters=32)
SMOKE_DCGAN = _smoke(DCGAN_CPU, base_filters=8)
PROFILES = {
    "smoke": Profile(
        "smoke",
        image_size=64,
        phantom_patients=80,
        reader_patients=24,
        domain_steps=20,
        evaluation_images=64,
        repeats=4,
        seeds=(0,),
        models={
            "gan": _smoke(DENSE),
            "dcgan": SMOKE_DCGAN,
            "cgan": SMOKE_CGAN,
            "pggan": _smoke(PGGAN_CPU, base_filters=16, fade_kimg=0.064, stable_kimg=0.064),
        },
        parts=_parts(SMOKE_DCGAN, SMOKE_CGAN),
    ),
    "quick": Profile(
        "quick",
        image_size=64,
        phantom_patients=400,
        reader_patients=600,
        domain_steps=None,
        evaluation_images=1000,
        repeats=20,
        seeds=(0,),
        models={"gan": DENSE, "dcgan": DCGAN_CPU, "cgan": CGAN_CPU, "pggan": PGGAN_CPU},
        parts=_parts(replace(DCGAN_CPU, kimg=10, epoch_kimg=2.5), CGAN_CPU),
    ),
    "full": Profile(
        "full",
        image_size=256,
        phantom_patients=4000,
        reader_patients=1000,
        domain_steps=None,
        evaluation_images=5000,
        repeats=40,
        seeds=(0, 1, 2),
        models={
            "gan": replace(DENSE, kimg=500, epoch_kimg=25),
            "dcgan": DCGAN_PAPER,
            "cgan": CGAN_PAPER,
            "pggan": PGGAN_PAPER,
        },
        parts=_parts(replace(DCGAN_PAPER, kimg=500, epoch_kimg=25), CGAN_PAPER),
    ),
}


@dataclass(frozen=True)
class Run:
    """One folder under outputs/ and what went into it: the profile and the folders of data (none: phantoms)."""

    name: str
    profile: Profile
    data: tuple[Path, ...]

    @property
    def directory(self):
        """Everything that the run makes is below."""
        return outputs() / self.name

    @property
    def images(self):
        """manifest.csv with the splits, and the images where the run converted them."""
        return self.directory / "images"

    @property
    def domain(self):
        """The domain classifier."""
        return self.directory / "domain"

    def model(self, name, seed=0):
        """The folder of one model; that of another seed than the first is named after it."""
        return self.directory / "models" / (f"{name}_seed{seed}" if seed else name)

    def trained(self):
        """The names of the models that have weights, in the order of the profile."""
        return [name for name in self.profile.models if (self.model(name) / "generator.weights.h5").exists()]


def open_run(name="", profile="quick", data=()):
    """The run of this name, made if it is new; by default it is named after its profile and data.

    A run keeps its profile and data: raises ValueError if it was begun with others, or for an unknown profile.
    """
    if profile not in PROFILES:
        raise ValueError(f"There is no profile '{profile}'; choose one of {', '.join(PROFILES)}.")
    folders = tuple(Path(folder).expanduser().resolve() for folder in data)
    for folder in folders:
        if not folder.is_dir():
            raise ValueError(f"{folder} is not a folder; DATA takes folders of DICOM files or of images by class.")
    name = name or "-".join([profile, *(folder.name for folder in folders)] if folders else [profile, "phantoms"])
    run = Run(name, PROFILES[profile], folders)
    record = {"profile": profile, "data": [str(folder) for folder in folders]}
    path = run.directory / "run.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=2))
    elif json.loads(path.read_text()) != record:
        raise ValueError(f"{run.directory} was begun with other data or another profile; give this run a new name.")
    return run


def outputs():
    """outputs/ beside the notebooks, or the folder that the environment variable MEDGAN_TF_OUTPUTS names."""
    return Path(os.environ.get("MEDGAN_TF_OUTPUTS", Path(__file__).resolve().parents[1] / "outputs"))
