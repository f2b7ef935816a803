import math

import keras
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
import scipy.special
import tensorflow as tf
from keras import ops

from medgan_tf import networks
from medgan_tf.networks import alias_free, sampling, stylegan3
from medgan_tf.networks.alias_free import FilteredLeakyReLU, Signal, jinc_lowpass, kaiser_lowpass, resampling_matrix
from medgan_tf.networks.stylegan3 import FourierFeatures, NormalisedModulatedConv2D, Synthesis, schedule

pytestmark = pytest.mark.usefixtures("float32_again")

SIGNALS = [Signal((36, 36), 16.0, 2.0, 6.0), Signal((84, 84), 64.0, 25.4, 7.35), Signal((64, 64), 64.0, 32.0, 7.4)]


def build(size=16, **settings):
    settings = {"num_classes": 3, "latent_dim": 6, "channel_base": 64, "channel_max": 8, "num_layers": 3, **settings}
    return networks.build("stylegan3", size, **settings)


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).standard_normal(shape), tf.float32)


def kaiser_window(taps, width, rate):
    """Kaiser's formulas, as in the paper's appendix: the window and the attenuation in dB."""
    attenuation = 2.285 * (taps - 1) * np.pi * width / (rate / 2) + 7.95
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    else:
        beta = 0.5842 * max(attenuation - 21, 0) ** 0.4 + 0.07886 * max(attenuation - 21, 0)
    places = np.linspace(-1, 1, taps)
    return np.i0(beta * np.sqrt(1 - places**2)) / np.i0(beta), attenuation


def response(lowpass, rate, x, y=0.0):
    """The spectrum of a filter (n, n) at frequencies (x, y)."""
    places = (np.arange(len(lowpass)) - (len(lowpass) - 1) / 2) / rate
    return np.einsum(
        "ij,...i,...j->...",
        lowpass,
        np.exp(-2j * np.pi * np.multiply.outer(y, places)),
        np.exp(-2j * np.pi * np.multiply.outer(x, places)),
    )


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("factor", [2, 4])
def test_kaiser_filters_follow_the_formula_and_keep_out_the_stopband(signal, factor):
    taps, rate = 6 * factor, factor * signal.rate
    lowpass = kaiser_lowpass(taps, signal.cutoff, signal.half_width, rate)
    window, attenuation = kaiser_window(taps, 2 * signal.half_width, rate)
    places = (np.arange(taps) - (taps - 1) / 2) / rate
    expected = 2 * signal.cutoff * np.sinc(2 * signal.cutoff * places) * window
    np.testing.assert_allclose(lowpass, expected / expected.sum(), atol=1e-12)
    assert lowpass.sum() == pytest.approx(1)
    frequencies = np.linspace(signal.cutoff + signal.half_width, rate / 2, 200)
    spectrum = np.abs(np.exp(-2j * np.pi * np.outer(frequencies, places)) @ lowpass)
    assert 20 * np.log10(spectrum.max()) < -attenuation + 6  # the formula is for narrow bands, within 2 dB there
    assert attenuation > 25


@pytest.mark.parametrize("signal", SIGNALS)
def test_jinc_filters_follow_the_formula(signal):
    taps, rate = 12, 2 * signal.rate
    lowpass = jinc_lowpass(taps, signal.cutoff, signal.half_width, rate)
    window, _ = kaiser_window(taps, 2 * signal.half_width, rate)
    places = (np.arange(taps) - (taps - 1) / 2) / rate
    radius = np.sqrt(places[:, None] ** 2 + places**2)
    expected = scipy.special.j1(2 * np.pi * signal.cutoff * radius) / radius * window * window[:, None]
    np.testing.assert_allclose(lowpass, expected / expected.sum(), atol=1e-12)
    for same in (lowpass.T, lowpass[::-1], lowpass[:, ::-1]):
        np.testing.assert_allclose(lowpass, same, atol=1e-15)


