"""Differentiable augmentation of all images that the discriminator sees, with fixed or adaptive strength.

DiffAugment (Zhao et al. 2020, arXiv 2006.10738) transforms real and generated images alike and lets the generator's
gradient through: the discriminator of a small data set overfits later, and samples do not show the transformations.
ADA (Karras et al. 2020, arXiv 2006.06676) applies each transformation with a probability p that grows while the
discriminator overfits its real images.
"""

from functools import partial
from typing import NamedTuple

import keras
import tensorflow as tf

from medgan_tf.networks.replicas import draw

BLUR = 10.0  # pixels, the initial sigma of `blurred` for StyleGAN3-R
BACKGROUND = -1.0  # black
OUTSIDE = -1e6  # pixels: a square centred there covers nothing


class Transformation(NamedTuple):
    """A kind of transformation of a batch of images, with one row of parameters per image."""

    neutral: float  # parameter with which it changes nothing
    draw: callable  # (B, 2) uniform in [0, 1) and the size (height, width) -> (B, k) parameters
    apply: callable  # (B, H, W, C) images and (B, k) parameters -> images


def _brighten(images, values):
    return images + tf.cast(values, images.dtype)[:, :, None, None]


def _translate(images, values):
    """Move down and right by whole pixels; the uncovered part is black, the background of X-rays (paper: mid-grey)."""
    for axis in (1, 2):
        places, shift = _along(axis, images, values)
        sources = places - shift
        inside = (sources >= 0) & (sources < images.shape[axis])
        sources = tf.reshape(tf.clip_by_value(sources, 0, images.shape[axis] - 1), (-1, images.shape[axis]))
        images = tf.where(inside, tf.gather(images, sources, axis=axis, batch_dims=1), _constant(BACKGROUND, images))
    return images


