import sys

import h5py
import keras
import numpy as np
import pytest
from PIL import Image, ImageSequence
from tiny_stylegan import generator

from medgan_tf import figures, generators, networks
from medgan_tf.generators import latents
from medgan_tf.networks import sampling

CLASSES = ("a", "b")


@pytest.fixture(scope="module")
def gan():
    yield generator()
    keras.backend.clear_session()


@pytest.fixture(params=["stylegan2", "stylegan3"], scope="module")
def either(request, gan):
    return gan if request.param == "stylegan2" else generator("stylegan3")


@pytest.fixture(scope="module")
def conditional():
    return generator(classes=CLASSES)


@pytest.fixture(scope="module")
def dcgan():
    network, _ = networks.build("dcgan", 16, 0, latent_dim=4, base_filters=4)
    return generators.Generator(network, {"classes": [], "conditional": False, "settings": {"architecture": "dcgan"}})


def drawn(gan, ws):
    """Images of ws, made by the synthesis layer itself."""
    return sampling.to_uint8(gan.network.get_layer("synthesis")(np.asarray(ws, np.float32)))


def equal(images, others, levels=1):
    assert images.shape == others.shape
    return np.abs(images.astype(int) - others).max() <= levels  # of 255: rounding depends on the batch size


def float_images(gan, w):
    return gan.network.get_layer("synthesis")(gan.for_layers(w)).numpy()


# Truncation and interpolation


def test_psi_0_gives_the_average_image_and_psi_1_the_sample(either):
    average = drawn(either, np.tile(either.styles.w_avg, (1, either.styles.num_ws, 1)))
    none, whole = either.sample(3, seed=5, truncation=0), either.sample(3, seed=5, truncation=1.0)
    assert equal(none, np.repeat(average, 3, axis=0))
    np.testing.assert_array_equal(whole, sampling.sample(either.network, 3, seed=5))
    assert equal(either.synthesise(either.map_latents(3, seed=5)), whole)
    assert not equal(whole[:1], whole[1:2], 20)
    assert not equal(whole[:1], average, 20)


def test_truncation_moves_w_towards_its_mean_and_keeps_the_label(conditional):
    z = sampling.latents(3, 12, seed=2)
    w = conditional.network.get_layer("mapping")([z, np.array([1, 1, 1])]).numpy()
    expected = 0.6 * w + 0.4 * conditional.styles.w_avg.numpy()
    np.testing.assert_allclose(conditional.map_latents(3, "b", 2, 0.6), expected, atol=1e-5)
    found = conditional.sample(3, "b", seed=2, truncation=0.6)
    assert equal(found, drawn(conditional, np.repeat(expected[:, None], conditional.styles.num_ws, axis=1)))
    assert not equal(found, conditional.sample(3, "a", seed=2, truncation=0.6), 20)


def test_a_truncation_sweep_keeps_the_latents(conditional):
    sweep = latents.truncation_sweep(conditional, (1.0, 0.5, 0.0), count=3, seed=4)
    for images, psi in zip(sweep, (1.0, 0.5, 0.0), strict=True):
        assert equal(images, conditional.sample(3, seed=4, truncation=psi))


def test_a_path_in_w_is_linear_and_ends_at_the_samples(gan):
    path, ends = gan.between_latents(5, seed=3, space="w"), gan.sample(2, seed=3)
    assert equal(path[[0, -1]], ends)
    assert equal(path[2:3], gan.synthesise(gan.map_latents(2, seed=3).mean(axis=0, keepdims=True)))
    assert equal(gan.between_latents(5, seed=3)[[0, -1]], ends)
    assert not equal(gan.between_latents(5, seed=3)[2], path[2], 5)


def test_a_path_in_w_keeps_its_class(conditional):
    path = conditional.between_latents(2, "b", seed=3, space="w")
    assert equal(path, conditional.sample(2, "b", seed=3))
    with pytest.raises(ValueError, match="'z' or 'w'"):
        conditional.between_latents(2, "b", space="x")