@pytest.mark.parametrize("signal", SIGNALS[1:])  # the first has a transition band so wide that no edge is left
def test_jinc_filters_have_no_direction(signal):
    taps, rate = 12, 2 * signal.rate
    lowpass = jinc_lowpass(taps, signal.cutoff, signal.half_width, rate)
    kaiser = kaiser_lowpass(taps, signal.cutoff, signal.half_width, rate)
    angles = np.linspace(0, np.pi / 4, 10)
    circle = signal.cutoff * np.cos(angles), signal.cutoff * np.sin(angles)
    spread = [np.ptp(response(each, rate, *circle).real) for each in (lowpass, np.outer(kaiser, kaiser))]
    assert spread[0] < 0.2 * spread[1]


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_jinc_filter_is_a_sum_of_a_few_separable_ones(signal):
    lowpass = jinc_lowpass(12, signal.cutoff, signal.half_width, 2 * signal.rate)
    terms = alias_free.separable_terms(lowpass)
    assert len(terms) <= 5
    np.testing.assert_allclose(sum(np.outer(*term) for term in terms), lowpass, atol=3e-6 * lowpass.max())


@pytest.mark.parametrize(("up", "down", "size_in", "size_out"), [(2, 1, 9, 28), (4, 1, 9, 20), (1, 2, 40, 15)])
def test_resampling_equals_upfirdn_cropped_around_the_centre(up, down, size_in, size_out):
    taps = kaiser_lowpass(6 * max(up, down), 2.0, 3.0, 16.0 * max(up, down))
    x = np.random.default_rng(0).standard_normal(size_in)
    full = scipy.signal.upfirdn(up * taps, x, up)  # sample k lies at k - (len - 1) / 2 of the rate in between
    first = (len(full) - 1) / 2 - down * (size_out - 1) / 2
    assert first % 1 == 0
    places = int(first) + down * np.arange(size_out)
    expected = np.where((places >= 0) & (places < len(full)), full[np.clip(places, 0, len(full) - 1)], 0)
    np.testing.assert_allclose(resampling_matrix(taps, size_in, size_out, up, down) @ x, expected, atol=1e-12)


def test_resampling_preserves_constants():
    taps = kaiser_lowpass(12, 4.0, 4.0, 32.0)
    np.testing.assert_allclose(resampling_matrix(taps, 40, 40, up=2) @ np.ones(40), 1, atol=0.02)
    np.testing.assert_allclose(resampling_matrix(taps, 40, 10, down=2) @ np.ones(40), 1, atol=1e-12)


@pytest.mark.parametrize("radial", [False, True])
@pytest.mark.parametrize("factor", [1, 2])
def test_the_filtered_nonlinearity_equals_a_direct_two_dimensional_one(radial, factor):
    source = Signal((9, 7), 16.0, 4.0, 4.0)
    target = Signal((10, 13), 16.0 * factor, 5.0, 5.0)
    layer = FilteredLeakyReLU(source, target, radial)
    x = normal(2, 11, 9, 3)  # a ring more than the source has
    result = layer(x).numpy()
    up, rate = 2 * factor, 32.0 * factor
    rising = kaiser_lowpass(6 * up, 4.0, 4.0, rate)
    falling = kaiser_lowpass(12, 5.0, 5.0, rate)
    falling = jinc_lowpass(12, 5.0, 5.0, rate) if radial else np.outer(falling, falling)
    for image, channel in np.ndindex(2, 3):
        zeros = np.zeros((10 * up + 1, 8 * up + 1))
        zeros[::up, ::up] = x[image, :, :, channel]
        between = scipy.signal.convolve2d(zeros, up**2 * np.outer(rising, rising))
        needed = [2 * (size - 1) + 12 for size in (10, 13)]
        (top, rows), (left, columns) = (
            divmod(have - want, 2) for have, want in zip(between.shape, needed, strict=True)
        )
        assert rows == columns == 0
        top, bottom, left, right = max(top, 0), max(-top, 0), max(left, 0), max(-left, 0)
        between = np.pad(between, ((bottom,) * 2, (right,) * 2))[top:, left:][: needed[0], : needed[1]]
        between = np.sqrt(2) * np.where(between > 0, between, 0.2 * between)
        expected = scipy.signal.convolve2d(between, falling, mode="valid")[::2, ::2]
        np.testing.assert_allclose(result[image, :, :, channel], expected, atol=1e-5)