def _cut_out(images, values):
    """Fill half the height and half the width around a centre with mid-grey."""
    covered = True
    for axis in (1, 2):
        length = images.shape[axis] // 2
        places, centre = _along(axis, images, values)
        covered &= (places >= centre - length // 2) & (places < centre - length // 2 + length)
    return tf.where(covered, _constant(0.0, images), images)


def _along(axis, images, values):
    """Pixel numbers along axis 1 or 2, and each image's parameter for it; integers that broadcast with the images."""
    shape = [1, 1, 1, 1]
    shape[axis] = images.shape[axis]
    places = tf.reshape(tf.range(images.shape[axis]), shape)
    return places, tf.cast(values[:, axis - 1], tf.int32)[:, None, None, None]


def _constant(value, images):
    return tf.constant(value, images.dtype)


def _whole(numbers, counts):
    """Uniform numbers in [0, 1) to integers 0 to counts - 1."""
    return tf.floor(numbers * tf.constant(counts, tf.float32))


TRANSFORMATIONS = {  # with DiffAugment's ranges, for images in [-1, 1]; applied in this order
    "brightness": Transformation(0.0, lambda numbers, size: numbers[:, :1] - 0.5, _brighten),
    "translation": Transformation(  # by up to an eighth of each side
        0.0,
        lambda numbers, size: _whole(numbers, [side // 8 * 2 + 1 for side in size]) - [side // 8 for side in size],
        _translate,
    ),
    "cutout": Transformation(  # centres anywhere in the image, so that a square may stick out
        OUTSIDE,
        lambda numbers, size: _whole(numbers, [side + 1 - side // 2 % 2 for side in size]),
        _cut_out,
    ),
}


def blurred(images, sigma):
    """Images (B, H, W, C) under the kernel 2^-(distance / sigma)^2, cut off at 3 sigma; sigma () float32 in pixels.

    StyleGAN3-R's discriminator sees blurred images at first, so that it does not judge fine details before there are
    coarse ones (Karras et al. 2021, appendix, and the authors' code, which defines the kernel). The authors pad with
    mid-grey; here weights at the border are normalised over the pixels inside. With sigma 0 images are unchanged.
    """
    for axis, equation in ((1, "ij,bjwc->biwc"), (2, "ij,bhjc->bhic")):
        places = tf.range(images.shape[axis], dtype=tf.float32)
        distance = tf.abs(places[:, None] - places)
        weights = 2.0 ** -tf.square(distance / tf.maximum(sigma, 1e-3))
        weights = tf.where(distance <= tf.floor(3 * sigma), weights, 0.0)
        weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
        images = tf.einsum(equation, tf.cast(weights, images.dtype), images)
    return images


class Augmentation(keras.layers.Layer):
    """Transforms each image of a batch at random, by each transformation independently with probability p.

    policy: names of TRANSFORMATIONS, which are applied in their order.
    probability: p; 1 is DiffAugment. target: None, or the mean sign of the discriminator's scores of real images that
    ADA holds (paper: 0.6); p then starts at 0. The sign has a meaning only where the loss puts the boundary between
    real and generated images at a score of 0: "non_saturating" does, "wasserstein" does not.
    adjust_kimg: thousands of images in which p can rise from 0 to 1. interval: calls of `update` per adjustment of p.

    Raises ValueError for a p outside [0, 1].
    """

    def __init__(self, probability=1.0, target=None, adjust_kimg=500, interval=4, policy=tuple(TRANSFORMATIONS)):
        super().__init__(autocast=False)  # what leaves has the precision of what enters
        if not 0 <= probability <= 1:
            raise ValueError(f"The probability of an augmentation lies between 0 and 1, not at {probability}.")
        self.transformations = {name: TRANSFORMATIONS[name] for name in policy}
        self.target, self.adjust_kimg, self.interval = target, adjust_kimg, interval
        self.probability = self._state("probability", probability if target is None else 0.0)
        self.calls = self._state("calls", 0.0)  # of update since p was last adjusted, as are the next two
        self.signs = self._state("signs", 0.0)
        self.images = self._state("images", 0.0)
        self.built = True

    def _state(self, name, value):
        return self.add_weight(
            name=name,
            initializer=keras.initializers.Constant(value),
            dtype="float32",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )

    def call(self, images, seed):
        """(B, H, W, C) in [-1, 1], float32 or half -> the same shape and type; seed (2,) int64, as tf.random.stateless.

        Brightness may leave [-1, 1], as in the paper. At p = 0 the images come back unchanged.
        """
        return self.apply(images, self.draw(seed, tf.shape(images)[0], images.shape[1:3]))

    def draw(self, seed, batch, size):
        """One tensor of parameters a transformation, rows as images; those of an image left alone change nothing."""
        uniform = partial(tf.random.stateless_uniform, seed=seed, alg="philox")
        numbers = draw(uniform, batch, len(self.transformations), 3)
        parameters = {}
        for index, (name, transformation) in enumerate(self.transformations.items()):
            chosen = numbers[:, index, :1] < self.probability.value
            drawn = transformation.draw(numbers[:, index, 1:], size)
            parameters[name] = tf.where(chosen, drawn, transformation.neutral)
        return parameters

    def apply(self, images, parameters):
        """Transform images by what `draw` returned: no chance, and differentiable to any order in the images."""
        for name, transformation in self.transformations.items():
            images = transformation.apply(images, parameters[name])
        return images

    def update(self, real_scores, batch):
        """ADA: every interval-th call moves p by one step towards the target; nothing happens without a target.

        real_scores: (b, 1), the discriminator's of this replica's augmented real images. batch: the number of images
        on all replicas. The step is the number of images since the last one over adjust_kimg, and p stays in [0, 1].
        """
        if self.target is None:
            return
        signs = tf.reduce_mean(tf.sign(tf.cast(real_scores, tf.float32)))
        signs = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, signs)
        batch = tf.cast(batch, tf.float32)
        calls, signs, images = self.calls.value + 1, self.signs.value + signs * batch, self.images.value + batch
        due = calls >= self.interval
        step = tf.sign(signs / images - self.target) * images / (self.adjust_kimg * 1000)
        self.probability.assign(tf.clip_by_value(self.probability.value + tf.where(due, step, 0.0), 0.0, 1.0))
        for state, value in ((self.calls, calls), (self.signs, signs), (self.images, images)):
            state.assign(tf.where(due, 0.0, value))
