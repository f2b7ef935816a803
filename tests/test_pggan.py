import keras
import numpy as np
import pytest
import tensorflow as tf
from network_checks import batch, check_compiled, image_gradient, wasserstein_gradients

from medgan_tf import networks
from medgan_tf.networks import sampling
from medgan_tf.networks.attention import attention_map
from medgan_tf.networks.growth import schedule, set_stage
from medgan_tf.training import WGANGP

pytestmark = pytest.mark.usefixtures("float32_again")


def build(size=16, **settings):
    settings = {"num_classes": 3, "latent_dim": 6, "base_filters": 8, **settings}
    return networks.build("pggan", size, **settings)


def at(stage, alpha, *networks):
    for network in networks:
        set_stage(network, stage, alpha)


def perturb(network):
    """Perturb all variables: biases start at 0, and labels may have little effect."""
    generator = np.random.default_rng(0)
    for variable in network.trainable_variables:
        variable.assign(variable.value + 0.5 * generator.standard_normal(variable.shape))


@pytest.mark.parametrize(("size", "first"), [(32, 4), (32, 8), (256, 4), ((32, 48), 4)])
def test_shapes_and_range_at_every_stage(size, first):
    generator, critic = build(size, first_size=first)
    height, width = (size, size) if isinstance(size, int) else size
    stages = generator.get_layer("growing").stages
    assert first * 2 ** (stages - 1) == height
    latents, labels = tf.constant(sampling.latents(2, 6, 0)), tf.constant([0, 1])
    for stage in range(stages):
        at(stage, 0.3, generator, critic)
        images = generator([latents, labels]).numpy()
        assert images.shape == (2, height, width, 1)
        assert 0.01 < np.abs(images).max() <= 1
        block = height // (first * 2**stage)
        np.testing.assert_array_equal(images, images[:, ::block, ::block].repeat(block, 1).repeat(block, 2))
        if stage:
            assert np.abs(
                images - images[:, :: 2 * block, :: 2 * block].repeat(2 * block, 1).repeat(2 * block, 2)
            ).max()
        assert critic([images, labels.numpy()]).shape == (2, 1)


def test_default_widths_and_all_stages_are_built_at_once():
    for network in networks.build("pggan", 256):
        assert all(layer.built for layer in network._flatten_layers())
        growing = network.get_layer("growing")
        assert growing.widths == [512, 512, 512, 512, 256, 128, 64]
        assert (growing.fade_kimg, growing.stable_kimg, growing.stage, float(growing.alpha)) == (50, 50, 6, 1)
    kernels = [tuple(layer.kernel.shape) for layer in growing.second]
    assert kernels == [
        (8192, 512),
        *((3, 3, 512, 512),) * 3,
        (3, 3, 256, 512),
        (3, 3, 128, 256),
        (3, 3, 64, 128),
    ]


@pytest.mark.parametrize("attention", [None, 4, 8, 16])
@pytest.mark.parametrize("stage", [1, 2])
def test_at_alpha_0_images_and_scores_are_exactly_those_of_the_smaller_stage(stage, attention):
    generator, critic = build(attention=attention)
    perturb(generator), perturb(critic)
    latents, labels, images = batch(16, 6)
    at(stage, 0.0, generator, critic)
    faded = generator([latents, labels]).numpy(), critic([images, labels]).numpy()
    at(stage, 0.5, generator, critic)
    half = generator([latents, labels]).numpy(), critic([images, labels]).numpy()
    at(stage - 1, 1.0, generator, critic)
    smaller = generator([latents, labels]).numpy(), critic([images, labels]).numpy()
    for one, other, between in zip(faded, smaller, half, strict=True):
        np.testing.assert_array_equal(one, other)
        assert (between != one).any()


