import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from medgan_tf.training.augment import TRANSFORMATIONS, Augmentation, blurred
from medgan_tf.training.losses import cross_entropy_of_real, gradient_penalty

pytestmark = pytest.mark.usefixtures("float32_again")

HALVES = ["float16", "bfloat16"]


def images(count=6, height=16, width=24):
    return tf.random.stateless_uniform((count, height, width, 1), [0, 0], -1.0, 1.0)


def seed(number=0):
    return tf.constant([7, number], tf.int64)


def shifted(image, down, right):
    """The slow way: pixel by pixel, black where there was none."""
    height, width = image.shape[:2]
    result = np.full_like(image, -1.0)
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                result[row, column] = image[row - down, column - right]
    return result


def cut(image, row, column):
    result = image.copy()
    height, width = image.shape[:2]
    top, left = row - height // 2 // 2, column - width // 2 // 2
    result[max(top, 0) : max(top + height // 2, 0), max(left, 0) : max(left + width // 2, 0)] = 0
    return result


KNOWN = {  # parameters, and what they do to one image by numpy
    "brightness": ([[0.25], [-0.5], [0.0]], lambda x, b: x + b),
    "translation": ([[2, -3], [-1, 0], [0, 0]], lambda x, down, right: shifted(x, down, right)),
    "cutout": ([[8, 12], [0, 24], [16, 1]], lambda x, row, column: cut(x, row, column)),
}


@pytest.mark.parametrize("name", KNOWN)
def test_each_transformation_at_a_known_parameter_equals_numpy(name):
    values, expected = KNOWN[name]
    pictures = images(3).numpy()
    got = TRANSFORMATIONS[name].apply(tf.constant(pictures), tf.constant(values, tf.float32))
    want = np.stack([expected(picture, *row) for picture, row in zip(pictures, values, strict=True)])
    np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.7, 2.5])
def test_blur_is_that_of_its_kernel_and_leaves_flat_images_alone(sigma):
    pictures, reach = images(), int(3 * sigma)
    offsets = np.arange(-reach, reach + 1)
    kernel = 2.0 ** -((offsets[:, None] ** 2 + offsets**2) / sigma**2)
    found = blurred(pictures, tf.constant(sigma))
    place = slice(8 - reach, 9 + reach), slice(12 - reach, 13 + reach)
    expected = (pictures.numpy()[:, *place, 0] * kernel / kernel.sum()).sum((1, 2))
    np.testing.assert_allclose(found[:, 8, 12, 0], expected, atol=1e-5)
    np.testing.assert_allclose(blurred(tf.ones((2, 16, 24, 1)), tf.constant(sigma)), 1, atol=1e-5)
    np.testing.assert_array_equal(blurred(pictures, tf.constant(0.0)), pictures)


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_with_probability_zero_images_come_back_exactly(dtype):
    pictures = tf.cast(images(), dtype)
    kept = Augmentation(probability=0.0)(pictures, seed())
    assert kept.dtype == dtype
    np.testing.assert_array_equal(kept, pictures)


@pytest.mark.parametrize("name", TRANSFORMATIONS)
@pytest.mark.parametrize("probability", [0.1, 0.5, 1.0])
def test_each_transformation_changes_its_share_of_the_images(name, probability):
    count, pictures = 4000, images(4000, 16, 16)
    parameters = Augmentation(probability).draw(seed(), count, (16, 16))
    changed = TRANSFORMATIONS[name].apply(pictures, parameters[name]).numpy() != pictures.numpy()
    changed = changed.any(axis=(1, 2, 3)).mean()
    unmoved = 1 / (5 * 5) if name == "translation" else 0  # a fifth of the shifts along 16 pixels is by none
    expected = probability * (1 - unmoved)
    assert abs(changed - expected) <= 4.5 * np.sqrt(expected * (1 - expected) / count) + 1e-9


def test_transformations_are_chosen_independently_of_each_other():
    parameters = Augmentation(0.5).draw(seed(), 4000, (16, 16))
    names = ["brightness", "cutout"]
    neutral = [TRANSFORMATIONS[name].neutral for name in names]
    chosen = np.stack([parameters[name][:, 0] != still for name, still in zip(names, neutral, strict=True)])
    correlations = np.corrcoef(chosen) - np.eye(len(names))
    assert np.abs(correlations).max() < 0.07


def test_parameters_are_uniform_over_the_papers_ranges():
    parameters = Augmentation().draw(seed(), 40000, (32, 16))
    for axis, reach in ((0, 4), (1, 2)):
        shifts, counts = np.unique(parameters["translation"][:, axis], return_counts=True)
        np.testing.assert_array_equal(shifts, np.arange(-reach, reach + 1))
        assert np.abs(counts / 40000 - 1 / len(shifts)).max() < 0.01
    assert abs(np.corrcoef(parameters["translation"].numpy().T)[0, 1]) < 0.03
    for axis, side in ((0, 32), (1, 16)):
        centres = np.unique(parameters["cutout"][:, axis])
        np.testing.assert_array_equal(centres, np.arange(side + 1))
    drawn = np.ravel(parameters["brightness"])
    assert -0.5 <= drawn.min() < -0.49 and 0.49 < drawn.max() < 0.5
    assert drawn.mean() == pytest.approx(0, abs=0.01)


