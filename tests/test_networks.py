import numpy as np
import pytest

from medgan_tf import networks
from medgan_tf.networks import sampling

SIZES = {"gan": [16, 64, (24, 40)], "dcgan": [16, 64, 128, 256, (64, 96)]}


@pytest.mark.parametrize(("name", "size"), [(name, size) for name, sizes in SIZES.items() for size in sizes])
def test_shapes_ranges_and_one_score_per_image(name, size):
    small = {"units": 8} if name == "gan" else {"base_filters": 4}
    generator, discriminator = networks.build(name, size, latent_dim=6, **small)
    height, width = (size, size) if isinstance(size, int) else size
    images = generator(10 * sampling.latents(3, 6, 0), training=True)
    assert images.shape == (3, height, width, 1)
    assert np.abs(images).max() <= 1
    assert discriminator(images).shape == (3, 1)


def test_dcgan_has_the_papers_layers_at_64_px():
    generator, discriminator = networks.build("dcgan", 64)
    kernels = [w.shape for w in generator.trainable_variables if len(w.shape) == 4]
    assert kernels == [(4, 4, 256, 512), (4, 4, 128, 256), (4, 4, 64, 128), (4, 4, 1, 64)]
    assert [w.shape[-1] for w in discriminator.trainable_variables if len(w.shape) == 4] == [64, 128, 256, 512]
    kernel = np.concatenate([w.numpy().ravel() for w in generator.trainable_variables if len(w.shape) == 4])
    assert kernel.mean() == pytest.approx(0, abs=1e-4)
    assert kernel.std() == pytest.approx(0.02, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("biggan", 64), "There is no architecture 'biggan'"),
        (("dcgan", 60), "halves an image"),
        (("dcgan", 4), "halves an image"),
        (("dcgan", 64, 3), "takes no labels"),
        (("gan", 64, 3), "takes no labels"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        networks.build(*arguments)


def test_a_seed_gives_the_same_first_images_for_any_count():
    generator, _ = networks.build("dcgan", 16, base_filters=4)
    few, many = sampling.sample(generator, 3, seed=5), sampling.sample(generator, 70, seed=5)
    assert few.dtype == np.uint8
    np.testing.assert_allclose(few.astype(int), many[:3].astype(int), atol=1)  # another batch size may round otherwise
    assert (sampling.sample(generator, 3, seed=6) != few).any()


def test_uint8_values_cover_the_whole_range():
    np.testing.assert_array_equal(sampling.to_uint8([-1.2, -1, 0, 1, 1.5]), [0, 0, 128, 255, 255])


def test_tile_keeps_each_image_whole():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 1), np.uint8)
    picture = sampling.tile(images, 2)
    assert picture.shape == (6, 6)
    np.testing.assert_array_equal(picture[::2, ::3], [[0, 1], [2, 3], [4, 0]])
