"""Equivariance: high where images follow the transformation, low where they do not, and as defined in the paper."""

import keras
import numpy as np
import pytest
from tiny_stylegan import generator

from medgan_tf.generators import equivariance, measure_equivariance
from medgan_tf.networks.stylegan3 import Synthesis


def bandlimited(shift=(0.0, 0.0), angle=0.0, size=32):
    """(2, size, size): low-frequency waves, translated by pixels (right, down) or rotated about the centre."""
    places = np.arange(size) - (size - 1) / 2
    x, y = np.meshgrid(places - shift[0], places - shift[1])
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y = cosine * x + sine * y, -sine * x + cosine * y  # where the content at this pixel was before
    waves = [(0.11, 0.05, 0.3), (-0.07, 0.13, 1.0)]
    return np.stack([np.sin(2 * np.pi * (u * x + v * y) + phase) for u, v, phase in waves]).astype(np.float32)


@pytest.mark.parametrize("shift", [(3, -2), (-4, 0), (2.5, -1.3), (-0.2, 3.7)])
def test_the_reference_is_the_translated_image(shift):
    error = equivariance._translation_error(bandlimited(), bandlimited(shift), np.array(shift, float))
    assert equivariance._decibels(error) > 70
    wrong = equivariance._translation_error(bandlimited(), bandlimited(shift), -np.array(shift, float))
    assert equivariance._decibels(wrong) < 20


@pytest.mark.parametrize("angle", [0.4, -2.0])
def test_the_reference_is_the_rotated_image(angle):
    assert equivariance._decibels(equivariance._rotation_error(bandlimited(), bandlimited(angle=angle), angle)) > 60
    assert equivariance._decibels(equivariance._rotation_error(bandlimited(), bandlimited(angle=angle), -angle)) < 20


def test_decibels_and_their_interval():
    record = equivariance._record(np.full(50, 0.04), 200, np.random.default_rng(0))
    assert record == {
        "value": pytest.approx(20),
        "low": pytest.approx(20),
        "high": pytest.approx(20),
        "n": 50,
        "unit": "dB",
    }
    errors = np.random.default_rng(1).exponential(0.04, 400)
    record = equivariance._record(errors, 2000, np.random.default_rng(0))
    spread = 10 / np.log(10) * errors.std() / errors.mean() / 20  # of the mean of 400, in dB
    assert record["value"] == pytest.approx(10 * np.log10(4 / errors.mean()))
    assert (record["high"] - record["low"]) / 2 == pytest.approx(1.96 * spread, rel=0.2)


def test_stylegan3_is_equivariant_and_stylegan2_is_not():
    three, two = generator("stylegan3", image_size=32).network, generator("stylegan2", image_size=32).network
    before = [weight.numpy() for weight in two.weights + three.weights]
    found, other = measure_equivariance(three, 16), measure_equivariance(two, 16)
    assert set(found) == {"EQ-T", "EQ-T_frac", "EQ-R"} and set(other) == {"EQ-T", "EQ-T_frac"}
    assert min(found[name]["value"] for name in other) > 50 > 30 > max(record["value"] for record in other.values())
    assert found["EQ-T"]["n"] == 4
    assert found == measure_equivariance(three, 16)
    for weight, value in zip(two.weights + three.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_configuration_r_is_equivariant_to_rotation_and_t_is_not():
    values = {}
    for configuration in "TR":
        keras.utils.set_random_seed(0)
        layer = Synthesis((32, 32), configuration, 512, 16, 4, name="synthesis")
        network = generator("stylegan3", image_size=32).network
        styles = keras.Model(network.inputs, network.get_layer("styles").output)
        whole = keras.Model(network.inputs, layer(styles.output))
        values[configuration] = measure_equivariance(_WithSynthesis(whole, network, layer), 16)["EQ-R"]["value"]
    assert values["R"] > 55 > values["T"] + 15


class _WithSynthesis:
    """A generator with the styles of one network and the synthesis of another."""

    def __init__(self, whole, network, synthesis):
        self.inputs, self.layers = whole.inputs, [*network.layers, synthesis]
        self.get_layer = lambda name: synthesis if name == "synthesis" else network.get_layer(name)


def test_a_conditional_generator_can_be_measured():
    found = measure_equivariance(generator("stylegan3", ("a", "b"), 32).network, 8)
    assert found["EQ-T"]["value"] > 40


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="32 px and more"):
        measure_equivariance(generator("stylegan3").network)
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    with pytest.raises(ValueError, match="stylegan2 or stylegan3"):
        measure_equivariance(plain)