def test_channels_in_chunks_give_the_same_as_all_at_once(monkeypatch):
    layer, x = FilteredLeakyReLU(SIGNALS[0], SIGNALS[0]._replace(size=(24, 24)), True), normal(2, 38, 38, 5)
    results, calls = [], []
    filtered = layer._filtered
    monkeypatch.setattr(layer, "_filtered", lambda x: (calls.append(x.shape[-1]), filtered(x))[1])
    layer.build(x.shape)
    one = math.prod(len(matrix) for matrix in layer.upsampling)
    for limit in (5 * one, 2 * one):
        monkeypatch.setattr(alias_free, "CHUNK", limit)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x) ** 2
        results.append((y, tape.gradient(y, x)))
    assert calls == [5, 1, 2, 2]
    for whole, parts in zip(*results, strict=True):
        np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_the_derivative_of_the_nonlinearity_equals_differences():
    layer = FilteredLeakyReLU(SIGNALS[0]._replace(size=(6, 6)), SIGNALS[0]._replace(size=(6, 6)))
    x, direction, weights = normal(1, 8, 8, 1), normal(1, 8, 8, 1, seed=1), normal(1, 6, 6, 1, seed=2)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(layer(x) * weights)
    slope = tf.reduce_sum(tape.gradient(total, x) * direction)
    step = 1e-2
    change = tf.reduce_sum((layer(x + step * direction) - layer(x - step * direction)) * weights) / (2 * step)
    np.testing.assert_allclose(slope, change, rtol=2e-2)


def test_the_schedule_is_the_papers_at_1024_px():
    """Sizes, rates and channels as in the names of the layers that the authors published: L7_276_323, L13_1024_32."""
    signals = schedule((1024, 1024))
    sizes = [36, 36, 52, 52, 84, 148, 148, 276, 276, 532, 1044, 1044, 1044, 1024, 1024]
    assert [signal.size for signal in signals] == [(size, size) for size in sizes]
    rates = [16, 16, 32, 32, 64, 128, 128, 256, 256, 512, 1024, 1024, 1024, 1024, 1024]
    assert [signal.rate for signal in signals] == rates
    cutoffs = [2, 3.17, 5.04, 8, 12.7, 20.16, 32, 50.8, 80.63, 128, 203.19, 322.54, 512, 512, 512]
    np.testing.assert_allclose([signal.cutoff for signal in signals], cutoffs, atol=0.005)
    widths = [512, 512, 512, 512, 512, 512, 512, 323, 203, 128, 81, 51, 32, 32]
    assert Synthesis((1024, 1024), "T", 32768, 512).widths == widths
    assert Synthesis((1024, 1024), "R", 32768, 512).widths == [2 * width for width in widths[:7]] + [
        645, 406, 256, 161, 102, 64, 64,
    ]  # fmt: skip


@pytest.mark.parametrize(("size", "num_layers"), [((64, 64), 14), ((256, 256), 14), ((96, 64), 14), ((32, 32), 5)])
def test_every_signal_can_represent_its_frequencies(size, num_layers):
    signals = schedule(size, num_layers)
    longer = max(size)
    assert len(signals) == num_layers + 1
    assert signals[0].cutoff == 2
    assert signals[-1] == signals[-2]
    assert (signals[-1].size, signals[-1].rate, signals[-1].cutoff) == (size, longer, pytest.approx(longer / 2))
    assert [signal.cutoff for signal in signals] == sorted(signal.cutoff for signal in signals)
    for signal in signals:
        assert longer % signal.rate == 0
        assert signal.cutoff <= signal.rate / 2 * (1 + 1e-9)
        assert signal.cutoff + signal.half_width >= signal.rate / 2
    for signal in signals[:-2]:
        assert signal.size == tuple(np.ceil(side * signal.rate / longer) + 20 for side in size)
        stopband = signal.cutoff + signal.half_width
        assert stopband <= signal.rate / 2 or signal.rate == longer


def fourier_reference(layer, matrix):
    """Sines of the numbers that the layer drew, read at matrix @ (x, y, 1)."""
    height, width = layer.signal.size
    down, right = np.mgrid[:height, :width]
    places = np.stack([right - (width - 1) / 2, down - (height - 1) / 2, np.full(right.shape, layer.signal.rate)], -1)
    read = places / layer.signal.rate @ matrix.T
    waves = np.sin(2 * np.pi * (read[..., :2] @ layer.frequencies.numpy().T + layer.phases.numpy()))
    return waves @ layer.mixing.kernel.numpy() / np.sqrt(layer.channels)


