"""The privacy audit of a trained generator: memorisation, membership inference, and the controls of both."""

from pathlib import Path

import numpy as np

from medgan_tf import config, generators, training
from medgan_tf.intervals import split_halves

from .membership import attack_record, discriminator_attack, distance_attack
from .memorisation import memorisation, sample_patients

COPIER_NOISE = 4  # standard deviation of the copier's noise in grey levels
COPIER_SHIFT = 3  # largest shift in pixels


def audit(model_dir, data, extractor, count, cache=None, seed=2):
    """Audit one trained model: the record "privacy/MODEL" of results.json.

    data: the datasets.ImageDataset that the model was trained on; members are its training images, the others its test
    images, and the validation images are the attacker's own. count: synthetic images that are looked at, and members
    that are attacked at most. Returns {"memorisation", "attacks", "controls", "n", "seed", "architecture", "training"}.
    """
    model = generators.load(model_dir, measured_on=data)
    images = images_to_audit(model, data, count, seed)
    found = audit_images(images, data, extractor, cache, seed, _load_gan(model_dir, model))
    return found | {"architecture": model.record["settings"]["architecture"], "training": model.record["data"]}


def audit_images(synthetic, data, extractor, cache=None, seed=2, gan=None):
    """Audit images from any source like `audit`; without a training.GAN there is no discriminator attack."""
    members = data.train.take(sample_patients(data.train.patients, len(synthetic), seed))
    scores = {} if gan is None else {"discriminator": discriminator_attack(gan, members, data.test)}
    scores["distance"] = distance_attack(synthetic, members, data.test, data.validation)
    copies = memorisation(synthetic, data.train, data.held_out, extractor, cache, seed)
    patients, attacks, controls = (members.patients, data.test.patients), {}, {}
    for name, pair in scores.items():
        attacks[name] = attack_record(*pair, *patients, seed)
        nulls = [_null_attack(*group, seed) for group in zip(pair, patients, strict=True)]
        controls[name] = dict(zip(("members against members", "unseen against unseen"), nulls, strict=True))
    return {"memorisation": copies, "attacks": attacks, "controls": controls, "n": len(synthetic), "seed": seed}


def _load_gan(model_dir, model):
    """The training.GAN of a generator with the weights of its checkpoint. Raises ValueError without one."""
    checkpoint = Path(model_dir) / "state.npz"
    if not checkpoint.exists():
        raise ValueError(f"{model_dir} has no state.npz: its discriminator is gone, so train the model again.")
    settings = config.TrainingConfig(**model.record["settings"])
    gan = training.build(settings, model.record["image_size"], len(model.classes))
    gan.load_state(checkpoint)
    return gan


def copier(data, count, seed=0):
    """uint8 (count, H, W, 1): training images, shifted by a few pixels and noisy, every other one mirrored.

    The positive control, the worst possible generator: the audit must detect it.
    """
    rng = np.random.default_rng(seed)
    images = data.train.images[rng.integers(len(data.train), size=count)].astype(np.float32)
    shifts = rng.integers(-COPIER_SHIFT, COPIER_SHIFT + 1, (count, 2))
    moved = np.stack([np.roll(image, tuple(shift), (0, 1)) for image, shift in zip(images, shifts, strict=True)])
    moved[::2] = moved[::2, :, ::-1]
    return np.clip(moved + rng.normal(0, COPIER_NOISE, moved.shape), 0, 255).round().astype(np.uint8)


def images_to_audit(model, data, count, seed=2):
    """The synthetic images of an audit, uint8 (count, H, W, 1), encoded like the training images.

    A conditional model draws the classes in the proportions of the training split.
    """
    labels = np.resize(data.train.shuffled(0).labels, count) if model.classes else None
    return model.sample_set(count, labels, seed=seed).as_jpg(data.train.jpg_quality).images


def _null_attack(scores, patients, seed):
    """The record of an attack without anything to find: half of a group's patients against the other half."""
    first, second = split_halves(patients, seed)
    return attack_record(scores[first], scores[second], patients[first], patients[second], seed)
