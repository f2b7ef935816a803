import numpy as np
import pytest
import tensorflow as tf

from medgan_tf.metrics import tfgan
from medgan_tf.training.losses import cross_entropy_of_fake, cross_entropy_of_real, gradient_penalty, r1_penalty
from medgan_tf.training.wgan_gp import negative_mean

REAL = np.random.default_rng(0).normal(0.5, 1, (16, 1)).astype(np.float32)
FAKE = np.random.default_rng(1).normal(-0.5, 1, (16, 1)).astype(np.float32)
SLOPE = tf.constant(np.random.default_rng(2).normal(size=(1, 6, 5, 1)), tf.float32)


OURS = {  # of the generator; of the discriminator on real images; on generated ones
    "modified": (cross_entropy_of_real, cross_entropy_of_real, cross_entropy_of_fake),
    "wasserstein": (negative_mean, negative_mean, tf.reduce_mean),
}


@pytest.mark.parametrize("name", OURS)
def test_losses_equal_those_of_tensorflow_gan(name):
    theirs = tfgan.part("losses").wargs
    plain = {"loss_collection": None} | ({"label_smoothing": 0.0} if name == "modified" else {})
    of_discriminator = {"modified": "minimax_discriminator_loss", "wasserstein": "wasserstein_discriminator_loss"}[name]
    generator, real, fake = OURS[name]
    expected = float(getattr(theirs, f"{name}_generator_loss")(tf.constant(FAKE), **plain))
    assert float(generator(tf.constant(FAKE))) == pytest.approx(expected, rel=1e-5)
    expected = float(getattr(theirs, of_discriminator)(tf.constant(REAL), tf.constant(FAKE), **plain))
    assert float(real(tf.constant(REAL)) + fake(tf.constant(FAKE))) == pytest.approx(expected, rel=1e-5)


def linear(images):
    return tf.reduce_sum(images * SLOPE, axis=[1, 2, 3])[:, None] + 3.0


def batch(seed):
    return tf.random.stateless_normal((8, 6, 5, 1), [seed, 0])


def test_penalties_of_a_linear_critic_have_their_closed_form():
    norm = float(tf.norm(SLOPE))
    weights = tf.random.stateless_uniform((8, 1, 1, 1), [3, 0])
    assert float(gradient_penalty(linear, batch(0), batch(1), weights)) == pytest.approx((norm - 1) ** 2, rel=1e-5)
    assert float(r1_penalty(linear, batch(0))) == pytest.approx(norm**2 / 2, rel=1e-5)


def test_penalty_is_taken_between_the_images_with_one_weight_each():
    """For the critic |x|^2 / 2 the gradient is the point itself, so the penalty tells where it was taken."""
    real, fake = tf.zeros((4, 1, 1, 1)), tf.ones((4, 1, 1, 1))
    weights = tf.constant([0.0, 0.25, 0.5, 1.0])[:, None, None, None]
    penalty = gradient_penalty(lambda x: tf.reduce_sum(x**2, [1, 2, 3])[:, None] / 2, real, fake, weights)
    assert float(penalty) == pytest.approx(np.mean((np.array([0, 0.25, 0.5, 1]) - 1) ** 2), abs=1e-5)


def test_penalty_of_a_flat_critic_has_finite_derivatives():
    slope = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        penalty = gradient_penalty(lambda x: slope * tf.reduce_sum(x, [1, 2, 3])[:, None], batch(0), batch(1), 0.5)
    assert float(penalty) == pytest.approx(1.0, abs=1e-4)
    assert np.isfinite(tape.gradient(penalty, slope))


def test_second_order_gradient_of_r1_equals_finite_differences():
    weight = tf.Variable(0.7, dtype=tf.float64)

    def penalty():
        images = tf.cast(batch(0), tf.float64)
        score = lambda x: tf.reduce_sum(tf.tanh(weight * x), [1, 2, 3])[:, None]  # noqa: E731
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            total = tf.reduce_sum(score(images))
        return tf.reduce_mean(tf.reduce_sum(tape.gradient(total, images) ** 2, [1, 2, 3])) / 2, score, images

    with tf.GradientTape() as tape:
        value = r1_penalty(penalty()[1], tf.cast(batch(0), tf.float64))
    slope = float(tape.gradient(value, weight))
    weight.assign_add(1e-4)
    above = float(penalty()[0])
    weight.assign_sub(2e-4)
    assert slope == pytest.approx((above - float(penalty()[0])) / 2e-4, rel=1e-4)
