"""GAN inversion: the latents whose images come nearest to real images, by gradient descent.

The loss compares pixels at several resolutions and, if an extractor is given, its feature maps (as LPIPS does, but
without learned weights).
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from medgan_tf import metrics
from medgan_tf.metrics.features import prepare
from medgan_tf.networks import sampling

DEFAULTS = {"z": (150, 0.05), "w": (500, 0.1), "w+": (500, 0.1)}  # steps and learning rate of each space
CANDIDATES, STARTS = 256, 3  # z: random latents for each image, and how many of the best are optimised
MAPPED_LATENTS = 10_000  # w, w+: latents that the standard deviation of w is estimated from
NOISE = 0.05  # w, w+: noise at the first step, in standard deviations of w
NOISE_UNTIL, WARM_UP, COOL_DOWN = 0.75, 0.05, 0.25  # fractions of all steps
COARSEST = 8  # px, of the lowest resolution at which pixels are compared


class Inversion(NamedTuple):
    """The latents found for n images, what the generator makes of them, and how similar that is to the originals."""

    latents: np.ndarray  # float32: (n, latent_dim) in z, (n, num_ws, latent_dim) in w and w+
    images: np.ndarray  # (n, H, W, 1) uint8
    losses: np.ndarray  # (steps, n)
    ssim: np.ndarray  # (n,)
    psnr: np.ndarray  # (n,) dB


class _Search(NamedTuple):
    """How a space is searched. The variables are (n * starts, ...): one row for each start of each image."""

    network: keras.Model  # from latents of the space, and labels where there are any, to images
    labels: np.ndarray | None  # (n,) class numbers that the network takes
    initial: np.ndarray  # initial variables
    starts: int  # for each image; the best is kept
    noise: float  # standard deviation of the noise on the variables at the first step
    to_latents: Callable  # from variables to latents of the space


def invert(generator, images, space="w+", labels=None, extractor=None, steps=None, learning_rate=None, seed=0):
    """Find latents of a `generators.Generator` for uint8 images (n, H, W, 1); return an `Inversion`.

    space: "z", the latents of any architecture; "w", one style vector for an image of a StyleGAN, which stays close to
    what the generator has learned; or "w+", one for each layer (Abdal et al. 2019, arXiv 1904.03189), which comes
    nearer to the image. labels: class names or numbers (n,), in "z" for a conditional generator. extractor: a
    metrics.Extractor around a Keras model, whose feature maps are compared too; None compares pixels only. steps and
    learning_rate: None takes those of DEFAULTS.

    In "w" and "w+" as Karras et al. 2020 (arXiv 1912.04958, section 5 and appendix D): from w_avg, with noise on w that
    fades out over three quarters of the steps; other than there, the noise maps of the layers stay fixed. In "z" from
    the best 3 of 256 random latents, on the sphere of radius sqrt(latent_dim) near which normal latents lie: latents
    far from it may give a nearer image, but are none that the generator was trained on. If the generator has not
    learned such an image, SSIM and PSNR are low. The same seed and machine give the same result.

    Raises ValueError for images of another kind or size, an unknown space, "w" or "w+" of a generator without styles,
    labels as `Generator.sample` does, less than one step, or an extractor without feature maps.

    >>> found = generators.invert(model, test_images, "w")
    >>> model.synthesise(found.latents)  # equals found.images
    """
    if space not in DEFAULTS:
        raise ValueError(f"Images are inverted into space {', '.join(map(repr, DEFAULTS))}, not {space!r}.")
    steps, learning_rate = steps if steps is not None else DEFAULTS[space][0], learning_rate or DEFAULTS[space][1]
    if steps < 1:
        raise ValueError(f"An inversion takes at least 1 step, not {steps}.")
    shape = generator.network.output_shape[1:]
    if images.dtype != np.uint8 or images.shape[1:] != shape or len(images) == 0:
        sides = ", ".join(map(str, shape))
        raise ValueError(f"This generator takes uint8 images (n, {sides}), not {images.dtype} {images.shape}.")
    search = (_search_z if space == "z" else _search_w)(generator, images, space, labels, seed)
    maps = _cached(generator, ("maps", extractor), lambda: feature_maps(extractor)) if extractor else lambda images: []
    target = tf.repeat(tf.constant(images / 127.5 - 1, tf.float32), search.starts, axis=0)
    target_maps = maps(target)
    repeated = [] if search.labels is None else [tf.repeat(tf.constant(search.labels, tf.int32), search.starts)]
    variables, optimizer, step = _cached(
        generator, ("invert", len(images), space, extractor), lambda: _compiled_step(search, maps)
    )
    variables.assign(search.initial)
    for state in optimizer.variables:
        state.assign(tf.zeros_like(state))
    noise, rates = schedule(steps)
    noise, rates = (search.noise * noise).astype(np.float32), (learning_rate * rates).astype(np.float32)
    losses = []
    for number in tqdm(range(steps), f"inversion into {space}", unit="step", leave=False):
        changing = tf.constant(noise[number]), tf.constant(rates[number]), tf.constant([seed, number])
        losses.append(step(target, target_maps, repeated, *changing))
    losses = np.reshape(losses, (steps, len(images), search.starts))
    best = np.arange(len(images)), losses[-1].argmin(axis=1)
    latents = search.to_latents(variables).numpy()
    latents = latents.reshape(len(images), search.starts, *latents.shape[1:])[best]
    found = sampling.images(search.network, latents, search.labels)
    similarity = [measure(images, found, paired_by="inversion") for measure in (metrics.ssim, metrics.psnr)]
    return Inversion(latents, found, losses[:, *best], *similarity)


def _search_w(generator, images, space, labels, seed):
    """From the average w, one vector (n, 1, D) for "w" or one for each layer (n, num_ws, D) for "w+"."""
    w_avg, num_ws = generator.styles.w_avg.numpy(), generator.styles.num_ws
    if labels is not None:
        raise ValueError(f"Labels are for space 'z'; w already contains the class: leave them out for {space!r}.")
    deviation = np.sqrt(np.square(generator.map_latents(MAPPED_LATENTS, seed=seed) - w_avg).sum(axis=1).mean())
    repeats = num_ws if space == "w" else 1
    initial = np.tile(w_avg, (len(images), num_ws // repeats, 1))
    return _Search(generator.synthesis, None, initial, 1, NOISE * deviation, lambda w: tf.repeat(w, repeats, axis=1))


def _search_z(generator, images, space, labels, seed):
    """From the random latents (n * STARTS, latent_dim) whose images of the same class have the nearest pixels."""
    numbers = generator.numbers(len(images), labels)
    z = sampling.latents(CANDIDATES, generator.network.inputs[0].shape[-1], seed)
    chosen, candidates = [], {}
    for index, image in enumerate(images):
        label = None if numbers is None else int(numbers[index])
        if label not in candidates:
            given = None if label is None else np.full(CANDIDATES, label)
            candidates[label] = sampling.images(generator.network, z, given)
        errors = np.square(candidates[label].astype(np.float32) - image).mean(axis=(1, 2, 3))
        chosen.append(z[errors.argsort()[:STARTS]])
    return _Search(generator.network, numbers, np.concatenate(chosen), STARTS, 0.0, _on_sphere)


def _on_sphere(z):
    return tf.sqrt(float(z.shape[-1])) * tf.math.l2_normalize(z, axis=-1)


def _compiled_step(search, maps):
    """(variables, optimizer, step): one step of Adam, compiled, for any initial variables of the same shape."""
    variables, optimizer = tf.Variable(search.initial), keras.optimizers.Adam()
    network, to_latents = search.network, search.to_latents
    optimizer.build([variables])

    @tf.function(autograph=False)  # autograph would leave its code in the temporary folder
    def step(target, target_maps, labels, noise, rate, seed):
        noise = noise * tf.random.stateless_normal(variables.shape, seed)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            latents = to_latents(variables + noise)
            fakes = network([latents, *labels] if labels else latents, training=False)
            losses = pixel_loss(fakes - target) + sum(map(feature_loss, maps(fakes), target_maps))
        optimizer.learning_rate.assign(rate)
        optimizer.apply([tape.gradient(losses, variables)], [variables])
        return losses

    return variables, optimizer, step


def _cached(generator, name, build):
    """The result of `build`, kept with the generator: TensorFlow never frees compiled steps, so each is made once."""
    kept = vars(generator).setdefault("compiled", {})
    key = tuple(getattr(part, "weights_sha256", part) for part in name)
    if key not in kept:
        kept[key] = build()
    return kept[key]


def schedule(steps):
    """(noise, learning rate) of each step, relative to their largest values, (steps,) each.

    The noise falls from 1 to 0; the learning rate rises linearly and falls along a cosine at the end.
    """
    time = (np.arange(steps) + 0.5) / steps
    noise = np.maximum(0, 1 - time / NOISE_UNTIL) ** 2
    rise, fall = np.minimum(1, time / WARM_UP), np.minimum(1, (1 - time) / COOL_DOWN)
    return noise, rise * (1 - np.cos(np.pi * fall)) / 2


def pixel_loss(difference):
    """Mean squares (B,) of differences (B, H, W, 1), summed over the full, half, ... resolution down to 8 px."""
    squares = []
    while min(difference.shape[1:3]) >= COARSEST:
        squares.append(tf.reduce_mean(difference**2, axis=(1, 2, 3)))
        difference = tf.nn.avg_pool2d(difference, 2, 2, "VALID")
    return tf.add_n(squares)


def feature_loss(maps, others):
    """Mean squared distances (B,) between two `feature_maps` (B, H, W, C) of the same resolution."""
    return tf.reduce_mean(tf.reduce_sum((maps - others) ** 2, axis=-1), axis=(1, 2))


def feature_maps(extractor):
    """A function from images (B, H, W, 1) in [-1, 1] to the extractor's last map of each resolution, [(B, h, w, C)].

    Each vector of channels has length 1, as in LPIPS (Zhang et al. 2018, arXiv 1801.03924, section 3). Raises
    ValueError for an extractor that is not a functional Keras model.
    """
    model = extractor.model
    if getattr(model, "inputs", None) is None:
        raise ValueError(
            f"The extractor '{extractor.name}' shows no feature maps: take feature_classifier or keras_inception."
        )
    channels, last = model.input_shape[-1], {}
    for output in (layer.output for layer in model.layers):
        if len(getattr(output, "shape", ())) == 4 and output.shape[-1] > channels:  # skips the (augmented) input
            last[output.shape[1:3]] = output
    network = keras.Model(model.inputs, list(last.values()))

    def maps(images):
        outputs = network(prepare(images, extractor.image_size, channels), training=False)
        return [tf.math.l2_normalize(output, axis=-1, epsilon=1e-6) for output in outputs]

    return maps
