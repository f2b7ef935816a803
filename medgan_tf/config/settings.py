"""The settings of a training, of the augmentation study and of a profile, as frozen dataclasses.

The comment behind a field explains it; `to_table` shows fields, values and comments, also in notebooks.
"""

import copy
import inspect
import re
from dataclasses import dataclass, field, fields, replace
from numbers import Integral

CONVERTED_SIZE = 256  # pixels of the longer side of converted DICOM files
FIELD = re.compile(r"^    (\w+): .*?  # (.*)$", re.MULTILINE)


class _Settings:
    """What the dataclasses of settings share: a table for notebooks."""

    def to_table(self):
        """A DataFrame, one row for each field: its value and what it means (the comment behind it)."""
        import pandas as pd

        meanings = dict(FIELD.findall(inspect.getsource(type(self))))
        rows = {each.name: (str(getattr(self, each.name)), meanings.get(each.name, "")) for each in fields(self)}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "meaning"])

    def _repr_html_(self):
        left = {"selector": "th, td", "props": "text-align: left"}
        return self.to_table().style.set_table_styles([left]).to_html()


@dataclass(frozen=True)
class TrainingConfig(_Settings):
    """Everything that a training depends on besides its data; recorded in model.json beside the weights.

    kimg stands for thousands of real images shown to the discriminator.
    """

    architecture: str  # a file in medgan_tf/networks: gan, dcgan, cgan, pggan, stylegan2 or stylegan3
    kimg: float  # length of the training
    kimg_per_epoch: float  # after each epoch: a row in log.csv, a grid of samples and a checkpoint
    network: dict = field(default_factory=dict)  # arguments of the architecture's build, such as base_filters
    init_from: str = ""  # "RUN/MODEL" or "pretrained/NAME", whose weights to start from; empty: random weights
    frozen_layers: int = 0  # with init_from, the discriminator's first convolutions that are not trained (FreezeD)
    loss: str = "non_saturating"  # of both networks: non_saturating, or wasserstein with penalty wgan_gp
    penalty: str = "none"  # gradient penalty of the discriminator: none, r1 or wgan_gp
    penalty_weight: float = 10.0  # factor of the gradient penalty
    penalty_interval: int = 1  # steps from one gradient penalty to the next (lazy regularisation)
    projected: dict = field(default_factory=dict)  # a projected discriminator: features, feature_size; empty: none
    projected_learning_rate: float = 2e-4  # of Adam for its heads
    critic_weight: float = 1.0  # of the critic in the generator's loss beside a projected discriminator; 0: no critic
    blur_kimg: float = 0.0  # at first the discriminator sees blurred images, less and less until this point
    path_length_weight: float = 0.0  # factor of the path length penalty of StyleGAN2; 0: none
    path_length_interval: int = 4  # steps from one path length penalty to the next
    discriminator_steps: int = 1  # discriminator updates for each generator update (n_critic)
    batch_size: int = 32  # images in each update, on all devices together
    generator_learning_rate: float = 2e-4  # of Adam
    discriminator_learning_rate: float = 2e-4  # of Adam
    beta_1: float = 0.5  # of Adam, decay of the mean of gradients
    beta_2: float = 0.999  # of Adam, decay of the mean of squared gradients
    decay_kimg: float = 0.0  # at the end both learning rates fall to zero along a cosine for so long
    ema_kimg: float = 1.0  # half-life of the running average of the generator's weights
    augmentation: dict = field(default_factory=dict)  # adaptive augmentation: target, adjust_kimg; empty: none
    balanced: bool = False  # every class appears equally often in the batches, instead of by its frequency
    precision: str = "float32"  # or mixed_float16, mixed_bfloat16
    jit_compile: bool = False  # compile the training step with XLA
    steps_per_execution: int = 8  # training steps in one call of the compiled function
    seed: int = 0  # of initial weights, order of images and all random numbers
    deterministic: bool = False  # the same seed gives the same weights to the bit on the same device; slower