def test_the_sine_waves_start_unmoved_and_follow_the_style_and_the_transform():
    layer = FourierFeatures(8, Signal((12, 10), 8.0, 2.0, 2.0))
    w = normal(1, 4)
    np.testing.assert_allclose(layer(w)[0], fourier_reference(layer, np.eye(3)), atol=1e-5)
    cosine, sine, right, down = 0.6, 0.8, 0.2, -0.1
    layer.affine.bias.assign([2 * cosine - 1, 2 * sine, 2 * right, 2 * down])  # the length of (2 cos, 2 sin) goes
    transform = np.array([[0, 1, 0.3], [-1, 0, 0.1], [0, 0, 1]])
    layer.transform.assign(transform)
    rotation = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    translation = np.array([[1, 0, -right], [0, 1, -down], [0, 0, 1]])
    expected = fourier_reference(layer, rotation @ translation @ transform)
    np.testing.assert_allclose(layer(w)[0], expected, atol=1e-5)
    layer.affine.kernel.assign(normal(4, 4))
    assert np.abs(layer(normal(2, 4))[0] - layer(normal(2, 4))[1]).max() > 0.1


def test_frequencies_fill_the_disc_and_fade_out_beyond_the_cutoff():
    layer = FourierFeatures(4096, Signal((4, 4), 8.0, 2.0, 2.0))
    layer.build((None, 4))
    radius = np.linalg.norm(layer.frequencies, axis=1) / 2.0
    assert 0.99 < radius.max() <= 1
    np.testing.assert_allclose(np.quantile(radius, [0.25, 0.5, 0.75]), np.sqrt([0.25, 0.5, 0.75]), atol=0.02)
    assert np.abs(np.mean(layer.frequencies, axis=0)).max() < 0.1
    layer.frequencies.assign(np.full((4096, 2), [1.0, 0.0]))
    strengths = []
    for faster in (1.0, 2.0, 3.0, 4.0):  # cycles; faded out from 2, the cutoff, to 4, half the rate
        layer.transform.assign(np.diag([faster, faster, 1.0]))
        strengths.append(np.std(layer(normal(1, 4))))
    np.testing.assert_allclose(np.array(strengths[1:]) / strengths[0], [1, 0.5, 0], atol=0.1)


@pytest.mark.parametrize(("size", "demodulate"), [(3, True), (1, True), (1, False)])
def test_the_convolution_equals_the_papers_formula_for_each_sample(size, demodulate):
    layer = NormalisedModulatedConv2D(5, size, demodulate=demodulate)
    x, w = 3.0 * normal(2, 6, 7, 4), normal(2, 3)
    layer.build([x.shape, w.shape])
    layer.magnitude.assign(4.0)
    layer.bias.assign(normal(5))
    result = layer([x, w]).numpy()
    styles = 1 + w.numpy() @ layer.affine.kernel.numpy() / np.sqrt(3)
    for image in range(2):
        kernel = layer.kernel.numpy() * styles[image][:, None]
        kernel /= np.sqrt((kernel**2).sum((0, 1, 2))) if demodulate else np.sqrt(4)
        for filter_ in range(5):
            expected = sum(
                scipy.signal.correlate2d(x[image, :, :, channel] / 2.0, kernel[:, :, channel, filter_], mode="full")
                for channel in range(4)
            )
            np.testing.assert_allclose(result[image, ..., filter_], expected + layer.bias[filter_], atol=2e-5)


def test_the_magnitude_follows_the_mean_square():
    layer = NormalisedModulatedConv2D(5, 3)
    x, w = 3.0 * normal(2, 6, 7, 4), normal(2, 3)
    before = layer([x, w]).numpy()
    assert float(layer.magnitude) == 1
    layer.update_magnitude(x)
    power = float(np.mean(np.square(x)))
    assert float(layer.magnitude) == pytest.approx(0.999 + 0.001 * power, rel=1e-6)
    layer.decay = 0.0
    layer.update_magnitude(x)
    after = layer([x, w]).numpy()
    np.testing.assert_allclose(after, before / np.sqrt(power), rtol=1e-4, atol=1e-6)


class NaiveLeakyReLU(FilteredLeakyReLU):
    """The same without any filter: nearest-neighbour upsampling, the rectifier on the samples themselves."""

    def build(self, input_shape):
        pass

    def call(self, x):
        x = np.sqrt(2) * ops.leaky_relu(x, 0.2)
        for axis, size in ((1, self.target.size[0]), (2, self.target.size[1])):
            x = ops.repeat(x, round(self.target.rate / self.source.rate), axis=axis)
            first = (x.shape[axis] - size) // 2
            x = ops.take(x, np.arange(first, first + size), axis=axis)
        return x


