import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from network_checks import batch, image_gradient

from medgan_tf import networks
from medgan_tf.networks.layers import EqualisedConv2D, EqualisedDense, LabelEmbedding, MinibatchStandardDeviation
from medgan_tf.networks.resampling import downsample, smooth, upsample, upsampled_convolution
from medgan_tf.networks.stylegan2 import DownsampledConv2D, Noise, modulated_convolution
from medgan_tf.networks.styles import SecondLatents, Styles, activated
from medgan_tf.training import StyleGAN
from medgan_tf.training.losses import path_length_penalty, path_lengths, r1_penalty

pytestmark = pytest.mark.usefixtures("float32_again")


def build(size=16, **settings):
    settings = {"num_classes": 3, "latent_dim": 6, "channel_base": 64, "channel_max": 8, **settings}
    return networks.build("stylegan2", size, **{"mapping_layers": 2, **settings})


def perturb(network):
    """Perturb all variables: biases and the strength of the noise start at 0."""
    generator = np.random.default_rng(0)
    for variable in network.trainable_variables:
        variable.assign(variable.value + 0.3 * generator.standard_normal(variable.shape))


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def rectified(x):
    return math.sqrt(2) * np.where(x > 0, x, 0.2 * x)


def unit(x):
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-8)


def count(network):
    return sum(math.prod(variable.shape) for variable in network.trainable_variables)


# The layers


