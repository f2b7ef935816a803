"""The segmenter's network: a small U-Net (Ronneberger et al. 2015) with one output map for each structure."""

import numpy as np
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from .truth import CHANNELS

FILTERS = (16, 32, 64, 64)
BATCH = 16
EPOCHS = 14
MIN_STEPS = 300
LEARNING_RATE = 3e-3
POSITIVE_WEIGHT = (1.0, 1.0, 1.0, 8.0, 2.0, 2.0)  # loss weight of covered pixels in each channel: nodules cover few


def scale(images, image_size):
    """Images uint8 (N, H, W, 1) as float32 (N, image_size, image_size, 1) in [-1, 1], resized with antialiasing."""
    import tensorflow as tf

    images = tf.cast(images, tf.float32) / 127.5 - 1
    if images.shape[1:3] != (image_size, image_size):
        images = tf.image.resize(images, (image_size, image_size), method="bicubic", antialias=True)
    return np.clip(images.numpy(), -1, 1)


def train(images, masks, steps, seed):
    """Train a network on images float32 (N, S, S, 1) in [-1, 1] and masks (N, S, S, 6), reproducibly.

    The loss is cross-entropy plus the mean over channels of one minus the Dice coefficient (Milletari et al. 2016).
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

    steps = steps or max(MIN_STEPS, EPOCHS * len(images) // BATCH)
    model = build(images.shape[1], seed)
    model.compile(keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)), loss)
    rng = np.random.default_rng(seed)
    chosen = np.concatenate([rng.permutation(len(images)) for _ in range(steps * BATCH // len(images) + 1)])
    for step in tqdm(range(steps), "phantom segmenter", unit="step", leave=False):
        batch = chosen[step * BATCH : (step + 1) * BATCH]
        model.train_on_batch(*augment(images[batch], masks[batch].astype(np.float32), rng))
    return model


def build(image_size, seed):
    """Build the U-Net, a keras.Model from (B, S, S, 1) in [-1, 1] to logits (B, S, S, 6); S is a multiple of 8."""
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
    rare = keras.initializers.Constant(-2)
    outputs = layers.Conv2D(len(CHANNELS), 1, kernel_initializer=start, bias_initializer=rare)
    return keras.Model(inputs, outputs(x), name="phantom_segmenter")


def augment(images, masks, rng):
    """Shift, mirror, brighten or darken images and masks; remove a lung of some, add a spot outside the lungs to some.

    Otherwise the network would learn where structures belong and find them there even in images where they are missing,
    on the wrong side or misplaced: the very faults that it has to find.
    """
    pairs = [_augment_one(image, mask, rng) for image, mask in zip(images, masks, strict=True)]
    return tuple(map(np.stack, zip(*pairs, strict=True)))


def _augment_one(image, mask, rng):
    size = len(image)
    if rng.random() < 0.12:
        image, mask = _without_lung(image, mask, int(rng.integers(2)), rng.uniform(0, 0.8))
    if rng.random() < 0.3:
        image, mask = _spot_outside(image, mask, rng)
    if rng.random() < 0.5:
        image, mask = image[:, ::-1], mask[:, ::-1][..., [1, 0, 2, 3, 4, 5]]  # a lung's name is its side of the image
    reach = size // 16
    down, right = rng.integers(-reach, reach + 1, 2)
    rows, columns = np.ix_((np.arange(size) + down).clip(0, size - 1), (np.arange(size) + right).clip(0, size - 1))
    image = image[rows, columns] * rng.uniform(0.9, 1.1) + rng.uniform(-0.08, 0.08)
    return np.clip(image, -1, 1), mask[rows, columns]


def _without_lung(image, mask, lung, tone):
    """Fill one lung with grey level `tone` and a little of its texture; its lesions are removed too."""
    field = gaussian_filter(mask[..., lung], len(image) / 50)
    cover = np.clip(3 * field, 0, 1)[..., None]
    kept = mask * (cover < 0.5)
    kept[..., 1 - lung], kept[..., 2] = mask[..., 1 - lung], mask[..., 2]
    return (1 - 0.9 * cover) * image + 0.9 * cover * tone, kept


def _spot_outside(image, mask, rng):
    """Add a bright ball, like a nodule, where it lies outside both lungs and is visible; else return the inputs."""
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