def test_seeds_decide():
    augment, pictures = Augmentation(), images()
    np.testing.assert_array_equal(augment(pictures, seed(1)), augment(pictures, seed(1)))
    first, second = augment(pictures, seed(1)).numpy(), augment(pictures, seed(2)).numpy()
    assert all((one != other).any() for one, other in zip(first, second, strict=True))
    assert len({str(row) for row in augment.draw(seed(), 6, (16, 24))["brightness"].numpy()}) == 6


def test_gradient_equals_finite_differences():
    augment = Augmentation()
    pictures = tf.cast(images(3, 8, 8), tf.float64)
    slope = tf.random.stateless_normal(pictures.shape, [1, 1], dtype=tf.float64)
    parameters = {name: tf.cast(values, tf.float64) for name, values in augment.draw(seed(), 3, (8, 8)).items()}

    def score(x):
        return tf.reduce_sum(tf.tanh(augment.apply(x, parameters)) * slope)

    with tf.GradientTape() as tape:
        tape.watch(pictures)
        value = score(pictures)
    gradient = tape.gradient(value, pictures).numpy()
    for place in [(0, 3, 3, 0), (1, 0, 0, 0), (1, 6, 2, 0), (2, 7, 7, 0), (2, 2, 5, 0)]:
        nudge = np.zeros(pictures.shape)
        nudge[place] = 1e-6
        difference = (score(pictures + nudge) - score(pictures - nudge)) / 2e-6
        assert gradient[place] == pytest.approx(float(difference), abs=1e-7)


def test_penalty_of_a_linear_critic_through_shift_and_cutout_has_its_closed_form():
    """The gradient is the slope moved back with the hidden pixels at zero; its derivative is checked as well."""
    augment, pictures = Augmentation(), images(2)
    parameters = {"translation": tf.constant([[2.0, -3.0], [0.0, 1.0]]), "cutout": tf.constant([[8.0, 12.0]] * 2)}
    parameters["brightness"] = tf.zeros((2, 1))
    slope = tf.Variable(tf.random.stateless_normal((1, 16, 24, 1), [1, 1]))

    def critic(x):
        return tf.reduce_sum(augment.apply(x, parameters) * slope, axis=[1, 2, 3])[:, None]

    with tf.GradientTape() as tape:
        penalty = gradient_penalty(critic, pictures, pictures + 0.1, tf.fill((2, 1, 1, 1), 0.5))
    visible = np.stack([cut(shifted(np.ones((16, 24)), *shift), 8, 12) == 1 for shift in ((2, -3), (0, 1))])
    weights = np.where(visible, slope.numpy()[0, :, :, 0], 0)
    norms = np.sqrt((weights**2).sum(axis=(1, 2)))
    assert float(penalty) == pytest.approx(((norms - 1) ** 2).mean(), rel=1e-5)
    expected = ((1 - 1 / norms)[:, None, None] * weights).sum(axis=0)
    np.testing.assert_allclose(tape.gradient(penalty, slope)[0, :, :, 0], expected, atol=1e-5)


def test_the_generators_gradient_goes_through():
    weight = tf.Variable(0.3)
    noise = images()
    critic = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    with tf.GradientTape() as tape:
        made = tf.tanh(weight * noise)
        loss = cross_entropy_of_real(critic(Augmentation()(made, seed())))
    assert abs(float(tape.gradient(loss, weight))) > 1e-4