@pytest.mark.parametrize("upsample", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_modulated_convolution_equals_a_kernel_for_each_image(demodulate, upsample):
    x, kernel, styles = numbers(3, 5, 6, 4), numbers(3, 3, 4, 7, seed=1), 1 + numbers(3, 4, seed=2)
    result = modulated_convolution(*map(tf.constant, (x, kernel, styles)), demodulate, upsample)
    for index in range(3):
        own = kernel * styles[index][:, None]
        if demodulate:
            own = own / np.sqrt(np.sum(own**2, axis=(0, 1, 2)) + 1e-8)
        image = x[index : index + 1]
        expected = upsampled_convolution(image, tf.constant(own)) if upsample else tf.nn.conv2d(image, own, 1, "SAME")
        np.testing.assert_allclose(result[index : index + 1], expected, atol=1e-4)


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_demodulated_outputs_have_unit_variance(scale):
    x, kernel, styles = numbers(8, 16, 16, 32), numbers(3, 3, 32, 64, seed=1), scale * numbers(8, 32, seed=2)
    result = modulated_convolution(*map(tf.constant, (x, kernel, styles))).numpy()[:, 1:-1, 1:-1]
    assert np.std(result) == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(np.std(result, axis=(1, 2, 3)), 1, atol=0.1)


def test_large_styles_do_not_overflow_in_float16():
    x, kernel, styles = 100 * numbers(2, 8, 8, 16), numbers(3, 3, 16, 4, seed=1) / 12, 3000 * numbers(2, 16, seed=2)
    expected = modulated_convolution(*map(tf.constant, (x, kernel, styles)))
    result = modulated_convolution(tf.constant(x, tf.float16), tf.constant(kernel), tf.constant(styles))
    assert result.dtype == "float16"
    np.testing.assert_allclose(tf.cast(result, "float32"), expected, atol=2)  # of numbers around 100


def test_the_activation_and_its_first_two_derivatives():
    x = tf.constant(numbers(50) * 200)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = activated(x)
        gradient = tape.gradient(tf.convert_to_tensor(y), x)
        squares = tf.reduce_sum(gradient**2)
    np.testing.assert_allclose(y, rectified(x.numpy()), rtol=1e-6)
    np.testing.assert_allclose(gradient, rectified(np.sign(x)) * np.sign(x), rtol=1e-6)
    np.testing.assert_array_equal(outer.gradient(squares, x), 0)
    half = activated(tf.cast(x, "float16"))
    np.testing.assert_allclose(half, np.clip(rectified(x.numpy()), -256, 256), rtol=2e-3)
    assert np.max(half) == 256


def test_noise_is_shared_by_channels_and_new_for_each_image_in_training():
    layer, x = Noise(seed=3), tf.constant(numbers(4, 16, 16, 5))
    for training in (False, True):
        np.testing.assert_array_equal(layer(x, training=training), x)  # the strength starts at 0
    layer.strength.assign(0.5)
    added = [layer(x, training=training).numpy() - x for training in (False, False, True, True)]
    np.testing.assert_array_equal(added[0], added[1])
    np.testing.assert_allclose(added[0], np.broadcast_to(0.5 * layer.constant, x.shape), atol=1e-6)
    for values in added:
        np.testing.assert_allclose(values, np.broadcast_to(values[..., :1], x.shape), atol=1e-6)
        assert np.std(values) == pytest.approx(0.5, rel=0.1)
    fresh = [*added[2][..., 0], *added[3][..., 0], added[0][0, ..., 0]]
    correlations = np.corrcoef([np.ravel(one) for one in fresh]) - np.eye(len(fresh))
    assert np.abs(correlations).max() < 0.3  # 5 standard deviations for 256 pixels
    np.testing.assert_array_equal(Noise.from_config(layer.get_config())(x, training=True), x)
    assert [variable.path for variable in layer.trainable_variables] == [layer.strength.path]


# Mapping and styles


def test_the_mapping_is_dense_layers_of_a_normalised_latent_and_label():
    generator, _ = build()
    mapping = generator.get_layer("mapping")
    perturb(mapping)
    latents, labels, _ = batch(16, 6)
    table, *weights = (variable.numpy() for variable in mapping.trainable_variables)
    assert table.shape == (3, 6)
    x = np.concatenate([unit(latents.numpy()), unit(table[labels.numpy()])], axis=1)
    assert [w.shape for w in weights] == [(12, 6), (6,), (6, 6), (6,)]
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        x = rectified(x @ (0.01 * kernel) / np.sqrt(len(kernel)) + 0.01 * bias)
    np.testing.assert_allclose(mapping([latents, labels]), x, rtol=1e-4, atol=1e-5)


def test_eight_mapping_layers_start_at_unit_variance_with_weights_a_hundred_times_as_large():
    generator, _ = build(num_classes=0, latent_dim=256, mapping_layers=8)
    mapping = generator.get_layer("mapping")
    kernels = [variable for variable in mapping.trainable_variables if len(variable.shape) == 2]
    assert len(kernels) == 8
    assert all(np.std(kernel) == pytest.approx(100, rel=0.03) for kernel in kernels)
    assert np.mean(mapping(numbers(64, 256)) ** 2) == pytest.approx(1, rel=0.3)


def test_mixing_uses_the_second_style_from_a_uniform_crossover_on():
    layer = Styles(num_ws=5, mixing_probability=0.75, seed=0)
    w = np.concatenate([np.zeros((4000, 2)), np.ones((4000, 2))]).astype("float32")
    ws = layer(w, training=True).numpy()
    assert ws.shape == (4000, 5, 2)
    np.testing.assert_array_equal(ws[..., 0], ws[..., 1])
    assert (np.diff(ws[..., 0], axis=1) >= 0).all()
    crossovers = np.sum(1 - ws[..., 0], axis=1).astype(int)
    expected = np.array([0, 3 / 16, 3 / 16, 3 / 16, 3 / 16, 1 / 4])
    np.testing.assert_allclose(np.bincount(crossovers) / 4000, expected, atol=0.025)
    assert (layer(w, training=True).numpy() != ws).any()
    np.testing.assert_array_equal(layer(w), np.repeat(w[:, None], 5, axis=1))
    whole = Styles(num_ws=5)
    np.testing.assert_array_equal(whole(w, training=True), np.repeat(w[:, None], 5, axis=1))


def test_the_running_mean_of_w_follows_the_batches_in_training_only():
    layer, mean = Styles(num_ws=4), np.zeros(3)
    for seed in range(3):
        w = 5 + numbers(8, 3, seed=seed)
        layer(w, training=True)
        layer(w + 100, training=False)
        mean = 0.998 * mean + 0.002 * w.mean(axis=0)
    np.testing.assert_allclose(layer.w_avg, mean, rtol=1e-4)
    assert layer.trainable_variables == []


def test_second_latents_are_drawn_in_training_only():
    latents, labels, _ = batch(16, 200, count=6)
    layer = SecondLatents(seed=10**6)
    for passed in layer([latents, labels]), layer([latents, labels], training=False):
        np.testing.assert_array_equal(passed[0], latents)
        np.testing.assert_array_equal(passed[1], labels)
    both, twice = layer([latents, labels], training=True)
    np.testing.assert_array_equal(both[:6], latents)
    np.testing.assert_array_equal(twice, np.tile(labels, 2))
    assert np.std(both[6:]) == pytest.approx(1, rel=0.1)
    assert np.mean(both[6:]) == pytest.approx(0, abs=0.15)
    alone = layer(latents, training=True)
    assert alone.shape == (12, 200)
    assert np.abs(np.corrcoef(np.concatenate([both, alone[6:]])) - np.eye(18)).max() < 0.4


def test_mixing_and_the_trainer_draw_independent_numbers():
    generator, discriminator = build(latent_dim=200)
    gan = StyleGAN(generator, discriminator, seed=0)
    inputs = [tf.constant(numbers(4, 200)), tf.constant([0, 1, 2, 0])]
    streams = [gan.random_numbers(stream, 4, 200) for stream in range(3)]
    for step in range(3):
        second = generator.get_layer("second_latents")(inputs, training=True)[0][4:]
        gan.step.assign(step)
        drawn = np.concatenate([second, *streams, gan.random_numbers(0, 4, 200)])
        assert np.abs(np.corrcoef(drawn)[:4, 4:]).max() < 0.4


# The networks


def test_the_published_numbers_of_parameters():
    generator, discriminator = networks.build("stylegan2", 256)
    assert count(generator) == 24_762_452
    assert count(discriminator) == 24_000_961
    synthesis = generator.get_layer("synthesis")
    assert synthesis.widths == [512, 512, 512, 512, 256, 128, 64]
    assert synthesis.num_ws == 14


@pytest.mark.parametrize(("size", "coarse"), [(32, (4, 4)), ((16, 24), (4, 6))])
def test_shapes(size, coarse):
    generator, discriminator = build(size)
    synthesis = generator.get_layer("synthesis")
    assert synthesis.constant.shape[:2] == coarse
    latents, labels, _ = batch(16, 6)
    images = generator([latents, labels])
    assert images.shape[1:] == generator.output.shape[1:] == discriminator.inputs[0].shape[1:]
    assert images.shape == ((4, size, size, 1) if isinstance(size, int) else (4, *size, 1))
    assert discriminator([images, labels]).shape == (4, 1)
    assert generator.get_layer("mapping")([latents, labels]).shape == (4, 6)


def test_each_layer_depends_on_its_own_style():
    generator, _ = build(8)
    synthesis = generator.get_layer("synthesis")
    perturb(synthesis)
    ws = numbers(2, synthesis.num_ws, 6)
    everyone = [*synthesis.convolutions, *synthesis.to_image]
    affine = [layer.affine.kernel.numpy() for layer in everyone]
    assert synthesis.num_ws == 4
    for layer, kernel, heard in zip(everyone, affine, [0, 1, 2, 1, 3], strict=True):
        for other in everyone:
            other.affine.kernel.assign(np.zeros_like(other.affine.kernel))
        layer.affine.kernel.assign(kernel)
        before = synthesis(ws).numpy()
        for index in range(4):
            changed = ws.copy()
            changed[:, index] += 1
            difference = np.abs(synthesis(changed).numpy() - before).max()
            assert (difference > 1e-3) if index == heard else difference == 0


def test_images_of_all_resolutions_are_upsampled_and_added():
    generator, _ = build()
    synthesis = generator.get_layer("synthesis")
    perturb(synthesis)
    ws = numbers(2, synthesis.num_ws, 6)
    whole = synthesis(ws).numpy()
    kernels = [(layer.kernel.numpy(), layer.bias.numpy()) for layer in synthesis.to_image]
    parts = []
    for chosen in range(3):
        for index, (layer, (kernel, bias)) in enumerate(zip(synthesis.to_image, kernels, strict=True)):
            layer.kernel.assign(kernel * (index == chosen))
            layer.bias.assign(bias * (index == chosen))
        parts.append(synthesis(ws).numpy())
    np.testing.assert_allclose(sum(parts), whole, atol=1e-4)
    assert all(np.std(part) > 0.05 for part in parts)
    # 4 px: the constant through one convolution, then to an image and twice up
    first, noise, to_image = synthesis.convolutions[0], synthesis.noises[0], synthesis.to_image[0]
    x = np.repeat(synthesis.constant[None], 2, axis=0)
    x = modulated_convolution(x, first.kernel / math.sqrt(72), 1 + first.affine(ws[:, 0])) + first.bias
    x = rectified((x + noise.constant * noise.strength).numpy())
    image = np.sum(x * (1 + to_image.affine(ws[:, 1]))[:, None, None] * kernels[0][0][0, 0, :, 0], axis=-1)
    image = (image / math.sqrt(8) + kernels[0][1])[..., None]
    np.testing.assert_allclose(parts[0], upsample(upsample(image)), atol=1e-4)


def test_the_discriminator_is_residual_and_multiplies_features_with_the_mapped_label():
    _, discriminator = build(8)
    perturb(discriminator)
    _, labels, images = batch(8, 6)
    maps = [layer for layer in discriminator.layers if isinstance(layer, EqualisedConv2D)]
    from_image, skip = sorted((layer for layer in maps if layer.kernel_size == 1), key=lambda layer: -layer.use_bias)
    (second,) = (layer for layer in maps if layer.kernel_size == 3 and isinstance(layer, DownsampledConv2D))
    first, last = (layer for layer in maps if layer not in (from_image, skip, second))
    dense = [layer for layer in discriminator.layers if isinstance(layer, EqualisedDense)]
    mapping = [layer for layer in dense if layer.learning_rate_multiplier == 0.01]
    flat, features = (layer for layer in dense if layer not in mapping)
    (table,) = (layer.embeddings.numpy() for layer in discriminator.layers if isinstance(layer, LabelEmbedding))

    def convolved(x, layer, stride=1, padding="SAME"):
        kernel = layer.kernel.numpy()
        x = tf.nn.conv2d(x, kernel / math.sqrt(math.prod(kernel.shape[:3])), stride, padding).numpy()
        return x + layer.bias if layer.use_bias else x

    def multiplied(x, layer, multiplier=1.0):
        return x @ (layer.kernel.numpy() * multiplier) / math.sqrt(x.shape[1]) + layer.bias.numpy() * multiplier

    x = rectified(convolved(images, from_image))
    deep = smooth(rectified(convolved(x, first)), padding=2)
    deep = rectified(convolved(deep, second, stride=2, padding="VALID"))
    x = (deep + convolved(downsample(x), skip)) / math.sqrt(2)
    x = rectified(convolved(MinibatchStandardDeviation()(x), last))
    x = multiplied(rectified(multiplied(x.reshape(4, -1), flat)), features)
    label = unit(table[labels.numpy()])
    for layer in mapping:
        label = rectified(multiplied(label, layer, multiplier=0.01))
    assert len(mapping) == 2
    score = np.sum(x * label, axis=1, keepdims=True) / math.sqrt(8)
    np.testing.assert_allclose(discriminator([images, labels]), score, rtol=1e-3, atol=1e-4)


def test_the_label_changes_the_image_and_the_gradient_of_the_score():
    generator, discriminator = build()
    latents, labels, images = batch(16, 6)
    made = [generator([latents, wanted]) for wanted in (labels, (labels + 1) % 3)]
    assert np.abs(made[0] - made[1]).max(axis=(1, 2, 3)).min() > 0.01
    zero, one = (image_gradient(discriminator, images, tf.fill([4], label)) for label in (0, 1))
    assert np.linalg.norm(zero - one) > 0.1 * np.linalg.norm(zero)


def test_truncation_between_the_average_image_and_the_sample():
    generator, _ = build()
    mapping, styles, synthesis = (generator.get_layer(name) for name in ("mapping", "styles", "synthesis"))
    latents, labels, _ = batch(16, 6)
    styles.w_avg.assign(numbers(6, seed=9))
    w = mapping([latents, labels])
    images = {}
    for psi in (0.0, 0.5, 1.0):
        truncated = styles.w_avg + psi * (w - styles.w_avg)
        images[psi] = synthesis(np.repeat(truncated[:, None], synthesis.num_ws, axis=1)).numpy()
    np.testing.assert_allclose(images[1.0], generator([latents, labels]), atol=1e-5)
    np.testing.assert_allclose(images[0.0], np.repeat(images[0.0][:1], 4, axis=0), atol=1e-5)
    assert 0 < np.std(images[0.5], axis=0).mean() < np.std(images[1.0], axis=0).mean()


def test_it_works_without_labels():
    generator, discriminator = build(num_classes=0)
    assert len(generator.inputs) == len(discriminator.inputs) == 1
    latents = numbers(4, 6)
    assert discriminator(generator(latents)).shape == (4, 1)
    assert (generator(latents, training=True) != generator(latents)).numpy().any()


@pytest.mark.parametrize(
    ("size", "settings", "message"),
    [
        (48, {}, "does not give"),
        (4, {}, "does not give"),
        ((64, 72), {}, "does not give"),
        (64, {"channel_base": 32}, "without channels"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(size, settings, message):
    with pytest.raises(ValueError, match=message):
        build(size, **settings)


# Training


def penalty_of_paths(synthesise, ws, noise, mean, **settings):
    lengths = path_lengths(synthesise, ws, noise)
    return path_length_penalty(lengths, tf.reduce_mean(lengths), mean, **settings)


def test_path_lengths_are_norms_of_rows_of_the_jacobian():
    ws, noise, slopes = numbers(4, 3, 5), numbers(4, 2, 6, 1, seed=1), numbers(12, 15, seed=2)

    def synthesise(ws):
        return tf.reshape(tf.matmul(tf.reshape(ws, (-1, 15)), tf.constant(slopes), transpose_b=True), (-1, 2, 6, 1))

    penalty, mean = penalty_of_paths(synthesise, tf.constant(ws), tf.constant(noise), 2.0)
    products = (noise.reshape(4, 12) @ slopes / math.sqrt(12)).reshape(4, 3, 5)
    lengths = np.sqrt(np.mean(np.sum(products**2, axis=2), axis=1))
    assert float(mean) == pytest.approx(2 + 0.01 * (lengths.mean() - 2), rel=1e-5)
    assert float(penalty) == pytest.approx(np.mean((lengths - float(mean)) ** 2), rel=1e-4)
    assert float(penalty_of_paths(synthesise, tf.constant(ws), tf.constant(noise), 2.0, decay=1.0)[1]) == (
        pytest.approx(lengths.mean(), rel=1e-5)
    )


def test_the_gradient_of_the_path_length_penalty_equals_finite_differences():
    generator = np.random.default_rng(0)
    ws, noise = (tf.constant(generator.standard_normal(shape)) for shape in ((4, 3, 5), (4, 2, 6, 1)))
    slopes, theta = tf.constant(generator.standard_normal((15, 12))), tf.Variable(0.4, dtype=tf.float64)

    def synthesise(ws):
        return tf.reshape(tf.tanh(theta * tf.matmul(tf.reshape(ws, (-1, 15)), slopes)), (-1, 2, 6, 1))

    with tf.GradientTape() as tape:
        penalty, mean = penalty_of_paths(synthesise, ws, noise, 0.3)
    gradient = float(tape.gradient(penalty, theta))

    def value(shift):
        """From a Jacobian by differences too, the mean held."""
        theta.assign(0.4 + shift)
        products = np.zeros((4, 3, 5))
        for place in np.ndindex(3, 5):
            step = np.zeros((1, 3, 5))
            step[0, *place] = 1e-5
            change = (synthesise(ws + step) - synthesise(ws - step)).numpy() / 2e-5
            products[:, *place] = np.sum(change * noise.numpy(), axis=(1, 2, 3)) / math.sqrt(12)
        lengths = np.sqrt(np.mean(np.sum(products**2, axis=2), axis=1))
        return np.mean((lengths - float(mean)) ** 2)

    assert float(penalty) == pytest.approx(value(0.0), rel=1e-6)
    assert gradient == pytest.approx((value(1e-4) - value(-1e-4)) / 2e-4, rel=1e-4)


def test_flat_synthesis_has_finite_derivatives():
    slope = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        penalty, _ = penalty_of_paths(
            lambda ws: slope * ws[:, :, :, None], tf.ones((2, 3, 4)), tf.ones((2, 3, 4, 1)), tf.constant(1.0)
        )
    assert np.isfinite(tape.gradient(penalty, slope))


def regularised_gradients(generator, discriminator, latents, labels, images):
    """The non-saturating losses with R1 and path length, and every gradient; no random numbers."""
    mapping, synthesis = generator.get_layer("mapping"), generator.get_layer("synthesis")
    with tf.GradientTape(persistent=True) as tape:
        ws = tf.repeat(mapping([latents, labels])[:, None], synthesis.num_ws, axis=1)
        lengths, _ = penalty_of_paths(synthesis, ws, images, 0.1)
        generator_loss = tf.reduce_mean(tf.nn.softplus(-discriminator([synthesis(ws), labels]))) + lengths
        scores = discriminator([images, labels], training=True)
        penalty = r1_penalty(lambda x: discriminator([x, labels], training=True), images)
        loss = tf.reduce_mean(tf.nn.softplus(-scores)) + penalty
    gradients = tape.gradient(generator_loss, generator.trainable_variables)
    gradients += tape.gradient(loss, discriminator.trainable_variables)
    return [lengths, penalty, generator_loss, loss, *gradients]


def test_regularised_steps_compile_and_equal_the_uncompiled_ones():
    networks = build(8)
    for network in networks:
        perturb(network)
    data = batch(8, 6)
    plain = tf.function(regularised_gradients)(*networks, *data)
    fused = tf.function(regularised_gradients, jit_compile=True)(*networks, *data)
    assert len(plain) == 4 + sum(len(network.trainable_variables) for network in networks)
    for one, other in zip(plain, fused, strict=True):
        largest = np.abs(one).max()
        assert 0 < largest < np.inf
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-3 * largest)


def test_training_mode_compiles_and_changes_only_w_avg_and_seeds():
    generator, _ = build(8)
    before = [variable.numpy() for variable in generator.variables]
    tf.function(lambda *inputs: generator(list(inputs), training=True), jit_compile=True)(*batch(16, 6)[:2])
    moved = {
        variable.path.split("/")[-1]
        for variable, old in zip(generator.variables, before, strict=True)
        if (variable.numpy() != old).any()
    }
    assert moved == {"w_avg", "seed_generator_state"}


def test_clones_and_weight_files_give_the_same_network(tmp_path):
    latents, labels, images = batch(16, 6)
    for network, other, first in zip(build(), build(), (latents, images), strict=True):
        perturb(network)
        for variable in network.non_trainable_variables:
            if variable.dtype == "float32":
                variable.assign(numbers(*variable.shape, seed=5))
        expected = network([first, labels])
        clone = keras.models.clone_model(network)
        clone.set_weights(network.get_weights())
        network.save_weights(tmp_path / "some.weights.h5")
        other.load_weights(tmp_path / "some.weights.h5")
        network.save(tmp_path / "some.keras")
        for copy in (clone, other, keras.models.load_model(tmp_path / "some.keras")):
            np.testing.assert_array_equal(copy([first, labels]), expected)
            for one, same in zip(copy.weights, network.weights, strict=True):
                np.testing.assert_array_equal(one, same)


def test_the_trainer_resumes_with_the_same_mixing_and_noise(tmp_path):
    _, labels, images = batch(8, 6)

    def trainer():
        gan = StyleGAN(*build(8), r1_weight=10.0, r1_interval=2)
        gan.compile(*(keras.optimizers.Adam(2e-3, 0.0, 0.99) for _ in range(2)))
        return gan

    gan, restored = trainer(), trainer()
    perturb(gan.generator)
    gan.train_step((images, labels))
    gan.save_state(tmp_path / "state.npz")
    restored.load_state(tmp_path / "state.npz")
    for one in (gan, restored):
        one.train_step((images, labels))
    for name, variable in gan._state().items():
        np.testing.assert_array_equal(restored._state()[name], variable, err_msg=name)
    assert np.any(gan.generator.get_layer("styles").w_avg)
    assert np.any(gan.generator_ema.get_layer("styles").w_avg)


def test_half_precision_at_the_four_highest_resolutions_float32_outside():
    full, (latents, labels, images) = build(64), batch(64, 6)
    for network in full:
        perturb(network)
    expected = [full[0]([latents, labels]), full[1]([images, labels])]
    for precision, tolerance in (("float16", 0.02), ("bfloat16", 0.1)):
        keras.config.set_dtype_policy(f"mixed_{precision}")
        half = build(64)
        for one, other, first, wanted in zip(full, half, (latents, images), expected, strict=True):
            other.set_weights(one.get_weights())
            result = other([first, labels])
            assert result.dtype == other.output.dtype == "float32"
            assert 0 < np.abs(result - wanted).max() < tolerance * np.abs(wanted).max()
        keras.config.set_dtype_policy("float32")
        clone = keras.models.clone_model(half[0])  # keeps its precision
        for synthesis in (half[0].get_layer("synthesis"), clone.get_layer("synthesis")):
            assert [layer.compute_dtype for layer in synthesis.to_image] == ["float32", *[precision] * 4]
            assert [layer.compute_dtype for layer in synthesis.convolutions] == ["float32", *[precision] * 8]
        assert half[0].get_layer("mapping")([latents, labels]).dtype == "float32"
        assert {layer.compute_dtype for layer in half[1].layers} == {"float32", precision}