def test_models_without_styles_are_refused_in_one_sentence(dcgan):
    assert dcgan.sample(2).shape == (2, 16, 16, 1)
    for refused in (
        lambda: dcgan.sample(2, truncation=0.5),
        lambda: dcgan.between_latents(2, space="w"),
        lambda: latents.mixing_grid(dcgan),
        lambda: latents.truncation_sweep(dcgan, (1.0,)),
        lambda: latents.directions(dcgan),
    ):
        with pytest.raises(ValueError, match=r"^This dcgan has no styles [^.]*\.$"):
            refused()


# Mixing


def test_layer_groups_at_64_px_are_the_papers():
    gan = generator(image_size=64)
    names = ("coarse", "middle", "fine", "all")
    groups = [latents.layer_numbers(gan, name) for name in names]
    assert groups == [[0, 1, 2], [3, 4, 5, 6], [7, 8, 9], list(range(10))]
    assert latents.layer_numbers(gan, range(3, 5)) == [3, 4]
    for wrong in ("medium", [10], [-1]):
        with pytest.raises(ValueError, match="coarse, middle, fine, all or numbers from 0 to 9"):
            latents.layer_numbers(gan, wrong)


def test_mixing_no_or_all_layers_gives_the_sources(gan):
    sources = gan.sample(5, seed=6)
    for layers in ((), "all"):
        grid = latents.mixing_grid(gan, 2, 3, layers, seed=6)
        assert equal(np.concatenate([grid.rows, grid.columns]), sources)
        expected = np.repeat(sources[None, 2:], 2, axis=0) if layers else np.repeat(sources[:2, None], 3, axis=1)
        assert equal(grid.images, expected)


def test_a_mixture_takes_the_chosen_layers_from_its_column(either):
    w = either.map_latents(5, seed=6, truncation=0.8)
    grid = latents.mixing_grid(either, 2, 3, "coarse", seed=6, truncation=0.8)
    crossover = round(either.styles.num_ws / 3)
    for row in range(2):
        for column in range(3):
            ws = [[w[2 + column]] * crossover + [w[row]] * (either.styles.num_ws - crossover)]
            assert equal(grid.images[row, column][None], drawn(either, ws))
    assert not equal(grid.images[0, 0], grid.rows[0], 5)
    assert not equal(grid.images[0, 0], grid.columns[0], 5)


def test_the_figure_of_a_grid_shows_each_mixture_in_its_row_and_column():
    rows, columns, images = (np.full((*shape, 8, 8, 1), 0, np.uint8) for shape in ((2,), (3,), (2, 3)))
    rows += np.array([10, 20], np.uint8)[:, None, None, None]
    columns += np.array([1, 2, 3], np.uint8)[:, None, None, None]
    images += (rows[:, None] + columns[None]).astype(np.uint8)
    picture = figures.mixing(rows, columns, images).plot.axes[0].images[0].get_array()
    expected = [[255, 1, 2, 3], [10, 11, 12, 13], [20, 21, 22, 23]]
    np.testing.assert_array_equal(picture, np.kron(expected, np.ones((8, 8))))


# Directions


def test_a_style_vector_acts_only_through_its_affine_functions(either):
    """Without their kernels, an image no longer depends on this vector, but still on every other."""
    synthesis = either.network.get_layer("synthesis")
    ws = np.random.default_rng(0).standard_normal((1, either.styles.num_ws, 12)).astype(np.float32)
    assert len(synthesis.affines()) == either.styles.num_ws
    for number, affines in enumerate(synthesis.affines()):
        kept = [affine.kernel.numpy() for affine in affines]
        for affine in affines:
            affine.kernel.assign(0 * affine.kernel)
        before = synthesis(ws)
        for other in range(either.styles.num_ws):
            moved = ws.copy()
            moved[:, other] += 1
            assert (np.abs(synthesis(moved) - before).max() < 1e-6) == (other == number)
        for affine, kernel in zip(affines, kept, strict=True):
            affine.kernel.assign(kernel)


