"""Real images back into the latents of a style-based generator, by gradient descent on w."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from medgan_tf import metrics
from medgan_tf.metrics.extractor import prepare

MAPPED = 10_000  # latents from which the standard deviation of w is estimated
NOISE = 0.05  # of that deviation, at the start
NOISE_UNTIL, RISE, FALL = 0.75, 0.05, 0.25  # parts of all steps
SMALLEST = 8  # px, of the coarsest scale at which pixels are compared


class Inversion(NamedTuple):
    """What the generator makes of n real images, and how near it comes."""

    ws: np.ndarray  # (n, num_ws, D) float32
    images: np.ndarray  # (n, H, W, 1) uint8
    losses: np.ndarray  # (steps, n)
    ssim: np.ndarray  # (n,)
    psnr: np.ndarray  # (n,) dB


def invert(generator, images, extractor=None, space="w+", steps=500, learning_rate=0.1, seed=0):
    """The `Inversion` of uint8 images (n, H, W, 1), all at once, into an inference.Generator of a StyleGAN.

    space: "w", one vector an image, stays among what the generator has learnt; "w+", one for each layer (Abdal et al.
    2019, arXiv 1904.03189), comes nearer to the image. extractor: a metrics.Extractor that is a Keras model, whose
    `feature_maps` are compared besides the pixels; None compares pixels alone.

    As in Karras et al. 2020 (arXiv 1912.04958), section 5 and appendix D: from w_avg, with noise on w that fades out
    over three quarters of the steps. Unlike there the noise maps of the layers stay: w has to explain the image.
    Same seed and machine, same result. Raises ValueError for a model without styles, images of another kind or size,
    another space, no steps, or an extractor without feature maps.
    """
    w_avg, num_ws = generator.styles.w_avg.numpy(), generator.styles.num_ws
    _check(images, generator.synthesis.output_shape[1:], space, steps)
    maps = once(generator, ("maps", extractor), lambda: feature_maps(extractor)) if extractor else nothing
    target = tf.constant(images / 127.5 - 1, tf.float32)
    wanted = maps(target)
    deviation = np.sqrt(np.square(generator.map_latents(MAPPED, seed=seed) - w_avg).sum(axis=1).mean())
    fading, rising = schedule(steps)
    noise, rates = (NOISE * deviation * fading).astype(np.float32), (learning_rate * rising).astype(np.float32)
    repeats = num_ws if space == "w" else 1
    start = np.tile(w_avg, (len(images), num_ws // repeats, 1))
    ws, optimizer, step = once(
        generator, ("invert", len(images), space, extractor), lambda: _step(generator, start, maps)
    )
    begin(ws, start, optimizer)
    losses = []
    for number in tqdm(range(steps), f"inversion into {space}", unit="step", leave=False):
        changing = tf.constant(noise[number]), tf.constant(rates[number]), tf.constant([seed, number])
        losses.append(step(target, wanted, *changing))
    found = np.repeat(ws.numpy(), repeats, axis=1)
    pictures = generator.synthesise(found)
    similarity = [measure(images, pictures, paired_by="inversion") for measure in (metrics.ssim, metrics.psnr)]
    return Inversion(found, pictures, np.array(losses), *similarity)


def _step(generator, start, maps):
    """(ws, optimizer, step): one compiled step of descent from any start of this shape (n, num_ws or 1, D)."""
    ws, optimizer = tf.Variable(start), keras.optimizers.Adam()
    optimizer.build([ws])
    repeats = generator.styles.num_ws // start.shape[1]

    @tf.function(autograph=False)  # which leaves its code in the temporary folder
    def step(target, wanted, noise, rate, seed):
        moves = noise * tf.random.stateless_normal(ws.shape, seed)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(ws)
            fakes = generator.synthesis(tf.repeat(ws + moves, repeats, axis=1), training=False)
            losses = pixels(fakes - target) + sum(map(distance, maps(fakes), wanted))
        optimizer.learning_rate.assign(rate)
        optimizer.apply([tape.gradient(losses, ws)], [ws])
        return losses

    return ws, optimizer, step


def once(generator, name, build):
    """What `build` makes, kept with the generator: compiled steps are never freed, so each is compiled once."""
    kept = vars(generator).setdefault("compiled", {})
    key = tuple(getattr(part, "weights_sha256", part) for part in name)
    if key not in kept:
        kept[key] = build()
    return kept[key]


def begin(variable, start, optimizer):
    """Set variable and optimizer back to a start."""
    variable.assign(start)
    for state in optimizer.variables:
        state.assign(tf.zeros_like(state))


def nothing(images):
    """The feature maps of no extractor."""
    return []


def schedule(steps):
    """The strength of the noise, from 1 to 0, and of the learning rate, up from 0 and down again; (steps,) each."""
    time = (np.arange(steps) + 0.5) / steps
    noise = np.maximum(0, 1 - time / NOISE_UNTIL) ** 2
    rise, fall = np.minimum(1, time / RISE), np.minimum(1, (1 - time) / FALL)
    return noise, rise * (1 - np.cos(np.pi * fall)) / 2


def pixels(difference):
    """Mean squares (B,) of differences (B, H, W, 1), summed over the full, the half, ... resolution down to 8 px."""
    squares = []
    while min(difference.shape[1:3]) >= SMALLEST:
        squares.append(tf.reduce_mean(difference**2, axis=(1, 2, 3)))
        difference = tf.nn.avg_pool2d(difference, 2, 2, "VALID")
    return tf.add_n(squares)


def distance(maps, others):
    """Mean squared distances (B,) of two `feature_maps` of one resolution: LPIPS without learned weights."""
    return tf.reduce_mean(tf.reduce_sum((maps - others) ** 2, axis=-1), axis=(1, 2))


def feature_maps(extractor):
    """A function of images (B, H, W, 1) in [-1, 1] that gives the extractor's last maps of each resolution.

    Each place of a map is a vector of length 1 over its channels (Zhang et al. 2018, arXiv 1801.03924, section 3).
    Raises ValueError for an extractor that is no Keras model of layers in a graph.
    """
    model = extractor.model
    if getattr(model, "inputs", None) is None:
        raise ValueError(f"The extractor '{extractor.name}' shows no feature maps: take domain or keras_inception.")
    channels, last = model.input_shape[-1], {}
    for output in (layer.output for layer in model.layers):
        if len(getattr(output, "shape", ())) == 4 and output.shape[-1] > channels:  # not the input, however augmented
            last[output.shape[1:3]] = output
    network = keras.Model(model.inputs, list(last.values()))

    def maps(images):
        outputs = network(prepare(images, extractor.image_size, channels), training=False)
        return [tf.math.l2_normalize(output, axis=-1, epsilon=1e-6) for output in outputs]

    return maps


def _check(images, shape, space, steps):
    size = ", ".join(map(str, shape))
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != shape or len(images) == 0:
        raise ValueError(f"This generator takes uint8 images (n, {size}), not {images.dtype} {images.shape}.")
    if space not in ("w", "w+"):
        raise ValueError(f"Images are inverted into space 'w' or 'w+', not '{space}'.")
    if steps < 1:
        raise ValueError(f"An inversion takes at least 1 step, not {steps}.")