@dataclass(frozen=True)
class AugmentationStudyConfig(_Settings):
    """What the augmentation study trains and compares; every classifier takes the same number of steps."""

    steps: int  # optimizer steps of every classifier
    seeds: tuple[int, ...]  # each with its own initial weights, order, subsets of patients and synthetic images
    ratios: tuple[float, ...] = (0.25, 0.5, 1, 2, 5)  # numbers of synthetic images, as multiples of real ones
    fractions: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5)  # parts of the real training images, by patient
    backbone: str = "small"  # or the name of a keras.applications model, for example DenseNet121; random weights
    batch_size: int = 64  # images in each step
    learning_rate: float = 2e-3  # of AdamW, at the beginning; it falls along a cosine
    specificity: float = 0.9  # on validation images, at which the operating point is chosen
    resamples: int = 2000  # bootstrap resamples of the test patients behind each interval


@dataclass(frozen=True)
class Profile(_Settings):
    """How much of everything a run does."""

    name: str  # smoke, quick, study or full
    image_size: int | tuple[int, ...]  # pixels of a square's side, (height, width), or (height, width, channels)
    phantom_patients: int  # size of the cohort of phantoms where no data are given
    segmenter_patients: int  # fresh phantoms that the phantom segmenter is trained with
    classifier_steps: int | None  # training steps of classifiers and segmenter; None: by the number of images
    evaluation_images: int  # generated images that each model is measured with
    repeats: int  # half-splits behind each interval
    inversion_steps: int  # gradient steps that bring a real image into a StyleGAN's latent space
    seeds: tuple[int, ...]  # of the ablation's trainings
    augmentation: AugmentationStudyConfig  # settings of the augmentation study
    models: dict[str, TrainingConfig]  # the models of a run
    ablation_models: dict[str, TrainingConfig]  # further trainings: ablations, few images, the overfitted control
    transfer_images: tuple[int, ...]  # numbers of training images in the transfer study
    transfer_seeds: tuple[int, ...]  # of its trainings, and of the draws of those images
    studies: bool = False  # the notebooks of config.STUDIES are run too, and all controls of notebook 04b

    def training(self, name, **changes):
        """The settings of one model or further training, with `changes` to fields; a copy, dictionaries included.

        >>> run.profile.training("gan", generator_learning_rate=1e-4)
        """
        return replace(copy.deepcopy((self.models | self.ablation_models)[name]), **changes)

    @property
    def converted_size(self):
        """The image_size of converted DICOM files: the same aspect, CONVERTED_SIZE pixels on the longer side."""
        pair = sides(self.image_size)
        return (
            CONVERTED_SIZE if len(set(pair)) == 1 else tuple(round(CONVERTED_SIZE * side / max(pair)) for side in pair)
        )

    @property
    def in_pixels(self):
        """The image size in words."""
        return in_pixels(self.image_size)


def shape(image_size):
    """(height, width, channels) of an image_size: everywhere the pixels of a square's side, (height, width) or that.

    Images have one channel, which is grey, where none are named. Raises ValueError for anything else.
    """
    numbers = tuple(image_size) if isinstance(image_size, list | tuple) else (image_size, image_size)
    if len(numbers) not in (2, 3) or not all(isinstance(each, Integral) for each in numbers):
        raise ValueError(
            "An image size is a number of pixels, a pair (height, width) or (height, width, channels), not"
            f" {image_size!r}."
        )
    return numbers if len(numbers) == 3 else (*numbers, 1)


def sides(image_size):
    """(height, width) of an image_size."""
    return shape(image_size)[:2]


def size_of(shape):
    """The shortest image_size that says (height, width, channels)."""
    height, width, channels = shape
    if channels > 1:
        return (height, width, channels)
    return height if height == width else (height, width)


def in_pixels(image_size):
    """An image_size in words: "64 px", or "64 x 96 px", the height first; "64 px in colour"."""
    height, width, channels = shape(image_size)
    pixels = f"{height} px" if height == width else f"{height} x {width} px"
    return pixels + {1: "", 3: " in colour"}.get(channels, f" with {channels} channels")