@pytest.mark.parametrize("attention", [None, 8])
@pytest.mark.parametrize("stage", [1, 2])
def test_at_alpha_1_the_old_branch_has_no_effect_and_no_gradient(stage, attention):
    generator, critic = build(attention=attention)
    latents, labels, images = batch(16, 6)
    at(stage, 1.0, generator, critic)
    before = generator([latents, labels]).numpy(), critic([images, labels]).numpy()
    old = generator.get_layer("growing").to_image[stage - 1], critic.get_layer("growing").from_image[stage - 1]
    with tf.GradientTape() as tape:
        score = tf.reduce_sum(critic([generator([latents, labels]), labels]))
    for gradient in tape.gradient(score, [variable for layer in old for variable in layer.trainable_variables]):
        np.testing.assert_array_equal(gradient, 0)
    for layer in old:
        layer.kernel.assign(layer.kernel.value + 100)
        layer.bias.assign(layer.bias.value - 100)
    for network, inputs, expected in ((generator, latents, before[0]), (critic, images, before[1])):
        np.testing.assert_array_equal(network([inputs, labels]), expected)
        set_stage(network, stage, 0.9)
        assert np.abs(network([inputs, labels]) - expected).max() > 0.1


def test_attention_acts_from_its_stage_on_in_both_networks():
    generator, critic = build(attention=16)
    perturb(generator), perturb(critic)
    latents, labels, images = batch(16, 6)
    for network, inputs in ((generator, latents), (critic, images)):
        layer = network.get_layer("growing").self_attention
        at(2, 1.0, generator, critic)
        maps = attention_map(network, [inputs, labels])
        assert maps.shape == (len(labels), 16, 16, 8, 8)
        np.testing.assert_allclose(np.sum(maps, axis=(3, 4)), 1, atol=1e-5)
        mixed = network([inputs, labels]).numpy()
        layer.gamma.assign(0.0)
        assert np.abs(network([inputs, labels]) - mixed).max() > 1e-4
        at(1, 1.0, generator, critic)
        without = network([inputs, labels]).numpy()
        layer.gamma.assign(2.0)
        np.testing.assert_array_equal(network([inputs, labels]), without)


def test_the_schedule_is_stable_then_fades_to_the_last_stage():
    assert schedule(0, 20, 10, 3) == (0, 1.0)
    assert schedule(9.99, 20, 10, 3) == (0, 1.0)
    assert schedule(10, 20, 10, 3) == (1, 0.0)
    assert schedule(15, 20, 10, 3) == (1, 0.25)
    assert schedule(30, 20, 10, 3) == (1, 1.0)
    assert schedule(39, 20, 10, 3) == (1, 1.0)
    assert schedule(50, 20, 10, 3) == (2, 0.5)
    assert schedule(1e6, 20, 10, 3) == (2, 1.0)
    assert schedule(10, 0, 10, 3) == (1, 1.0)
    path = [schedule(kimg, 20, 10, 3) for kimg in np.arange(0, 100, 0.5)]
    assert [stage for stage, _ in path] == sorted(stage for stage, _ in path)
    assert all(isinstance(stage, int) and 0 <= alpha <= 1 for stage, alpha in path)


def test_the_label_changes_the_image_and_the_gradient_of_the_score():
    generator, critic = build()
    latents, labels, images = batch(16, 6)
    for stage in range(3):
        at(stage, 0.5, generator, critic)
        zero, one = (image_gradient(critic, images, tf.fill([4], label)) for label in (0, 1))
        assert np.linalg.norm(zero - one) > 0.1 * np.linalg.norm(zero)
        made = [generator([latents, wanted]) for wanted in (labels, (labels + 1) % 3)]
        assert np.abs(made[0] - made[1]).max(axis=(1, 2, 3)).min() > 0.01


def test_scores_depend_on_other_images_only_through_the_minibatch_standard_deviation():
    _, critic = build()
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in critic._flatten_layers())
    _, labels, images = batch(16, 6, count=5)  # 5 has no divisor up to 4: every image is a group of its own
    alone = np.concatenate([critic([images[i : i + 1], labels[i : i + 1]]) for i in range(5)])
    np.testing.assert_allclose(critic([images, labels]), alone, rtol=1e-4, atol=1e-5)
    together = critic([images[:4], labels[:4]])
    assert np.abs(together - alone[:4]).max() > 1e-3