def synthesis(configuration, nonlinearity=FilteredLeakyReLU, size=32):
    """An untrained one at unit magnitudes, and its styles."""
    keras.utils.set_random_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stylegan3, "FilteredLeakyReLU", nonlinearity)
        network = Synthesis((size, size), configuration, 256, 16, num_layers=6)
        ws = tf.repeat(normal(4, 1, 16), network.num_ws, axis=1)
        network(ws)
    for layer in (*network.convolutions, network.to_grey):
        layer.decay = 0.0
    network(ws, training=True)
    return network, ws


def moved(network, ws, matrix):
    """Images whose content is moved by `matrix`: each pixel shows what was at the inverse place."""
    network.sines.transform.assign(np.linalg.inv(matrix))
    return network(ws).numpy()[..., 0]


def decibels(one, other):
    """PSNR for images in [-1, 1]."""
    return 10 * np.log10(4 / np.mean((one - other) ** 2))


def translation_psnr(network, ws, right, down):
    """EQ-T: against the images shifted by a long windowed sinc, which takes whole pixels for what they are."""

    def taps(shift):
        places = np.arange(-8, 9) - shift
        return np.sinc(places) * np.i0(6 * np.sqrt(np.clip(1 - (places / 8) ** 2, 0, 1))) / np.i0(6)

    matrix = np.array([[1, 0, right / 32], [0, 1, down / 32], [0, 0, 1]])
    images, result = moved(network, ws, np.eye(3)), moved(network, ws, matrix)
    shifted = scipy.ndimage.convolve1d(scipy.ndimage.convolve1d(images, taps(right), axis=2), taps(down), axis=1)
    assert np.std(images) > 0.1
    return decibels(shifted[:, 9:-9, 9:-9], result[:, 9:-9, 9:-9])


def rotation_psnr(network, ws, degrees):
    """EQ-R: after a blur, so that spline interpolation is exact enough, within the disc less a border."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    blurred = [
        scipy.ndimage.gaussian_filter(images, (0, 1, 1))
        for images in (moved(network, ws, np.eye(3)), moved(network, ws, matrix))
    ]
    turned = scipy.ndimage.rotate(blurred[0], -degrees, axes=(1, 2), reshape=False, order=5)
    places = np.arange(32) - 15.5
    disc = np.hypot(places, places[:, None]) < 12
    return decibels(turned[:, disc], blurred[1][:, disc])


def test_translation_moves_the_image_with_filters_only():
    filtered, naive = synthesis("T"), synthesis("T", NaiveLeakyReLU)
    assert translation_psnr(*filtered, 4, -1) > 80
    assert translation_psnr(*filtered, 1.5, -0.3) > 60
    assert translation_psnr(*naive, 4, -1) < 40
    assert translation_psnr(*naive, 1.5, -0.3) < 40


def test_rotation_turns_the_image_of_configuration_r_with_filters_only():
    filtered = rotation_psnr(*synthesis("R"), 30)
    assert filtered > 60
    assert rotation_psnr(*synthesis("R", NaiveLeakyReLU), 30) < filtered - 15
    assert rotation_psnr(*synthesis("T"), 30) < filtered - 30
    network, ws = synthesis("R")
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    turned = np.rot90(moved(network, ws, np.eye(3)), -1, (1, 2))
    np.testing.assert_allclose(moved(network, ws, quarter), turned, atol=1e-5)


def test_as_many_parameters_as_the_published_network():
    generator, _ = networks.build("stylegan3", 256)
    assert sum(int(np.prod(variable.shape)) for variable in generator.trainable_variables) == 28_471_875


@pytest.mark.parametrize(("size", "configuration"), [(16, "T"), (16, "R"), ((24, 16), "T"), ((16, 32), "R")])
def test_shapes_and_parts(size, configuration):
    generator, discriminator = build(size, configuration=configuration)
    latents, labels = normal(2, 6), tf.constant([0, 1])
    images = generator([latents, labels])
    height, width = (size, size) if isinstance(size, int) else size
    assert images.shape == (2, height, width, 1)
    assert generator.output_shape == (None, height, width, 1)
    assert discriminator([images, labels]).shape == (2, 1)
    network = generator.get_layer("synthesis")
    w = generator.get_layer("mapping")([latents, labels])
    np.testing.assert_array_equal(network(tf.repeat(w[:, None], network.num_ws, axis=1)), images)


def test_each_layer_depends_on_its_own_w():
    network, ws = synthesis("T", size=16)
    before = network(ws).numpy()
    network.sines.affine.kernel.assign(normal(16, 4))
    for index in range(network.num_ws):
        other = ws.numpy()
        other[:, index] += 1
        assert np.abs(network(other) - before).max() > 1e-3


def test_a_narrow_image_is_the_middle_of_the_square_one():
    square, ws = synthesis("T")
    narrow = Synthesis((32, 24), "T", 256, 16, num_layers=6)
    narrow(ws)
    narrow.set_weights(square.get_weights())
    assert decibels(narrow(ws).numpy(), square(ws).numpy()[:, :, 4:-4]) > 60


def test_the_label_changes_the_image():
    generator, discriminator = build()
    latents = normal(4, 6)
    made = [generator([latents, tf.fill([4], label)]).numpy() for label in (0, 1)]
    assert np.abs(made[0] - made[1]).max(axis=(1, 2, 3)).min() > 0.01
    scores = [discriminator([tf.constant(made[0]), tf.fill([4], label)]).numpy() for label in (0, 1)]
    assert np.abs(scores[0] - scores[1]).min() > 1e-3
    generator, discriminator = build(num_classes=0)
    assert discriminator(generator(latents)).shape == (4, 1)


def first_and_second_order(network, ws, noise):
    """Images and magnitudes of a training pass, the loss's gradients, and those of the gradient with respect to ws."""
    with tf.GradientTape(persistent=True) as outer:
        with tf.GradientTape() as inner:
            inner.watch(ws)
            images = network(ws, training=True)
            total = tf.reduce_sum(images * noise)
        gradient = inner.gradient(total, ws)
        path = tf.reduce_mean(tf.sqrt(tf.reduce_sum(gradient**2, axis=(1, 2))))
        loss = tf.reduce_mean(images**2)
    variables = network.trainable_variables
    found = outer.gradient(loss, variables) + outer.gradient(path, variables)
    return [images, gradient, *(each for each in found if each is not None)]