@pytest.mark.parametrize("layers", ["all", "coarse", (1,)])
def test_directions_are_the_right_singular_vectors_of_the_styles(either, layers):
    synthesis = either.network.get_layer("synthesis")
    read = [affine for number in latents.layer_numbers(either, layers) for affine in synthesis.affines()[number]]
    probes = np.concatenate([np.zeros((1, 12)), np.eye(12)]).astype(np.float32)
    styles = np.concatenate([affine(probes).numpy() for affine in read], axis=1)
    _, singular, right = np.linalg.svd((styles[1:] - styles[0]).T)  # A: w to styles
    found = latents.directions(either, layers)
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(12), atol=1e-5)
    np.testing.assert_allclose(found.eigenvalues[: len(singular)], singular**2, rtol=1e-3, atol=1e-4)
    distinct = [i for i in range(len(singular) - 1) if singular[i] > 1.02 * singular[i + 1]]
    distinct = [i for i in distinct if i == 0 or singular[i - 1] > 1.02 * singular[i]]
    cosines = np.abs(np.sum(found.vectors * right, axis=1))[distinct]
    assert len(distinct) > 2
    np.testing.assert_allclose(cosines, 1, atol=1e-3)


def test_the_first_direction_changes_images_more_than_the_last(either):
    found, w = latents.directions(either), either.map_latents(32)
    start = float_images(either, w)
    first, last = (np.square(float_images(either, w + 0.1 * v) - start).mean() for v in found.vectors[[0, -1]])
    assert first > 2 * last


def test_strengths_are_standard_deviations_of_w(gan):
    direction, w = np.arange(12.0), gan.map_latents(2, seed=8)
    unit = direction / np.linalg.norm(direction)
    deviation = np.std(gan.map_latents(1000) @ unit)
    images = latents.along(gan, w, direction, (-2, 0, 1), layers=[1, 2])
    assert images.shape == (2, 3, 16, 16, 1)
    for column, strength in enumerate((-2, 0, 1)):
        ws = gan.for_layers(w).copy()
        ws[:, 1:3] += strength * deviation * unit
        assert equal(images[:, column], drawn(gan, ws))
    assert not equal(images[:, 0], images[:, 1], 3)
    assert equal(latents.along(gan, gan.for_layers(w), 5 * direction, (-2, 0, 1), layers=[1, 2]), images)


def test_weights_are_saved_once(gan, tmp_path):
    gan.network.save_weights(tmp_path / "generator.weights.h5")
    names = []
    with h5py.File(tmp_path / "generator.weights.h5") as file:
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    assert not [name for name in names if "affines" in name]
    assert len([name for name in names if "affine" in name]) >= gan.styles.num_ws


# Animations


def frames(count=5, height=16, width=24):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 1), np.uint8)


def test_a_gif_has_the_same_frames(tmp_path):
    images = frames()
    path = latents.save_animation(images, tmp_path / "path.gif", frames_per_second=10)
    with Image.open(path) as gif:
        assert gif.info["loop"] == 0
        read = [(np.asarray(frame.convert("L")), frame.info["duration"]) for frame in ImageSequence.Iterator(gif)]
    assert [duration for _, duration in read] == [100] * 5
    np.testing.assert_array_equal(np.stack([frame for frame, _ in read]), images[..., 0])


@pytest.mark.parametrize("size", [(16, 24), (17, 23)])
def test_an_mp4_has_nearly_the_same_frames(tmp_path, size):
    pytest.importorskip("av", reason="PyAV, of the extra app, is not installed")
    import imageio.v3 as imageio

    smooth = np.add.outer(20 * np.arange(5), np.add.outer(3 * np.arange(size[0]), 2 * np.arange(size[1])))
    images = smooth.astype(np.uint8)[..., None]
    path = latents.save_animation(images, tmp_path / "path.mp4", frames_per_second=10)
    read = imageio.imread(path, plugin="pyav")
    assert read.shape == (5, size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    assert np.abs(read[:, : size[0], : size[1], 0].astype(int) - images[..., 0]).mean() < 4
    assert imageio.immeta(path, plugin="pyav")["fps"] == 10


def test_what_cannot_be_an_animation_is_refused_in_a_sentence(tmp_path, monkeypatch):
    for images in (frames()[..., 0], frames().astype(float), frames()[:0]):
        with pytest.raises(ValueError, match=r"of uint8 images \(n, H, W, C\)"):
            latents.save_animation(images, tmp_path / "path.gif")
    with pytest.raises(ValueError, match=r"path.webm is neither .gif nor .mp4"):
        latents.save_animation(frames(), tmp_path / "path.webm")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"path.mp4 needs PyAV: pip install"):
        latents.save_animation(frames(), tmp_path / "path.mp4")
