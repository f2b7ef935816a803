import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from medgan_tf.networks.resampling import downsample, downsampled_convolution, smooth, upsample, upsampled_convolution

TAPS = np.array([1, 3, 3, 1]) / 8


def maps(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def reference(x, padding, up=1, down=1):
    """scipy's upfirdn has all outputs that a tap reaches; padding (before, after) says which of them are wanted."""
    for axis in (1, 2):
        outputs = (up * x.shape[axis] + sum(padding) - len(TAPS)) // down + 1
        everything = scipy.signal.upfirdn(up * TAPS, x.astype("float64"), up, 1, axis=axis)
        x = everything.take(len(TAPS) - 1 - padding[0] + down * np.arange(outputs), axis=axis)
    return x


def test_upsampling_downsampling_and_smoothing_use_the_filter_1_3_3_1():
    x = maps(2, 8, 12, 3)
    np.testing.assert_allclose(upsample(x), reference(x, (2, 1), up=2), atol=1e-5)
    np.testing.assert_allclose(downsample(x), reference(x, (1, 1), down=2), atol=1e-5)
    np.testing.assert_allclose(smooth(x, 2), reference(x, (2, 2)), atol=1e-5)


def test_constants_pass_the_filter_and_the_highest_frequency_does_not():
    constant = np.ones((1, 8, 8, 1), "float32")
    stripes = np.tile(np.array([1, -1], "float32"), 4)[None, None, :, None] * constant
    for change in (upsample, downsample):
        np.testing.assert_allclose(change(constant)[:, 2:-2, 2:-2], 1, atol=1e-6)
    np.testing.assert_allclose(downsample(stripes)[:, 1:-1, 1:-1], 0, atol=1e-6)
    # doubled stripes have half the frequency, where the filter lets cos(pi / 4)^3 pass, and no other
    doubled = upsample(stripes)[0, 8, 2:-2, 0].numpy()
    assert np.std(doubled) == pytest.approx(2 * np.cos(np.pi / 4) ** 3 / np.sqrt(2), rel=1e-5)


def test_upsampling_is_the_transpose_of_downsampling():
    small, large = maps(2, 4, 6, 3), maps(2, 8, 12, 3, seed=1)
    assert np.sum(upsample(small) * large) == pytest.approx(4 * np.sum(small * downsample(large)), rel=1e-4)
    inside = np.pad(small, [(0, 0), (1, 1), (1, 1), (0, 0)])
    assert np.sum(upsample(inside)) == pytest.approx(4 * np.sum(small), rel=1e-4)


def convolved(x, filtered, kernel):
    """Each kernel (k, k) over each filtered map, zeros all around: (B, H', W', D)."""
    outputs = [
        [
            sum(
                scipy.signal.correlate2d(filtered(image[..., c]), kernel[..., c, d], mode="same")
                for c in range(kernel.shape[2])
            )
            for d in range(kernel.shape[3])
        ]
        for image in x
    ]
    return np.transpose(outputs, (0, 2, 3, 1))


def test_an_upsampled_convolution_equals_upsampling_then_convolution():
    x, kernel = maps(2, 4, 6, 3), maps(3, 3, 3, 5, seed=1)

    def filtered(image):
        zeros_between = np.zeros((8, 12))
        zeros_between[::2, ::2] = image
        return scipy.signal.convolve2d(zeros_between, 4 * np.outer(TAPS, TAPS))

    expected = convolved(x, filtered, kernel)[:, 1:9, 1:13]
    np.testing.assert_allclose(upsampled_convolution(x, tf.constant(kernel)), expected, atol=1e-4)


@pytest.mark.parametrize("size", [1, 3])
def test_a_downsampled_convolution_equals_smoothing_then_a_strided_convolution(size):
    x, kernel = maps(2, 8, 12, 3), maps(size, size, 3, 5, seed=1)
    expected = convolved(x, lambda image: scipy.signal.convolve2d(image, np.outer(TAPS, TAPS)), kernel)
    expected = expected[:, 2::2, 2::2][:, :4, :6]
    np.testing.assert_allclose(downsampled_convolution(x, tf.constant(kernel)), expected, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_in_half_precision_out(dtype):
    x = maps(1, 4, 4, 2)
    for change in (upsample, downsample):
        result = change(tf.cast(x, dtype))
        assert result.dtype == dtype
        np.testing.assert_allclose(tf.cast(result, "float32"), change(x), atol=0.03)