@pytest.mark.parametrize("configuration", ["T", "R"])
def test_compiled_derivatives_equal_the_uncompiled_ones_to_the_second_order(configuration):
    network = Synthesis((16, 16), configuration, 64, 4, num_layers=3)
    ws, noise = normal(2, network.num_ws, 5), normal(2, 16, 16, 1, seed=1)
    network(ws)
    start = network.get_weights()
    plain = tf.function(first_and_second_order)(network, ws, noise)
    magnitudes = [float(layer.magnitude) for layer in network.convolutions]
    network.set_weights(start)
    fused = tf.function(first_and_second_order, jit_compile=True)(network, ws, noise)
    assert min(magnitudes) < 1
    np.testing.assert_allclose([float(layer.magnitude) for layer in network.convolutions], magnitudes, rtol=1e-5)
    assert len(plain) > 2 + len(network.trainable_variables)  # biases drop out of the second order
    for one, other in zip(plain, fused, strict=True):
        largest = np.abs(one).max()
        assert np.isfinite(largest)
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-3 * largest + 1e-6)


def test_the_second_order_equals_differences():
    network = Synthesis((16, 16), "T", 64, 4, num_layers=3)
    ws, noise = normal(2, network.num_ws, 5), normal(2, 16, 16, 1, seed=1)
    network(ws)

    def path():
        with tf.GradientTape() as tape:
            tape.watch(ws)
            total = tf.reduce_sum(network(ws) * noise)
        return tf.reduce_mean(tf.reduce_sum(tape.gradient(total, ws) ** 2, axis=(1, 2)))

    kernel = network.to_grey.kernel  # after the last rectifier: no kinks in the way
    with tf.GradientTape() as tape:
        value = path()
    slope = tf.reduce_sum(tape.gradient(value, kernel.value) * kernel.value)
    values = []
    for step in (1e-2, -1e-2):
        kernel.assign(kernel.value * (1 + step))
        values.append(path())
        kernel.assign(kernel.value / (1 + step))
    np.testing.assert_allclose(slope, (values[0] - values[1]) / 2e-2, rtol=1e-2)


