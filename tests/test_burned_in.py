"""Text in pixels is found and read; slices of one series are searched together."""

import numpy as np
import pytest
from dicom_samples import make, write
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from medgan_tf.dicom import Header, burned_in, convert
from medgan_tf.dicom.review import Slices


@pytest.fixture
def tissue():
    """Soft grey clouds, float32 (400, 500) in [0.1, 0.8]."""
    clouds = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(400, 500)), 25)
    return np.float32(0.1 + 0.7 * (clouds - clouds.min()) / np.ptp(clouds))


def written(picture, *lines, size=20, grey=255, x=40):
    """The picture with a line of text at each (row, text)."""
    image = Image.fromarray(np.uint8(picture * 255))
    for row, text in lines:
        ImageDraw.Draw(image).text((x, row), text, fill=grey, font=ImageFont.load_default(size))
    return np.asarray(image, np.float32) / 255


def suspicions(*images):
    return burned_in.suspicions(Header.of(make(np.zeros((8, 8), np.uint16), Modality="CR")), images)


@pytest.mark.parametrize(("size", "grey"), [(12, 255), (20, 0), (32, 255), (48, 0)])
@pytest.mark.parametrize("text", ["MILLER", "1957-03-12"])
def test_a_word_is_read_bright_or_dark_small_or_large(tissue, size, grey, text):
    assert burned_in.read_text(written(tissue, (150, text), size=size, grey=grey)) == text


def test_tissue_noise_and_a_side_marker_are_not_taken_for_words(tissue):
    noise = np.random.default_rng(1).random((400, 500), np.float32)
    bars = written(tissue, *((row, "||||||") for row in range(10, 300, 60)))
    for picture in (tissue, noise, bars, written(tissue, (40, "R"), size=40), np.zeros((64, 64), np.float32)):
        assert burned_in.read_text(picture) == ""


def test_images_without_strokes_side_by_side_are_not_read(tissue):
    assert burned_in._parts_like_text(tissue) == []
    (part,) = burned_in._parts_like_text(written(tissue, (150, "MILLER")))
    assert part.width < 160 and part.height < 100


def test_very_small_and_very_large_images_are_searched():
    for shape in ((1, 1), (3, 70), (9, 9), (5000, 20), (4000, 3000)):
        assert burned_in.read_text(np.zeros(shape, np.float32)) == ""
    large = written(np.full((4000, 3000), 0.3, np.float32), (3500, "MILLER"), size=60)
    assert burned_in.read_text(large) == "MILLER"


def test_words_that_are_read_are_a_reason(tissue):
    assert suspicions(tissue) == ([], "")
    assert suspicions(tissue, written(tissue, (100, "MILLER"))) == (["text was found in its pixels"], "MILLER")


def test_slices_of_a_series_are_searched_together_and_only_those_with_text_are_held_back(tissue, tmp_path, monkeypatch):
    searched = []
    search = burned_in.read_text
    monkeypatch.setattr(burned_in, "read_text", lambda image: searched.append(image) or search(image))
    slices, lines = Slices(), {3: [(100, "MILLER")]}
    for number in range(8):
        header = Header.of(make(np.zeros((8, 8), np.uint16), SeriesInstanceUID="1.2"))
        image = written(tissue * (0.8 + number / 40), *lines.get(number, []))
        assert slices.take(header, image, f"file {number}")
        write(
            tmp_path / "in" / f"{number}.dcm",
            make(np.uint16(image * 4095), SeriesInstanceUID="1.2", WindowCenter=2048, WindowWidth=4096),
        )
    assert not slices.take(Header.of(make(np.zeros((8, 8), np.uint16), Modality="CR")), tissue, "radiograph")
    assert slices.with_text() == {f"file {number}" for number in range(8)}
    assert len(searched) == 1  # the brightest values already show it
    report = convert(tmp_path / "in", tmp_path / "out", workers=1)
    assert (report.converted, report.held_back) == (7, 1)
    assert "3.dcm" in (tmp_path / "out.private" / "review.csv").read_text()
