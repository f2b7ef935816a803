"""JPG against PNG: the encoding alone moves the numbers, and the product compares like with like."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from medgan_tf import metrics
from medgan_tf.__main__ import main
from medgan_tf.datasets import ImageSet, match_encoding, read_images, reencode
from medgan_tf.metrics import custom, evaluate

SIZE = 32


def textures(count, seed=0, size=SIZE):
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(count, size, size)), (0, 1, 1))
    return np.clip(128 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)[..., None]


def save(folder, images, suffix, **options):
    folder.mkdir(parents=True)
    files = [folder / f"{index:03d}.{suffix}" for index in range(len(images))]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image[..., 0]).save(file, **options)
    return files


@pytest.fixture(scope="module")
def fine():
    """An extractor of the power in eight bands, where an encoding shows."""
    from medgan_tf.metrics import power_spectra

    def network(images):
        pixels = np.rint((np.asarray(images) + 1) * 127.5).astype(np.uint8)
        return power_spectra(pixels).reshape(len(images), 8, -1).mean(2)

    return custom("bands", network, SIZE)


@pytest.mark.parametrize("quality", [30, 75, 90, 95, 100])
def test_jpg_quality_is_read_from_the_file(tmp_path, quality):
    files = save(tmp_path / "jpg", textures(3), "jpg", quality=quality)
    assert read_images(files[0].parent, SIZE).encoding.tolist() == [quality] * 3
    assert reencode(textures(3), quality).tobytes() == np.stack([Image.open(file) for file in files]).tobytes()


def test_downscaled_jpg_and_png_count_as_lossless(tmp_path):
    large = textures(4, size=2 * SIZE)
    shrink = lambda images: np.stack([Image.fromarray(i[..., 0]).resize((SIZE, SIZE), 1) for i in images])  # noqa: E731
    save(tmp_path / "all" / "large", large, "jpg", quality=75)
    save(tmp_path / "all" / "png", textures(2), "png")
    assert read_images(tmp_path / "all", SIZE).jpg_quality is None
    assert read_images(tmp_path / "all", SIZE + 1).encoding.tolist() == [75] * 4 + [0] * 2
    small = shrink(large)[..., None]
    trace = np.abs(shrink(reencode(large, 75)).astype(int) - shrink(large)).mean()
    assert trace < 0.5 * np.abs(reencode(small, 75).astype(int) - small).mean()


def test_match_encoding_changes_only_the_set_that_lacks_the_encoding():
    real, fake = ImageSet(textures(4)), ImageSet(textures(4, 1))
    assert match_encoding(real, fake) == (real, fake) and real.jpg_quality is None
    jpg = ImageSet(real.pixels, encoding=95)
    left, passed = match_encoding(jpg, fake)
    assert left is jpg and passed.jpg_quality == 95 and (passed.pixels == reencode(fake.pixels, 95)).all()
    mixed = ImageSet(real.pixels, encoding=[95, 95, 75, 75])
    for both, before in zip(match_encoding(mixed, ImageSet(fake.pixels, encoding=95)), (real, fake), strict=True):
        assert set(both.encoding) == {75} and (both.pixels == reencode(before.pixels, 75)).all()
    assert match_encoding(jpg, mixed.take([0, 1]))[0] is jpg
    with pytest.raises(ValueError, match="8 bits"):
        reencode(real.pixels.astype(np.uint16), 95)


def test_encoding_twice_changes_little():
    once = reencode(textures(20), 75)
    assert np.abs(reencode(once, 75).astype(int) - once).mean() < 0.1 * np.abs(once.astype(int) - textures(20)).mean()


def test_evaluate_is_not_fooled_by_the_encoding_alone(tmp_path, fine):
    real, fake = textures(200), textures(200, 1)
    save(tmp_path / "jpg", real, "jpg", quality=60)
    save(tmp_path / "png", fake, "png")
    clean = evaluate(real, fake, fine)
    apart = evaluate(reencode(real, 60), fake, fine)
    together = evaluate(tmp_path / "jpg", tmp_path / "png", fine)
    for metric in ("frechet_distance", "kernel_distance", "power_spectrum_distance"):
        assert not clean[metric]["interpretation"].startswith("worse"), metric
        assert (
            apart[metric]["interpretation"].startswith("worse") and apart[metric]["value"] > 3 * clean[metric]["value"]
        )
        assert not together[metric]["interpretation"].startswith("worse"), metric
    assert {record["jpg_quality"] for record in together.values()} == {60}


def test_command_line_evaluates_folders_by_class_and_with_training_images(tmp_path, capsys):
    rows = []
    for kind, count, seed in (("real", 60, 0), ("fake", 60, 1), ("training", 60, 1)):
        for label, name in enumerate(("coarse", "fine")):
            pictures = ndimage.gaussian_filter(textures(count, 2 * seed + label), (0, 2 * label, 2 * label, 0))
            files = save(tmp_path / kind / name, pictures, "png")
            if kind == "real":
                rows += [{"file": f"{name}/{f.name}", "class": name, "patient": int(f.stem) // 2} for f in files]
    pd.DataFrame(rows).to_csv(tmp_path / "real" / "manifest.csv", index=False)
    metrics.save_classifier(
        metrics.train_feature_classifier(textures(60), image_size=SIZE, steps=3), tmp_path / "feature_classifier"
    )
    settings = [
        "--features",
        "feature_classifier",
        "--weights",
        str(tmp_path / "feature_classifier"),
        "--image-size",
        str(SIZE),
    ]
    settings += ["--training", str(tmp_path / "training"), "--by-class", "--json", str(tmp_path / "records.json")]
    assert main(["evaluate", str(tmp_path / "real"), str(tmp_path / "fake"), *settings]) == 0
    printed, records = capsys.readouterr().out, json.loads((tmp_path / "records.json").read_text())
    assert records["kernel_distance"]["patients"] == 30 and records["ms_ssim"]["within_classes"]
    assert records["copies"]["value"] == 1 and records["copies"]["interpretation"] == "memorised"
    assert set(records["classes"]) == {"coarse", "fine"}
    assert records["classes"]["fine"]["kernel_distance"]["n"] == 30
    assert records["classes"]["fine"]["copies"]["interpretation"] == "memorised"
    assert "kernel_distance " in printed and "memorised" in printed and "kernel_distance of fine " in printed
    assert "without traces of JPG" in printed
