"""What a training and a run are set by, as frozen dataclasses."""

from dataclasses import dataclass, field, replace
from numbers import Integral

LONGER = 256  # pixels of the longer side of converted DICOM files


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that a training depends on besides its data; recorded in model.json beside the weights."""

    architecture: str
    kimg: float  # length of the training in thousands of real images shown to the discriminator
    kimg_per_epoch: float  # a log row, a sample grid and a checkpoint after each of these
    network: dict = field(default_factory=dict)  # keyword arguments of the architecture's build
    init_from: str = ""  # "RUN/MODEL" of smaller images, whose weights are the initial ones; empty: random weights
    loss: str = "non_saturating"
    penalty: str = "none"
    penalty_weight: float = 10.0
    penalty_interval: int = 1
    blur_kimg: float = 0.0  # until then the discriminator sees blurred images
    path_length_weight: float = 0.0
    path_length_interval: int = 4
    discriminator_steps: int = 1
    batch_size: int = 32
    generator_learning_rate: float = 2e-4
    discriminator_learning_rate: float = 2e-4
    beta_1: float = 0.5
    beta_2: float = 0.999
    decay_kimg: float = 0.0  # at the end, in which both learning rates fall to zero along a cosine
    ema_kimg: float = 1.0
    augmentation: dict = field(default_factory=dict)  # keyword arguments of augment.Augmentation; empty: none
    balanced: bool = False  # classes take turns instead of appearing by their frequency
    precision: str = "float32"  # or "mixed_float16", "mixed_bfloat16"
    jit_compile: bool = False
    steps_per_execution: int = 8
    seed: int = 0
    deterministic: bool = False  # the same bits from the same seed on the same device, for a price in time


@dataclass(frozen=True)
class AugmentationStudyConfig:
    """What the augmentation study trains and compares; every classifier takes the same number of steps."""

    steps: int  # of the optimizer, whatever the arm
    seeds: tuple[int, ...]  # each with its own initial weights, order, subsets of patients and synthetic images
    ratios: tuple[float, ...] = (0.25, 0.5, 1, 2, 5)  # synthetic images to real training images
    fractions: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5)  # of the real training images, by patient
    backbone: str = "small"  # or the name of a keras.applications model, for example "DenseNet121"
    weights: str | None = None  # a weight file for that model; None: random ones
    batch_size: int = 64
    learning_rate: float = 2e-3
    specificity: float = 0.9  # on validation, where the operating point is chosen
    resamples: int = 2000  # of the test patients, behind each interval


@dataclass(frozen=True)
class Profile:
    """How much of everything a run does."""

    name: str
    image_size: int | tuple[int, int]  # pixels of a square's side, or (height, width)
    phantom_patients: int
    segmenter_patients: int  # fresh phantoms that the phantom segmenter is trained on
    classifier_steps: (
        int | None
    )  # training of what measures: domain classifier, judge, reader; None: by the data's size
    evaluation_images: int  # generated images that a model is measured by
    repeats: int  # half-splits behind each interval
    inversion_steps: int  # gradient steps that bring a real image into a StyleGAN's latents
    seeds: tuple[int, ...]  # of the ablation's trainings
    augmentation: AugmentationStudyConfig
    models: dict[str, TrainingConfig]
    parts: dict[str, TrainingConfig]  # what the ablations train besides the models

    def training(self, name, **changes):
        """The settings of one model or part of an ablation, with `changes` to fields."""
        return replace((self.models | self.parts)[name], **changes)

    @property
    def converted_size(self):
        """The image_size to convert DICOM files at: as large as LONGER allows, of the same aspect."""
        pair = sides(self.image_size)
        return LONGER if len(set(pair)) == 1 else tuple(round(LONGER * side / max(pair)) for side in pair)

    @property
    def in_pixels(self):
        """The image size in words."""
        return in_pixels(self.image_size)


def sides(image_size):
    """(height, width) of an image_size, which is everywhere the pixels of a square's side, or such a pair.

    Raises ValueError for anything else.
    """
    pair = tuple(image_size) if isinstance(image_size, list | tuple) else (image_size, image_size)
    if len(pair) != 2 or not all(isinstance(side, Integral) for side in pair):
        raise ValueError(f"An image size is a number of pixels or a pair (height, width), not {image_size!r}.")
    return pair


def in_pixels(image_size):
    """An image_size in words: "64 px", or "64 x 96 px", the height first."""
    height, width = sides(image_size)
    return f"{height} px" if height == width else f"{height} x {width} px"