def test_compiled_by_xla_equals_the_uncompiled_function_to_second_order():
    augment = Augmentation(probability=0.7)
    pictures, parameters = images(), augment.draw(seed(), 6, (16, 24))
    slope = tf.random.stateless_normal((6, 16, 24, 1), [1, 1])

    def everything(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = augment.apply(x, parameters)
                value = tf.reduce_sum(slope * y**3)
            norm = tf.reduce_sum(inner.gradient(value, x) ** 2)
        return y, outer.gradient(norm, x)

    for plain, fused in zip(
        tf.function(everything)(pictures),
        tf.function(everything, jit_compile=True)(pictures),
        strict=True,
    ):
        np.testing.assert_allclose(fused, plain, rtol=1e-4, atol=1e-4)


def test_drawing_under_xla_has_static_shapes_and_the_same_share():
    augment = Augmentation(probability=0.4)
    pictures = images(3000, 16, 16)
    drawn = tf.function(augment, jit_compile=True)(pictures, seed())
    assert drawn.shape == pictures.shape
    untouched = (drawn.numpy() == pictures.numpy()).all(axis=(1, 2, 3)).mean()
    assert untouched == pytest.approx(0.6 * 0.6 * (0.6 + 0.4 / 25), abs=0.04)


@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_equals_single_to_its_rounding(dtype):
    keras.config.set_dtype_policy(f"mixed_{dtype}")
    augment, pictures = Augmentation(), images()
    exact = augment(pictures, seed())
    assert exact.dtype == tf.float32, "the layer must not cast what it is given"
    halved = augment(tf.cast(pictures, dtype), seed())
    assert halved.dtype == dtype
    assert augment.probability.value.dtype == tf.float32
    np.testing.assert_allclose(tf.cast(halved, tf.float32), exact, atol=0.003 if dtype == "float16" else 0.03)


def scores(positive, negative):
    return tf.constant([[1.5]] * positive + [[-0.2]] * negative, tf.float32)


@pytest.mark.parametrize("jit_compile", [None, False, True])
def test_adaptive_strength_steps_by_the_formula(jit_compile):
    augment = Augmentation(target=0.6, adjust_kimg=2, interval=4)
    update = augment.update
    if jit_compile is not None:
        update = tf.function(update, jit_compile=jit_compile)
    strengths = []
    for _ in range(8):
        update(scores(8, 0), 8)
        strengths.append(float(augment.probability.numpy()))
    step = 4 * 8 / 2000
    assert strengths == pytest.approx([0, 0, 0, step, step, step, step, 2 * step])
    for _ in range(4):
        update(scores(0, 8), 8)
    assert float(augment.probability.numpy()) == pytest.approx(step)


def test_adaptive_strength_follows_the_mean_sign_of_all_images_since_the_last_step():
    for positives, up in (([8, 8, 8, 0], False), ([8, 8, 6, 4], True)):  # mean signs 0.5 and 0.625
        augment = Augmentation(target=0.6, adjust_kimg=1, interval=4)
        augment.probability.assign(0.5)
        for positive in positives:
            augment.update(scores(positive, 8 - positive), 8)
        assert float(augment.probability.numpy()) == pytest.approx(0.5 + (0.032 if up else -0.032))


@pytest.mark.parametrize(("positive", "end"), [(8, 1.0), (0, 0.0)])
def test_adaptive_strength_stays_between_none_and_all(positive, end):
    augment = Augmentation(target=0.6, adjust_kimg=0.02, interval=1)
    augment.probability.assign(0.5)
    for _ in range(3):
        augment.update(scores(positive, 8 - positive), 8)
    assert float(augment.probability.numpy()) == end


def test_a_fixed_strength_stays_and_an_adaptive_one_starts_at_none():
    fixed = Augmentation(probability=0.3)
    for _ in range(8):
        fixed.update(scores(8, 0), 8)
    assert float(fixed.probability.numpy()) == pytest.approx(0.3)
    assert float(Augmentation(target=0.6).probability.numpy()) == 0.0


def test_the_state_comes_back():
    augment, again = (Augmentation(target=0.5, adjust_kimg=1, interval=2) for _ in range(2))
    for _ in range(3):
        augment.update(scores(8, 0), 8)
    assert len(augment.variables) == 4
    again.set_weights(augment.get_weights())
    for one in (augment, again):
        one.update(scores(8, 0), 8)
    assert float(again.probability.numpy()) == pytest.approx(0.032)
    np.testing.assert_array_equal(again.get_weights(), augment.get_weights())
    np.testing.assert_array_equal(again(images(), seed()), augment(images(), seed()))


def test_wrong_settings_are_said():
    with pytest.raises(ValueError, match="between 0 and 1"):
        Augmentation(probability=1.5)


REPLICAS = """
import tensorflow as tf
cpus = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
import numpy as np
from medgan_tf.training.augment import Augmentation
images = tf.random.stateless_uniform((8, 16, 16, 1), [0, 0], -1.0, 1.0)
scores = tf.constant([[1.0]] * 3 + [[-1.0]] + [[1.0]] * 4)  # mean sign 0.5 on the second replica, 0.75 on both
seed = tf.constant([7, 0], tf.int64)
with strategy.scope():
    augment = Augmentation(target=0.6, adjust_kimg=0.01, interval=1)
    augment.probability.assign(0.7)
single = Augmentation(probability=0.7)

@tf.function
def step(images, scores):
    changed = augment(images, seed)
    augment.update(scores, 8)
    return changed

part = lambda whole: strategy.experimental_distribute_values_from_function(
    lambda context: whole[context.replica_id_in_sync_group :: 2])
changed = strategy.experimental_local_results(strategy.run(step, (part(images), part(scores))))
np.testing.assert_allclose(tf.stack(changed, 1), tf.reshape(single(images, seed), (4, 2, 16, 16, 1)), atol=1e-6)
values = {float(v) for v in strategy.experimental_local_results(augment.probability.value)}
assert values == {1.0}, values
"""


@pytest.mark.slow
def test_two_replicas_augment_and_adapt_as_one():
    done = subprocess.run([sys.executable, "-c", REPLICAS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
