"""Letters in pixels: found by their shape, read where tesseract is installed, and left to a person where it is not."""

import numpy as np
import pytest
from dicom_samples import make
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from medgan_tf.dicom import Header, burned_in


@pytest.fixture
def tissue():
    """Soft grey clouds, float32 (400, 500) in [0.1, 0.8]."""
    clouds = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(400, 500)), 25)
    return np.float32(0.1 + 0.7 * (clouds - clouds.min()) / np.ptp(clouds))


@pytest.fixture
def without_tesseract(monkeypatch):
    monkeypatch.setattr(burned_in, "TESSERACT", "a-program-that-nobody-has")
    burned_in.detector.cache_clear()
    yield
    burned_in.detector.cache_clear()


needs_tesseract = pytest.mark.skipif(not burned_in.detector(), reason="tesseract is not installed")


def written(picture, *lines, size=20, grey=255, x=40):
    """The picture with a line of text at each (row, text)."""
    image = Image.fromarray(np.uint8(picture * 255))
    for row, text in lines:
        ImageDraw.Draw(image).text((x, row), text, fill=grey, font=ImageFont.load_default(size))
    return np.asarray(image, np.float32) / 255


def suspicions(*images):
    return burned_in.suspicions(Header.of(make(np.zeros((8, 8), np.uint16), Modality="CR")), images)


def read(image):
    return suspicions(image)[1]


@pytest.mark.parametrize(("size", "grey"), [(14, 255), (20, 0), (32, 255), (48, 0)])
def test_a_word_is_found_bright_or_dark_small_or_large(tissue, size, grey):
    assert burned_in.lines(written(tissue, (150, "MILLER"), size=size, grey=grey))


def test_tissue_noise_and_a_side_marker_are_not_taken_for_words(tissue):
    noise = np.random.default_rng(1).random((400, 500), np.float32)
    for picture in (tissue, noise, written(tissue, (40, "R"), size=40), np.zeros((64, 64), np.float32)):
        assert not burned_in.lines(picture)


def test_marks_that_are_not_in_line_are_no_line():
    # top, bottom, left, right
    line = [[10, 30, left, left + 12] for left in (0, 16, 32)]
    others = [[200, 220, 10, 22], [10, 30, 300, 312], [60, 140, 48, 80]]
    assert burned_in._in_line(np.array(line + others)).tolist() == line
    assert not len(burned_in._in_line(np.array(line[:2] + others)))
    assert not len(burned_in._in_line(np.zeros((0, 4), int)))


def test_rows_around_several_lines_are_read_once():
    boxes = np.array([[50, 60, 0, 5], [52, 62, 8, 12], [75, 85, 0, 5], [195, 200, 0, 5]])
    assert burned_in._bands(boxes, 200) == [slice(30, 105), slice(185, 200)]


@needs_tesseract
def test_words_are_read_in_any_line(tissue):
    assert read(written(tissue, (350, "MILLER"))) == "MILLER"
    assert {"MILLER", "ANNA"} <= set(read(written(tissue, (30, "MILLER"), (350, "ANNA"))).split())


@needs_tesseract
def test_lines_that_cannot_be_read_do_not_hide_a_later_one(tissue):
    bars = [(row, "||||||") for row in range(10, 300, 60)]
    assert "MILLER" in read(written(tissue, *bars, (350, "MILLER")))


@needs_tesseract
def test_words_that_are_read_are_a_reason(tissue):
    assert suspicions(tissue) == ([], "")
    assert suspicions(tissue, written(tissue, (100, "MILLER"))) == (["text was found in its pixels"], "MILLER")


def test_without_tesseract_marks_like_letters_are_a_reason(tissue, without_tesseract):
    assert burned_in.detector() == ""
    assert suspicions(tissue) == ([], "")
    found = suspicions(written(tissue, (100, "MILLER")))
    assert found == (["marks like letters stand in line in its pixels"], "")