def test_clones_and_weight_files_give_the_same_images(tmp_path):
    inputs = [normal(3, 6), tf.constant([0, 1, 2])]
    (generator, _), (other, _) = build(), build()
    generator(inputs, training=True)
    generator.get_layer("synthesis").convolutions[0].magnitude.assign(0.3)
    expected = generator(inputs).numpy()
    assert np.abs(other(inputs) - expected).max() > 0.01
    clone = keras.models.clone_model(generator)
    clone.set_weights(generator.get_weights())
    generator.save_weights(tmp_path / "some.weights.h5")
    other.load_weights(tmp_path / "some.weights.h5")
    for copy in (clone, other):
        np.testing.assert_array_equal(copy(inputs), expected)
    generator.save(tmp_path / "all.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "all.keras")(inputs), expected)


@pytest.mark.parametrize(("policy", "tolerance"), [("mixed_float16", 0.02), ("mixed_bfloat16", 0.1)])
def test_half_precision_inside_float32_outside(policy, tolerance):
    full, _ = build()
    keras.config.set_dtype_policy(policy)
    half, _ = build()
    half.set_weights(full.get_weights())
    inputs = [normal(2, 6), tf.constant([0, 1])]
    result, expected = half(inputs), full(inputs)
    assert result.dtype == half.output.dtype == "float32"
    network = half.get_layer("synthesis")
    assert {layer.compute_dtype for layer in network.nonlinearities} == {policy.removeprefix("mixed_")}
    assert network.sines.compute_dtype == "float32"
    assert 0 < np.abs(result - expected).max() < tolerance
    large = Synthesis((512, 512), "T", 512, 4)
    large.build((None, 16, 4))
    half_precision = [layer.compute_dtype != "float32" for layer in large.nonlinearities]
    assert half_precision == [signal.rate > 32 for signal in large.signals[:-1]]


@pytest.mark.parametrize("compiled", [False, True])
def test_recomputed_derivatives_equal_the_stored_ones(compiled, monkeypatch):
    keras.config.set_dtype_policy("mixed_float16")
    network = Synthesis((16, 16), "T", 64, 4, num_layers=3)
    ws, noise = normal(2, network.num_ws, 5), normal(2, 16, 16, 1, seed=1)
    network(ws)
    assert {float(layer.magnitude) for layer in network.convolutions} == {1.0}
    start = network.get_weights()

    def trained():
        network.set_weights(start)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in network.trainable_variables])
            loss = tf.reduce_sum(network(ws, training=True) * noise)
        return [loss, *tape.gradient(loss, network.trainable_variables)]

    twice = tf.function(trained, jit_compile=compiled)()
    magnitudes = [float(layer.magnitude) for layer in network.convolutions]
    assert 1.0 not in magnitudes
    repeated = []
    monkeypatch.setattr(keras, "remat", lambda function: repeated.append(function) or function)
    once = tf.function(trained, jit_compile=compiled)()
    assert len(repeated) == network.num_layers
    np.testing.assert_array_equal([float(layer.magnitude) for layer in network.convolutions], magnitudes)
    assert max(np.abs(each).max() for each in once) > 0
    for one, other in zip(once, twice, strict=True):
        np.testing.assert_allclose(other, one, rtol=0.01, atol=0.01 * np.abs(one).max())


def test_half_precision_is_clamped():
    signal = Signal((6, 6), 16.0, 4.0, 4.0)
    x = np.full((1, 8, 8, 1), 1000.0, np.float32)
    centre = [FilteredLeakyReLU(signal, signal, dtype=each)(x)[0, 3, 3, 0] for each in ("mixed_float16", "float32")]
    np.testing.assert_allclose(centre, [256, 1000 * np.sqrt(2)], rtol=0.01)


def test_the_running_mean_of_w_follows_training():
    generator, _ = build()
    inputs = [normal(4, 6), tf.constant([0, 1, 2, 0])]
    generator(inputs, training=True)
    w = generator.get_layer("mapping")(inputs)
    np.testing.assert_allclose(generator.get_layer("styles").w_avg, 0.002 * np.mean(w, axis=0), rtol=1e-3, atol=1e-7)
    assert sampling.sample(generator, 2, labels=[0, 1]).shape == (2, 16, 16, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"configuration": "S"}, "'T' or 'R'"), ({"num_layers": 2}, "num_layers is above 2"), ({"size": 20}, "does not")],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)
