"""The reader's network: a small U-Net (Ronneberger et al. 2015) from an image to one map a structure."""

import numpy as np
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from .truth import CHANNELS

FILTERS = (16, 32, 64, 64)
BATCH = 16
PASSES = 14  # over the images
FEWEST_STEPS = 300
LEARNING_RATE = 3e-3
POSITIVE_WEIGHT = (1.0, 1.0, 1.0, 8.0, 2.0, 2.0)  # of covered pixels by channel: nodules cover few


def scaled(images, image_size):
    """uint8 (N, H, W, 1) -> float32 (N, image_size, image_size, 1) in [-1, 1], antialiased."""
    import tensorflow as tf

    images = tf.cast(images, tf.float32) / 127.5 - 1
    if images.shape[1:3] != (image_size, image_size):
        images = tf.image.resize(images, (image_size, image_size), method="bicubic", antialias=True)
    return np.clip(images.numpy(), -1, 1)


def train(images, masks, steps, seed):
    """A network trained on images float32 (N, S, S, 1) in [-1, 1] and masks (N, S, S, 6); same seed, same weights.

    The loss is cross-entropy plus one minus the Dice coefficient of every channel (Milletari et al. 2016).
    """
    import keras
    import tensorflow as tf

    weight = tf.constant(POSITIVE_WEIGHT)

    def loss(truth, logits):
        entropy = tf.reduce_mean(tf.nn.weighted_cross_entropy_with_logits(truth, logits, weight))
        covered = tf.sigmoid(logits)
        common = tf.reduce_sum(truth * covered, (0, 1, 2))
        total = tf.reduce_sum(truth + covered, (0, 1, 2))
        return entropy + tf.reduce_mean(1 - (2 * common + 1) / (total + 1))

    steps = steps or max(FEWEST_STEPS, PASSES * len(images) // BATCH)
    model = build(images.shape[1], seed)
    model.compile(keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)), loss)
    rng = np.random.default_rng(seed)
    chosen = np.concatenate([rng.permutation(len(images)) for _ in range(steps * BATCH // len(images) + 1)])
    for step in tqdm(range(steps), "phantom reader", unit="step", leave=False):
        batch = chosen[step * BATCH : (step + 1) * BATCH]
        model.train_on_batch(*varied(images[batch], masks[batch].astype(np.float32), rng))
    return model


def build(image_size, seed):
    """A keras.Model, (B, S, S, 1) in [-1, 1] -> logits (B, S, S, 6); S is a multiple of 8."""
    import keras
    from keras import layers

    seeds = iter(np.random.default_rng(seed).integers(2**31, size=32).tolist())

    def convolution(x, filters, size=3, repeat=1):
        for _ in range(repeat):
            start = keras.initializers.HeNormal(seed=next(seeds))
            x = layers.Conv2D(filters, size, padding="same", use_bias=False, kernel_initializer=start)(x)
            x = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))
        return x

    x = inputs = keras.Input((image_size, image_size, 1))
    skips = []
    for filters in FILTERS[:-1]:
        skips.append(convolution(x, filters, repeat=2))
        x = layers.MaxPooling2D()(skips[-1])
    x = convolution(x, FILTERS[-1], repeat=2)
    for skip in reversed(skips):
        x = layers.UpSampling2D(interpolation="bilinear")(convolution(x, skip.shape[-1], size=1))
        x = convolution(layers.Add()([x, skip]), skip.shape[-1])
    start = keras.initializers.GlorotUniform(seed=next(seeds))
    outputs = layers.Conv2D(
        len(CHANNELS), 1, kernel_initializer=start, bias_initializer=keras.initializers.Constant(-2)
    )
    return keras.Model(inputs, outputs(x), name="phantom_reader")


def varied(images, masks, rng):
    """Copies that are shifted, mirrored, brighter or darker, some without a lung, some with a spot outside the lungs.

    Without these the network would know where things belong and read them there even from images that lack them, have
    them on the wrong side or hold lesions in the wrong place: the very faults that it is to find.
    """
    pairs = [_vary(image, mask, rng) for image, mask in zip(images, masks, strict=True)]
    return tuple(np.stack(part) for part in zip(*pairs, strict=True))


def _vary(image, mask, rng):
    size = len(image)
    if rng.random() < 0.12:
        image, mask = _without_lung(image, mask, int(rng.integers(2)), rng.uniform(0, 0.8))
    if rng.random() < 0.3:
        image, mask = _spot_outside(image, mask, rng)
    if rng.random() < 0.5:
        image, mask = image[:, ::-1], mask[:, ::-1][..., [1, 0, 2, 3, 4, 5]]  # a lung is named by its side of the image
    reach = size // 16
    down, right = rng.integers(-reach, reach + 1, 2)
    rows, columns = np.ix_((np.arange(size) + down).clip(0, size - 1), (np.arange(size) + right).clip(0, size - 1))
    image = image[rows, columns] * rng.uniform(0.9, 1.1) + rng.uniform(-0.08, 0.08)
    return np.clip(image, -1, 1), mask[rows, columns]


def _without_lung(image, mask, lung, tone):
    """The image with one lung filled by `tone` and a little of its texture; its lesions are gone with it."""
    field = gaussian_filter(mask[..., lung], len(image) / 50)
    cover = np.clip(3 * field, 0, 1)[..., None]
    kept = mask * (cover < 0.5)
    kept[..., 1 - lung], kept[..., 2] = mask[..., 1 - lung], mask[..., 2]
    return (1 - 0.9 * cover) * image + 0.9 * cover * tone, kept


def _spot_outside(image, mask, rng):
    """The image with a bright ball, like a nodule, that lies outside both lungs and can be seen there."""
    size = len(image)
    x, y = rng.uniform(0.1 * size, 0.9 * size, 2)
    radius = size * rng.uniform(0.025, 0.075) / 2
    rows, columns = np.ogrid[:size, :size]
    disc = np.clip(radius + 0.5 - np.hypot(columns + 0.5 - x, rows + 0.5 - y), 0, 1).astype(np.float32)
    bright = np.minimum(image + rng.uniform(0.5, 1.2) * disc[..., None], 1)
    if mask[disc > 0, :2].any() or (bright - image).max() < 0.3:
        return image, mask
    mask = mask.copy()
    mask[..., 3] = np.maximum(mask[..., 3], disc)
    return bright, mask
