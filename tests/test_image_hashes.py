"""Copies of an image are found by its hashes, images of other patients are not."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from transfers import as_jpg, phantom

from medgan_tf import datasets
from medgan_tf.datasets import image_hashes


def images(pictures, size):
    """An ImageSet of PIL images."""
    pixels = [np.asarray(each.resize((size, size), Image.Resampling.LANCZOS)) for each in pictures]
    return datasets.ImageSet(np.stack(pixels)[..., None])


def found(pictures, size, known):
    return image_hashes.find(images(pictures, size), known).tolist()


def changed(image):
    """Copies of a PIL image that must be found again."""
    grey = np.asarray(image).astype(float)
    for changed in (0.9 * grey, grey.mean() + 0.9 * (grey - grey.mean()), np.minimum(grey + 10, 255)):
        yield Image.fromarray(np.rint(changed).astype(np.uint8))
    yield as_jpg(image, image.width)
    yield as_jpg(image, 128)


def test_other_phantoms_are_no_copies_and_changed_ones_are():
    some, others = ([phantom(number) for number in numbers] for numbers in (range(150), range(150, 300)))
    known = image_hashes.hash_images(images(some, 64))
    for size in (32, 64):
        assert found(others, size, known) == []
        assert found(some, size, known) == list(range(150))
    copies = [copy for image in some[:20] for copy in changed(image)]
    assert found(copies, 64, known) == list(range(len(copies)))


@pytest.mark.parametrize("name", ["chest_xray", "knee_xray", "chest_xray_adult"])
def test_other_patients_are_no_copies_and_changed_images_are(name, shared):
    manifest = pd.read_csv(shared / name / "manifest.csv").drop_duplicates("patient_group").sample(200, random_state=0)
    pictures = []
    for file in manifest["file"]:
        with Image.open(shared / name / file) as image:
            pictures.append(image.convert("L").resize((224, 224)))
    known = image_hashes.hash_images(images(pictures[:100], 64))
    assert found(pictures[100:], 64, known) == found(pictures[100:], 128, known) == []
    for size in (28, 64, 128):
        assert found(pictures[:100], size, known) == list(range(100))
    copies = [copy for image in pictures[:40] for copy in changed(image)]
    assert len(found(copies, 64, known)) >= 0.99 * len(copies)


def test_flat_images_are_found_exactly_only():
    flat = [Image.new("L", (64, 64), grey) for grey in (0, 7, 100)]
    known = image_hashes.hash_images(images(flat[:1], 16))
    assert found(flat, 16, known) == [0]


def test_images_of_16_bits_have_the_perceptual_hash_of_8():
    picture = images([phantom(3)], 64)
    deep = datasets.ImageSet(picture.pixels.astype(np.uint16) * 257)
    assert image_hashes.find(deep, image_hashes.hash_images(picture)).tolist() == [0]


def test_a_damaged_file_of_hashes_is_named(tmp_path):
    (tmp_path / image_hashes.FILE).write_bytes(b"no array")
    with pytest.raises(ValueError, match=r"training_images\.npy is damaged"):
        image_hashes.read(tmp_path / image_hashes.FILE)