@pytest.mark.parametrize("stage", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_penalised_step_of_every_stage_compiles_and_equals_the_uncompiled_one(stage):
    generator, critic = build()
    at(stage, 0.4, generator, critic)
    check_compiled(generator, critic, *batch(16, 6))


def test_variables_of_later_stages_have_no_gradient():
    generator, critic = build()
    counts = []
    for stage in range(3):
        at(stage, 0.5, generator, critic)
        counts.append(len(wasserstein_gradients(generator, critic, *batch(16, 6))) - 2)
    every = len(generator.trainable_variables) + len(critic.trainable_variables)
    # a stage has three layers of two variables in each network; the image layers of the last stage but one fade out
    assert counts == [every - 2 * 12, every - 12, every - 4]


def test_the_optimizer_keeps_the_state_of_layers_that_persist():
    gan = WGANGP(*build(), discriminator_steps=2)
    gan.compile(*(keras.optimizers.Adam(1e-3, 0.5, 0.9) for _ in range(2)))
    _, labels, images = batch(16, 6, count=8)
    networks = (gan.generator, gan.generator_ema, gan.discriminator)

    def step():
        before = {id(v): v.numpy() for v in gan.discriminator.trainable_variables}
        tf.function(gan.train_step)((images, labels))
        return {id(v) for v in gan.discriminator.trainable_variables if (v.numpy() != before[id(v)]).any()}

    at(0, 1.0, *networks)
    first = step()
    growing = gan.discriminator.get_layer("growing")
    identities = [id(variable) for variable in gan.discriminator.trainable_variables]
    moment = gan.discriminator_optimizer._momentums[identities.index(id(growing.first[0].kernel))]
    held = moment.numpy()
    assert np.any(held)
    at(1, 0.0, *networks)
    np.testing.assert_array_equal(moment, held)
    gan.images_seen.assign(75_000)
    at(*schedule(75, growing.fade_kimg, growing.stable_kimg, growing.stages), *networks)
    assert (growing.stage, float(growing.alpha)) == (1, 0.5)
    assert first < step()
    assert len(first) < len(gan.discriminator.trainable_variables) - 12
    assert gan.generator_ema.get_layer("growing").stage == 1
    gan.sample(3, labels=[0, 1, 2])


def test_clones_and_weight_files_carry_stage_and_alpha(tmp_path):
    latents, labels, images = batch(16, 6)
    for network, other, first in zip(build(), build(), (latents, images), strict=True):
        set_stage(network, 1, 0.25)
        expected = network([first, labels])
        clone = keras.models.clone_model(network)
        clone.set_weights(network.get_weights())
        network.save_weights(tmp_path / "some.weights.h5")
        other.load_weights(tmp_path / "some.weights.h5")
        for copy in (clone, other):
            assert copy.get_layer("growing").stage == 1
            np.testing.assert_array_equal(copy([first, labels]), expected)


def test_predict_follows_the_stage():
    generator, _ = build()
    pictures = []
    for stage, alpha in ((1, 1.0), (2, 0.5), (2, 1.0)):
        set_stage(generator, stage, alpha)
        pictures.append(sampling.sample(generator, 3, labels=[0, 1, 2]))
        expected = generator([tf.constant(sampling.latents(3, 6, 0)), tf.constant([0, 1, 2])])
        np.testing.assert_allclose(pictures[-1].astype(int), sampling.to_uint8(expected).astype(int), atol=1)
    assert (pictures[0] != pictures[1]).any()
    assert (pictures[1] != pictures[2]).any()


def test_half_precision_inside_float32_outside():
    full = build()
    keras.config.set_dtype_policy("mixed_float16")
    half = build()
    latents, labels, images = batch(16, 6)
    for one, other, first in zip(full, half, (latents, images), strict=True):
        other.set_weights(one.get_weights())
        at(2, 0.5, one, other)
        result, expected = other([first, labels]), one([first, labels])
        assert result.dtype == other.output.dtype == "float32"
        assert other.get_layer("growing").compute_dtype == "float16"
        np.testing.assert_allclose(result, expected, atol=0.02)


def test_it_works_without_labels():
    generator, critic = build(num_classes=0)
    images = generator(tf.constant(sampling.latents(2, 6, 0)))
    assert critic(images).shape == (2, 1)
    assert len(generator.inputs) == len(critic.inputs) == 1


@pytest.mark.parametrize(
    ("size", "settings", "message"),
    [
        (48, {}, "does not give"),
        (4, {}, "does not give"),
        (64, {"first_size": 16}, "4 or 8"),
        ((64, 72), {}, "does not give"),
        (64, {"stable_kimg": 0}, "stable_kimg above 0"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(size, settings, message):
    with pytest.raises(ValueError, match=message):
        build(size, **settings)
