import keras
import numpy as np
import pytest
import tensorflow as tf
from network_checks import batch, check_compiled, image_gradient

from medgan_tf import config, networks
from medgan_tf.networks import sampling
from medgan_tf.networks.attention import SelfAttention, attention_map
from medgan_tf.training import WGANGP
from medgan_tf.training.callbacks import RecomputeBatchNorm

pytestmark = pytest.mark.usefixtures("float32_again")

VARIANTS = {
    "plain": {},
    "no projection": {"projection": False},
    "attention": {"attention": 8},
    "residual": {"residual": True},
    "no labels": {"num_classes": 0, "attention": 8},
}


def build(size=16, **settings):
    settings = {"num_classes": 3, "latent_dim": 6, "base_filters": 16, **settings}
    return networks.build("cgan", size, **settings)


@pytest.mark.parametrize("size", [32, 64, 128, 256, (32, 48), (64, 24 * 8)])
def test_shapes_ranges_and_one_score_per_image(size):
    generator, critic = build(size, base_filters=32, attention=16)
    height, width = (size, size) if isinstance(size, int) else size
    latents, labels = tf.constant(10 * sampling.latents(3, 6, 0)), tf.constant([0, 1, 2])
    images = generator([latents, labels], training=True)
    assert images.shape == (3, height, width, 1)
    assert np.abs(images).max() <= 1
    assert critic([images, labels]).shape == (3, 1)


def test_default_widths():
    generator, critic = networks.build("cgan", 256, 4)
    kernels = [w.shape for w in generator.trainable_variables if len(w.shape) == 4]
    widths = [512, 256, 128, 64, 32, 16]
    assert kernels == [(3, 3, a, b) for a, b in zip(widths, [*widths[1:], 1], strict=True)]
    assert [tuple(w.shape) for w in generator.trainable_variables[:2]] == [(4, 50), (150, 8 * 8 * 512)]
    assert [w.shape[-1] for w in critic.trainable_variables if len(w.shape) == 4] == widths[::-1]
    assert {layer.momentum for layer in generator.layers if isinstance(layer, keras.layers.BatchNormalization)} == {0.9}


def test_no_block_has_fewer_than_min_filters():
    networks_of = {least: networks.build("cgan", 256, base_filters=64, min_filters=least) for least in (1, 8)}
    kernels = {
        least: [[w.shape[-1] for w in network.trainable_variables if len(w.shape) == 4] for network in pair]
        for least, pair in networks_of.items()
    }
    assert kernels[1] == [[32, 16, 8, 4, 2, 1], [2, 4, 8, 16, 32, 64]]
    assert kernels[8] == [[32, 16, 8, 8, 8, 1], [8, 8, 8, 16, 32, 64]]


def test_a_critic_with_pooling_is_the_critic_of_smaller_images_and_sees_their_means():
    settings = {"base_filters": 32, "attention": 8, "residual": True}
    pair, (_, small) = build(64, critic_pooling=4, **settings), build(16, **settings)
    assert [w.shape for w in pair[1].weights] == [w.shape for w in small.weights]
    small.set_weights(pair[1].get_weights())
    _, labels, images = batch(64, 6)
    means = tf.reduce_mean(tf.reshape(images, (4, 16, 4, 16, 4, 1)), axis=(2, 4))
    np.testing.assert_allclose(pair[1]([images, labels]), small([means, labels]), rtol=1e-4, atol=1e-5)
    for impossible in (0, 3, 8):
        with pytest.raises(ValueError, match="critic_pooling is a power of 2 below 8"):
            build(64, critic_pooling=impossible, base_filters=32)


@pytest.mark.parametrize("variant", ["plain", "attention", "residual"])
def test_the_label_reaches_the_gradient_of_the_score_with_respect_to_the_image(variant):
    _, critic = build(**VARIANTS[variant])
    _, _, images = batch(16, 6)
    zero, one = (image_gradient(critic, images, tf.fill([4], label)) for label in (0, 1))
    assert np.linalg.norm(zero - one) > 0.1 * np.linalg.norm(zero)


def test_without_projection_the_label_has_no_effect():
    generator, critic = build(projection=False)
    _, _, images = batch(16, 6)
    zero, one = (image_gradient(critic, images, tf.fill([4], label)) for label in (0, 1))
    np.testing.assert_array_equal(zero, one)
    assert [tensor.name for tensor in critic.inputs] == ["images", "labels"]
    assert len(build()[1].trainable_variables) == len(critic.trainable_variables) + 1
    assert np.any(zero)
    assert len(generator.inputs) == 2


