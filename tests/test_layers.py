import keras
import numpy as np
import pytest
import tensorflow as tf

from medgan_tf.networks.attention import SelfAttention, attention_map
from medgan_tf.networks.layers import (
    EqualisedConv2D,
    EqualisedDense,
    LabelEmbedding,
    MinibatchStandardDeviation,
    PixelNormalisation,
    UpsampledConv2D,
)


def maps(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("make", [lambda: UpsampledConv2D(5), lambda: EqualisedConv2D(5, 3, upsample=True)])
def test_an_upsampling_convolution_leaves_no_texture_in_a_constant_map(make):
    layer, x = make(), np.ones((1, 4, 6, 3), np.float32)
    inside = layer(x)[:, 3:-3, 3:-3]
    np.testing.assert_allclose(inside, np.broadcast_to(inside[:, :1, :1], inside.shape), atol=1e-5)
    scale = getattr(layer, "scale", 1.0)
    np.testing.assert_allclose(inside[0, 0, 0], np.sum(layer.kernel, axis=(0, 1, 2)) * scale, atol=1e-5)
    before = layer(x)
    layer.bias.assign([1, 2, 3, 4, 5])
    np.testing.assert_allclose(layer(x), before + layer.bias, atol=1e-5)
    assert layer.compute_output_shape((None, 4, 6, 3)) == (None, 8, 12, 5)


@pytest.mark.parametrize("multiplier", [1.0, 0.01])
def test_equalised_weights_are_normal_and_scaled_at_run_time(multiplier):
    layer, x = EqualisedDense(400, gain=1.5, learning_rate_multiplier=multiplier), maps(500, 200)
    result = layer(x)
    assert np.std(layer.kernel) == pytest.approx(1 / multiplier, rel=0.02)
    assert np.std(result) == pytest.approx(1.5, rel=0.05)
    expected = x @ (layer.kernel.numpy() * multiplier) * 1.5 / np.sqrt(200)
    np.testing.assert_allclose(result, expected, atol=1e-3)
    layer.bias.assign(np.ones(400))
    np.testing.assert_allclose(layer(x) - result, multiplier, rtol=1e-2)


def test_an_equalised_convolution_counts_its_kernel_into_the_fan_in():
    layer = EqualisedConv2D(64, 3)
    x = maps(4, 16, 16, 32)
    result = layer(x)
    expected = tf.nn.conv2d(x, layer.kernel * np.sqrt(2 / (9 * 32)), 1, "SAME")
    np.testing.assert_allclose(result, expected, atol=1e-4)
    assert np.std(result[:, 1:-1, 1:-1]) == pytest.approx(np.sqrt(2), rel=0.05)


def test_pixel_normalisation_leaves_each_pixel_a_mean_square_of_one():
    x = 7 * maps(2, 3, 5, 8)
    result = PixelNormalisation()(x)
    np.testing.assert_allclose(result, x / np.sqrt((x**2).mean(axis=-1, keepdims=True)), rtol=1e-5)
    zero = PixelNormalisation(dtype="float16")(np.zeros((1, 4), "float16"))
    np.testing.assert_array_equal(zero, 0)  # 1e-8 is nothing in float16


@pytest.mark.parametrize(("count", "size"), [(8, 4), (6, 3), (2, 2), (5, 1), (4, 4)])
def test_minibatch_standard_deviation_against_numpy(count, size):
    x = maps(count, 3, 5, 2)
    layer = MinibatchStandardDeviation()
    # group j holds the images j, j + count / size, ...
    groups = [x[index :: count // size] for index in range(count // size)]
    deviations = np.array([np.sqrt(group.var(axis=0) + 1e-8).mean() for group in groups])
    dynamic = tf.function(layer, input_signature=[tf.TensorSpec((None, 3, 5, 2))])
    fused = tf.function(layer, jit_compile=True, input_signature=[tf.TensorSpec((None, 3, 5, 2))])
    for result in (layer(x), dynamic(x), fused(x)):
        assert result.shape == (count, 3, 5, 3)
        np.testing.assert_array_equal(result[..., :2], x)
        for image in range(count):
            np.testing.assert_allclose(result[image, ..., 2], deviations[image % (count // size)], rtol=1e-5)


def test_self_attention_against_a_direct_evaluation():
    x = maps(2, 4, 6, 16)
    layer = SelfAttention()
    np.testing.assert_array_equal(layer(x), x)  # gamma is 0
    layer.gamma.assign(0.7)
    kernels = {part: getattr(layer, part).kernel.numpy()[0, 0] for part in ("query", "key", "value")}
    assert {part: kernel.shape for part, kernel in kernels.items()} == {
        "query": (16, 2),
        "key": (16, 2),
        "value": (16, 8),
    }

    def pooled(y):
        return y.reshape(2, 2, 2, 3, 2, -1).max(axis=(2, 4)).reshape(2, 6, -1)

    keys, values = pooled(x @ kernels["key"]), pooled(x @ kernels["value"])
    weights = softmax((x @ kernels["query"]).reshape(2, 24, 2) @ keys.swapaxes(1, 2))
    mixed = (weights @ values).reshape(2, 4, 6, 8) @ layer.output_convolution.kernel.numpy()[0, 0]
    np.testing.assert_allclose(layer.attention(x), weights, atol=1e-5)
    np.testing.assert_allclose(layer(x), x + 0.7 * mixed, atol=1e-4)
    assert weights.shape == (2, 24, 6)
    np.testing.assert_allclose(np.sum(layer.attention(x), axis=-1), 1, atol=1e-5)


def test_the_attention_map_of_a_network_is_that_of_its_layer():
    inputs = keras.Input((4, 6, 3))
    middle = keras.layers.Conv2D(16, 3, padding="same")
    network = keras.Model(inputs, keras.layers.Flatten()(SelfAttention()(middle(inputs))), name="critic")
    x = maps(2, 4, 6, 3)
    found = attention_map(network, x)
    assert found.shape == (2, 4, 6, 2, 3)
    np.testing.assert_allclose(np.reshape(found, (2, 24, 6)), network.layers[2].attention(middle(x)), atol=1e-6)
    with pytest.raises(ValueError, match="no self-attention"):
        attention_map(keras.Model(inputs, middle(inputs), name="critic"), x)
    with pytest.raises(ValueError, match="at least 8 channels"):
        SelfAttention()(x)


def test_a_label_embedding_looks_up_rows_and_has_a_dense_gradient():
    layer = LabelEmbedding(3, 5)
    labels = tf.constant([2, 0, 2], tf.int32)
    with tf.GradientTape() as tape:
        rows = layer(labels)
        total = tf.reduce_sum(rows)
    np.testing.assert_array_equal(rows, layer.embeddings.numpy()[[2, 0, 2]])
    gradient = tape.gradient(total, layer.embeddings.value)
    np.testing.assert_array_equal(gradient, np.array([1, 0, 2])[:, None] * np.ones(5))
    assert isinstance(gradient, tf.Tensor)


LAYERS = [
    (UpsampledConv2D(4), (4, 4, 8)),
    (EqualisedConv2D(4, 3, upsample=True, gain=1.0, use_bias=False), (4, 4, 8)),
    (EqualisedDense(4, gain=1.0, learning_rate_multiplier=0.01), (8,)),
    (PixelNormalisation(), (4, 4, 8)),
    (MinibatchStandardDeviation(), (4, 4, 8)),
    (SelfAttention(), (4, 4, 8)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: getattr(value, "name", ""))
def test_a_saved_model_of_each_layer_loads_and_gives_the_same(layer, shape, tmp_path):
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layer(inputs))
    for variable in model.trainable_variables:
        variable.assign(variable.value + 0.5)
    x = maps(4, *shape)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(x), model(x))
    assert again.layers[1].get_config() == layer.get_config()
    assert model(x).shape[1:] == model.output_shape[1:]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: getattr(value, "name", ""))
def test_half_precision_gives_nearly_the_same(layer, shape):
    half = layer.from_config({**layer.get_config(), "dtype": "mixed_float16"})
    x = maps(4, *shape)
    layer(x), half(x)
    for target, source in zip(half.variables, layer.variables, strict=True):
        target.assign(source)
        assert target.dtype == "float32"
    result = half(x)
    assert result.dtype == "float16"
    np.testing.assert_allclose(result, layer(x), rtol=0.01, atol=0.03)