def test_the_score_is_f_of_phi_plus_the_product_of_label_and_phi():
    _, critic = build()
    _, labels, images = batch(16, 6)
    phi = keras.Model(critic.inputs, critic.get_layer("phi").output)([images, labels]).numpy()
    assert phi.shape == (4, 4 * 4 * 16)
    weights = {tuple(w.shape): w.numpy() for w in critic.trainable_variables[-3:]}
    expected = phi @ weights[256, 1] + weights[1,] + np.sum(weights[3, 256][labels] * phi, axis=1, keepdims=True)
    np.testing.assert_allclose(critic([images, labels]), expected, atol=1e-5)


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "no labels"])
@pytest.mark.parametrize("training", [True, False])
def test_an_image_depends_on_its_label(variant, training):
    generator, _ = build(**VARIANTS[variant])
    latents, labels, _ = batch(16, 6)
    images, others = (generator([latents, wanted], training=training) for wanted in (labels, (labels + 1) % 3))
    assert np.abs(images - others).max(axis=(1, 2, 3)).min() > 0.01


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_score_depends_on_its_image_only_and_no_critic_has_batch_norm(variant):
    _, critic = build(**VARIANTS[variant])
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in critic._flatten_layers())
    _, labels, images = batch(16, 6)
    together, alone = (
        critic([images[:count], labels[:count]] if len(critic.inputs) > 1 else images[:count], training=True)
        for count in (4, 1)
    )
    np.testing.assert_allclose(together[:1], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variant", ["plain", "attention", pytest.param("residual", marks=pytest.mark.slow)])
def test_a_penalised_step_compiles_and_equals_the_uncompiled_one_also_deterministically(variant):
    tf.config.experimental.enable_op_determinism()
    generator, critic = build(**VARIANTS[variant])
    for network in (generator, critic):
        for layer in network.layers:
            if isinstance(layer, SelfAttention):
                layer.gamma.assign(0.5)  # at 0 queries and keys would have no gradient
    results = check_compiled(generator, critic, *batch(16, 6))
    assert len(results) == 2 + len(generator.trainable_variables) + len(critic.trainable_variables)


@pytest.mark.parametrize("variant", VARIANTS)
def test_clones_and_weight_files_give_the_same_images_and_scores(variant, tmp_path):
    latents, labels, images = batch(16, 6)
    pair, others = build(**VARIANTS[variant]), build(**VARIANTS[variant])
    for network, other, first in zip(pair, others, (latents, images), strict=True):
        inputs = [first, labels] if len(network.inputs) > 1 else first
        clone = keras.models.clone_model(network)
        clone.set_weights(network.get_weights())
        network.save_weights(tmp_path / "some.weights.h5")
        other.load_weights(tmp_path / "some.weights.h5")
        np.testing.assert_array_equal(clone(inputs), network(inputs))
        np.testing.assert_array_equal(other(inputs), network(inputs))


@pytest.mark.parametrize(
    ("settings", "compiled"),
    [
        (VARIANTS["plain"], False),
        (VARIANTS["attention"] | VARIANTS["residual"], False),
        pytest.param(VARIANTS["plain"], True, marks=pytest.mark.slow),
    ],
)
def test_a_training_step_updates_the_critic_twice_and_all_label_tables(settings, compiled):
    gan = WGANGP(*build(**settings), discriminator_steps=2)
    gan.compile(*(keras.optimizers.Adam(1e-3, 0.5, 0.9) for _ in range(2)))
    variables = gan.generator.trainable_variables + gan.discriminator.trainable_variables
    tables = [variable for variable in variables if len(variable.shape) == 2 and variable.shape[0] == 3]
    before = [table.numpy() for table in tables]
    _, labels, images = batch(16, 6, count=8)
    logs = tf.function(gan.train_step, jit_compile=compiled)((images, labels))
    assert all(np.isfinite(value) for value in logs.values())
    assert [int(o.iterations) for o in (gan.generator_optimizer, gan.discriminator_optimizer)] == [1, 2]
    assert len(tables) >= 2
    assert all((table.numpy() != old).all() for table, old in zip(tables, before, strict=True))
    settling = RecomputeBatchNorm(np.array([0, 1, 2] * 12))
    settling.set_model(gan)
    settling.on_epoch_end(0)
    assert gan.sample(3, labels=[0, 1, 2]).shape == (3, 16, 16, 1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_half_precision_inside_float32_outside(variant):
    full = build(**VARIANTS[variant])
    keras.config.set_dtype_policy("mixed_float16")
    half = build(**VARIANTS[variant])
    latents, labels, images = batch(16, 6)
    for one, other, first in zip(full, half, (latents, images), strict=True):
        other.set_weights(one.get_weights())
        inputs = [first, labels] if len(one.inputs) > 1 else first
        result, expected = other(inputs, training=True), one(inputs, training=True)
        assert result.dtype == other.output.dtype == "float32"
        assert "float16" in {layer.compute_dtype for layer in other.layers}
        np.testing.assert_allclose(result, expected, atol=0.02 * np.abs(expected).max())


def test_attention_is_at_the_requested_resolution_in_both_networks():
    for network, latents in zip(build(32, base_filters=32, attention=16), (True, False), strict=True):
        assert network.get_layer("attention").input.shape[1:3] == (16, 16)
        z, labels, images = batch(32, 6)
        found = attention_map(network, [z if latents else images, labels])
        assert found.shape == (4, 16, 16, 8, 8)
        np.testing.assert_allclose(np.sum(found, axis=(3, 4)), 1, atol=1e-5)


@pytest.mark.parametrize(("size", "coarsest"), [(32, (8, 8)), ((112, 160), (7, 10)), (224, (7, 7))])
def test_the_coarsest_map_of_112_and_224_px_has_7_px(size, coarsest):
    generator, critic = build(size, base_filters=32, attention=2 * min(coarsest))
    maps = [layer.output.shape[1:3] for layer in generator.layers if isinstance(layer, keras.layers.Reshape)]
    assert coarsest in maps
    assert generator.output_shape[1:3] == critic.input_shape[0][1:3] == config.sides(size)


@pytest.mark.parametrize(
    ("size", "settings", "message"),
    [
        (48, {}, "does not give"),
        (8, {}, "does not give"),
        ((64, 100), {}, "does not give"),
        (32, {"attention": 32}, "one of"),
        (32, {"attention": 12}, "one of"),
        (256, {"base_filters": 16}, "halved 5 times"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(size, settings, message):
    with pytest.raises(ValueError, match=message):
        build(size, **settings)
