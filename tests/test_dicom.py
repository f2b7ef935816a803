import io
import re
import shutil
import subprocess

import numpy as np
import pytest
from dicom_samples import SHARED, make, picture, to_bytes
from PIL import Image
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless
from scipy.stats import spearmanr

from medgan_tf import dicom
from medgan_tf.dicom import Header, grey_levels, parsing
from medgan_tf.dicom.grey_levels import Window
from medgan_tf.dicom.pixels import stored_frames

needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="shared/data/dicom is not there")
needs_dcmtk = pytest.mark.skipif(not shutil.which("dcmj2pnm"), reason="dcmj2pnm of dcmtk is not installed")


def lut_item(first, values, bits=16):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(values), first % 65536, bits])
    item.add_new("LUTData", "US", [int(value) for value in values])
    return Sequence([item])


def ramp(low=0, high=256, dtype=np.uint16):
    return np.arange(low, high, dtype=dtype).reshape(16, -1)


@pytest.mark.parametrize(
    ("function", "value", "grey"),
    [  # PS3.3 C.11.2.1.2.1: center 2048, width 4096 maps 0..4095 to 0..1; the others are C.11.2.1.3
        ("LINEAR", 0, 0),
        ("LINEAR", 4095, 1),
        ("LINEAR", 1000, (1000 - 2047.5) / 4095 + 0.5),
        ("LINEAR", 2047.5, 0.5),
        ("LINEAR_EXACT", 0, 0),
        ("LINEAR_EXACT", 4095, 4095 / 4096),
        ("LINEAR_EXACT", 2048, 0.5),
        ("SIGMOID", 2048, 0.5),
        ("SIGMOID", 3072, 1 / (1 + np.exp(-1))),
        ("SIGMOID", 0, 1 / (1 + np.exp(2))),
    ],
)
def test_window_formulas(function, value, grey):
    assert Window(2048, 4096, function)(np.array([value]))[0] == pytest.approx(grey, abs=1e-12)


def test_linear_window_of_width_one_is_a_step():
    assert Window(100, 1)(np.array([99.0, 99.5, 99.6, 100.0])).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_file_window_after_rescale(function):
    dataset = make(ramp(), RescaleSlope=2, RescaleIntercept=-100, WindowCenter=150, WindowWidth=200)
    dataset.VOILUTFunction = function
    hounsfield = ramp() * 2.0 - 100
    expected = {
        "LINEAR": np.clip((hounsfield - 149.5) / 199 + 0.5, 0, 1),
        "LINEAR_EXACT": np.clip((hounsfield - 150) / 200 + 0.5, 0, 1),
        "SIGMOID": 1 / (1 + np.exp(-4 * (hounsfield - 150) / 200)),
    }[function]
    image = dicom.read_image(to_bytes(dataset))
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, expected, atol=1e-6)


def test_monochrome1_is_inverted_last():
    attributes = {"WindowCenter": 60, "WindowWidth": 40}
    upright = dicom.read_image(make(ramp(), **attributes))
    inverted = dicom.read_image(make(ramp(), PhotometricInterpretation="MONOCHROME1", **attributes))
    np.testing.assert_allclose(inverted, 1 - upright, atol=1e-6)
    assert inverted[0, 0] == 1
    assert inverted[-1, -1] == 0


def test_modality_lut_sequence_clamps_at_both_ends():
    table = np.arange(50, dtype=int) ** 2
    dataset = make(ramp(), ModalityLUTSequence=lut_item(20, table), WindowCenter=1000, WindowWidth=2001)
    modality = table[np.clip(ramp().astype(int) - 20, 0, 49)]
    np.testing.assert_allclose(dicom.read_image(dataset), np.clip((modality - 999.5) / 2000 + 0.5, 0, 1), atol=1e-6)


def test_voi_lut_sequence_is_preferred_to_the_window():
    table = 4095 - np.arange(256) * 16
    dataset = make(
        ramp(-128, 128, np.int16), WindowCenter=0, WindowWidth=10, VOILUTSequence=lut_item(-128, table, bits=12)
    )
    np.testing.assert_allclose(dicom.read_image(dataset), table.reshape(16, -1) / 4095, atol=1e-6)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("limit", [None, -1990])
def test_padding_is_black_and_excluded_from_automatic_windows(photometric, limit):
    pixels = picture(low=-100, high=900, dtype=np.int16)
    clean = dicom.read_image(make(pixels[:, 8:], PhotometricInterpretation=photometric))
    pixels[:, :8] = -2000 if limit is None else np.linspace(-2000, -1990, 8).astype(int)
    dataset = make(pixels, PhotometricInterpretation=photometric)
    dataset.add_new("PixelPaddingValue", "US", 65536 - 2000)  # unsigned beside signed pixels, as many write it
    if limit is not None:
        dataset.add_new("PixelPaddingRangeLimit", "SS", limit)
    image = dicom.read_image(dataset)
    assert (image[:, :8] == 0).all()
    np.testing.assert_allclose(image[:, 8:], clean, atol=1e-6)


def test_several_windows_presets_and_pairs():
    dataset = make(ramp(), WindowCenter=[100, 40], WindowWidth=[50, 80], RescaleIntercept=0, RescaleSlope=1)
    brain = Window(40, 80)(ramp().astype(float))
    for window in (1, "brain", (40, 80)):
        np.testing.assert_allclose(dicom.read_image(dataset, window), brain, atol=1e-6)
    np.testing.assert_array_equal(dicom.read_image(dataset), dicom.read_image(dataset, 0))
    with pytest.raises(dicom.DicomError, match="has 2 windows of its own, so there is no window 2"):
        dicom.read_image(dataset, 2)
    dataset.Modality = "MR"
    with pytest.raises(dicom.DicomError, match=r"is MR, not CT, .* use window='auto' or a pair"):
        dicom.read_image(dataset, "brain")


@pytest.mark.parametrize(("center", "width"), [(10, 0), (10, -5), ("", ""), (None, 5)])
def test_unusable_windows_are_ignored(center, width):
    assert Header.of(make(ramp(), WindowCenter=center, WindowWidth=width)).first_frame.windows == ()
    np.testing.assert_array_equal(
        dicom.read_image(make(ramp(), WindowCenter=center, WindowWidth=width)), dicom.read_image(make(ramp()))
    )


def test_window_center_zero_is_used():
    dataset = make(ramp(-128, 128, np.int16), WindowCenter=0, WindowWidth=100)
    np.testing.assert_allclose(dicom.read_image(dataset), Window(0, 100)(ramp(-128, 128, float)), atol=1e-6)


@pytest.mark.parametrize("bits", [12, 14, 16])
def test_signed_pixels_of_any_depth(bits):
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    pixels = np.linspace(low, high, 256).astype(np.int16).reshape(16, 16)
    dataset = make(pixels, BitsStored=bits, HighBit=bits - 1, WindowCenter=0, WindowWidth=2**bits)
    image = dicom.read_image(to_bytes(dataset))
    np.testing.assert_allclose(image, (pixels.astype(float) - low) / (high - low), atol=1e-6)


def test_overlay_bits_above_the_stored_bits_are_ignored():
    pixels = ramp()
    overlay = np.where(np.arange(pixels.size).reshape(pixels.shape) % 3, 0, 0x8000).astype(np.uint16)
    attributes = {"BitsStored": 12, "HighBit": 11, "WindowCenter": 128, "WindowWidth": 256}
    np.testing.assert_array_equal(
        dicom.read_image(make(pixels | overlay, **attributes)), dicom.read_image(make(pixels, **attributes))
    )


def test_padding_changed_by_lossy_compression_is_excluded_from_automatic_windows():
    pixels = picture(low=-1000, high=500, dtype=np.int16)
    clean = dicom.read_image(make(pixels[:, 8:]))
    pixels[:, :8] = np.linspace(-2300, -1700, 8)
    image = dicom.read_image(make(pixels, PixelPaddingValue=-2000))
    assert (image[:, :8] == 0).all()
    np.testing.assert_allclose(image[:, 8:], clean, atol=1e-6)


def test_automatic_window_ignores_outliers():
    pixels = picture(shape=(100, 100), low=200, high=400)
    pixels[0, :5] = 65535
    low, high = np.quantile(pixels, grey_levels.TAILS)
    expected = np.clip((pixels.astype(float) - low) / (high - low), 0, 1)
    np.testing.assert_allclose(dicom.read_image(make(pixels)), expected, atol=0.01)


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"])
def test_anisotropic_pixels_become_square(keyword):
    pixels = picture(shape=(20, 48))
    value = [2, 1] if keyword == "PixelAspectRatio" else [0.8, 0.4]  # row spacing, then column spacing
    assert dicom.read_image(make(pixels, **{keyword: value})).shape == (40, 48)
    assert dicom.read_image(make(pixels, **{keyword: value[::-1]})).shape == (20, 96)
    assert dicom.read_image(make(pixels, **{keyword: [0, 1]})).shape == (20, 48)


def test_palette_becomes_luminance():
    dataset = make(ramp(dtype=np.uint8), PhotometricInterpretation="PALETTE COLOR")
    colours = {"Red": np.arange(256), "Green": np.arange(256)[::-1], "Blue": np.full(256, 50)}
    for colour, values in colours.items():
        dataset.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        dataset.add_new(f"{colour}PaletteColorLookupTableData", "OW", (values * 257).astype("<u2").tobytes())
    grey = (0.299 * colours["Red"] + 0.587 * colours["Green"] + 0.114 * 50) / 255
    np.testing.assert_allclose(dicom.read_image(dataset), grey.reshape(16, -1), atol=1e-5)


def test_colour_and_ybr_become_luminance():
    rgb = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    attributes = {"SamplesPerPixel": 3, "PlanarConfiguration": 0}
    image = dicom.read_image(make(rgb, PhotometricInterpretation="RGB", **attributes))
    np.testing.assert_allclose(image, rgb @ [0.299, 0.587, 0.114] / 255, atol=1e-5)
    grey = np.repeat(ramp(dtype=np.uint8)[..., None], 3, -1)
    grey[..., 1:] = 128  # Y with neutral Cb and Cr
    image = dicom.read_image(make(grey, PhotometricInterpretation="YBR_FULL", **attributes))
    np.testing.assert_allclose(image, ramp() / 255, atol=1e-5)


def test_enhanced_frames_have_windows_and_rescales_of_their_own():
    frames = np.stack([picture(0), picture(1)])
    dataset = make(frames[0], NumberOfFrames=2)
    dataset["PixelData"].value = frames.tobytes()
    groups = []
    for slope, center in ((1, 300), (3, 900)):
        group, rescale, voi = Dataset(), Dataset(), Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept = slope, -10
        voi.WindowCenter, voi.WindowWidth = center, 600
        group.PixelValueTransformationSequence, group.FrameVOILUTSequence = [rescale], [voi]
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    measures, shared = Dataset(), Dataset()
    measures.PixelSpacing = [2, 1]
    shared.PixelMeasuresSequence = [measures]
    dataset.SharedFunctionalGroupsSequence = [shared]
    image = dicom.read_image(to_bytes(dataset))
    assert image.shape == (2, 80, 48)
    del dataset.SharedFunctionalGroupsSequence
    image = dicom.read_image(to_bytes(dataset))
    np.testing.assert_allclose(image[0], Window(300, 600)(frames[0] * 1.0 - 10), atol=1e-6)
    np.testing.assert_allclose(image[1], Window(900, 600)(frames[1] * 3.0 - 10), atol=1e-6)


def test_float_pixel_data_with_gaps():
    values = picture(low=0, high=1, dtype=np.float32)
    dataset = make(values, PixelRepresentation=None, BitsStored=None, HighBit=None)
    data = values.copy()
    data[0, 0] = np.nan
    del dataset.PixelData
    dataset.FloatPixelData = data.tobytes()
    image = dicom.read_image(to_bytes(dataset))
    assert image[0, 0] == 0
    assert spearmanr(image.ravel()[1:], values.ravel()[1:])[0] > 0.999


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_padding_is_black_and_kept_out_of_the_automatic_window(dtype):
    values = picture(low=0, high=1, dtype=dtype)
    name = "Float" if dtype is np.float32 else "DoubleFloat"
    dataset = make(values, PixelRepresentation=None, BitsStored=None, HighBit=None)
    del dataset.PixelData
    clean = dicom.read_image(_float(dataset, name, values))
    padded = values.copy()
    padded[:, :5] = np.finfo(dtype).min
    setattr(dataset, f"{name}PixelPaddingValue", float(padded[0, 0]))
    image = dicom.read_image(_float(dataset, name, padded))
    assert (image[:, :5] == 0).all()
    np.testing.assert_allclose(image[:, 5:], clean[:, 5:], atol=0.02)


def _float(dataset, name, values):
    setattr(dataset, f"{name}PixelData", values.tobytes())
    return to_bytes(dataset)


# ------------------------------------------------------------ headers and pixels that contradict each other


@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
@pytest.mark.parametrize("unused", [2, 4])
def test_samples_in_the_upper_bits_are_shifted_down_where_they_lie_there(dtype, unused):
    pixels = picture(low=-2000 if dtype is np.int16 else 0, high=2000 if dtype is np.int16 else 4000, dtype=dtype)
    window = {"WindowCenter": 0, "WindowWidth": 5000, "BitsStored": 12}
    expected = dicom.read_image(make(pixels, HighBit=11, **window))
    upper = {"HighBit": 11 + unused, **window}
    np.testing.assert_array_equal(dicom.read_image(make(pixels << unused, **upper)), expected)
    np.testing.assert_array_equal(dicom.read_image(make(pixels, **upper)), expected)
    with pytest.raises(dicom.DicomError, match="contradicts itself: its samples do not lie in the bits"):
        dicom.read_image(make((pixels << unused) | 1, **upper))


@pytest.mark.parametrize(("stated", "used"), [(16, 12), (16, 10), (12, 8), (8, 16)])
def test_white_is_what_the_entries_of_a_voi_lut_really_reach(stated, used):
    table = np.linspace(0, 2**used - 1, 256).astype(int)
    image = dicom.read_image(make(ramp(), VOILUTSequence=lut_item(0, table, bits=stated)))
    np.testing.assert_allclose(image, table.reshape(16, -1) / (2**used - 1), atol=1e-6)


@pytest.mark.parametrize(("stated", "factor", "word"), [(8, 257, "<u2"), (16, 1, "<u2"), (16, 1, "u1"), (8, 16, "<u2")])
def test_the_depth_of_a_palette_is_that_of_its_entries(stated, factor, word):
    dataset = make(ramp(dtype=np.uint8), PhotometricInterpretation="PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        dataset.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, stated])
        dataset.add_new(f"{colour}PaletteColorLookupTableData", "OW", (np.arange(256) * factor).astype(word).tobytes())
    np.testing.assert_allclose(dicom.read_image(dataset), ramp() / 255, atol=0.004)


@pytest.mark.parametrize(
    ("modality", "photometric", "center", "width"),
    [
        ("CR", "MONOCHROME2", 1, 2),
        ("CT", "MONOCHROME2", 1, 2),
        ("MR", "MONOCHROME2", 40, 400),
        ("DX", "MONOCHROME2", 32768, 1000),
    ],
)
def test_a_window_that_shows_next_to_nothing_gives_way_to_the_automatic_one(modality, photometric, center, width):
    pixels, about = picture(high=4000), {"Modality": modality, "PhotometricInterpretation": photometric}
    image = dicom.read_image(make(pixels, WindowCenter=center, WindowWidth=width, **about))
    np.testing.assert_array_equal(image, dicom.read_image(make(pixels, **about)))


def test_narrow_windows_that_show_something_are_kept():
    head = np.full((64, 64), -1000, np.int16)
    head[20:40, 20:40], head[26:30, 26:30] = 1200, picture(shape=(4, 4), low=20, high=60, dtype=np.int16)  # bone, brain
    for window in ((40, 80), (35, 40)):
        dataset = make(head, WindowCenter=window[0], WindowWidth=window[1])
        np.testing.assert_array_equal(dicom.read_image(dataset), dicom.read_image(dataset, 0))
    mask = make(np.eye(16, dtype=np.uint8), WindowCenter=0.5, WindowWidth=1)
    np.testing.assert_array_equal(dicom.read_image(mask), np.eye(16))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("-1024,0", -1024), ("-1024 HU", -1024), ("-1024,50", -1024.5), ("-1.024e3", -1024), ("-1024\\-1024", -1024)),
        *((text, None) for text in ("-1,024", "-1.024,0", "0\\-1024", "none", "-1024 5", "nan", "1e999")),
    ],
)
def test_rescaling_is_read_as_exporters_write_it_or_refused(text, value):
    dataset = make(ramp(), WindowCenter=-900, WindowWidth=256)
    tag = tag_for_keyword("RescaleIntercept")
    dataset._dict[tag] = RawDataElement(Tag(tag), "DS", len(text), text.encode(), 0, False, True)
    if value is None:
        with pytest.raises(dicom.DicomError, match="is damaged: its RescaleIntercept is not one number"):
            dicom.read_image(dataset)
    else:
        np.testing.assert_allclose(dicom.read_image(dataset), Window(-900, 256)(ramp() + float(value)), atol=1e-6)


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("listed", [True, False])
def test_more_frames_than_the_header_states_are_refused(syntax, listed):
    frames = np.stack([picture(seed) for seed in range(3)])
    dataset = make(frames[0], NumberOfFrames=3)
    dataset.PixelData = frames.tobytes()
    if syntax:
        dataset.compress(syntax)
        dataset.PixelData = encapsulate(list(generate_frames(dataset.PixelData, number_of_frames=3)), has_bot=listed)
    assert dicom.read_image(to_bytes(dataset)).shape == (3, *frames[0].shape)
    for count in (1, 2, None):
        dataset.NumberOfFrames = count
        with pytest.raises(dicom.DicomError, match=f"NumberOfFrames is {count or 1}, but its pixel data hold 3 frames"):
            dicom.read_image(to_bytes(dataset))


def coloured(unlike=60):
    """RGB uint8 (64, 80, 3) of which the planes are alike but not the same."""
    grey = picture(1, (64, 80), 20, 180)
    return np.stack([grey, grey + 5, grey + unlike * (grey > 120)], axis=-1).astype(np.uint8)


def jpeg(pixels, stored, marker, subsampling):
    """A JPEG stream of RGB pixels, stored as "RGB" or "YCbCr", with the marker "JFIF", "Adobe" or none."""
    file = io.BytesIO()
    settings = {"quality": 95, "subsampling": subsampling, "keep_rgb": stored == "RGB"}
    Image.fromarray(pixels).save(file, "JPEG", **settings)
    stream = re.sub(rb"\xff\xe0\x00\x10JFIF.{10}|\xff\xee\x00\x0eAdobe.{7}", b"", file.getvalue(), flags=re.DOTALL)
    jfif = b"\xff\xe0\x00\x10JFIF\0\1\1\0\0\1\0\1\0\0"
    adobe = b"\xff\xee\x00\x0eAdobe\0d\0\0\0\0" + bytes([stored != "RGB"])
    return stream[:2] + {"JFIF": jfif, "Adobe": adobe, "": b""}[marker] + stream[2:]


@pytest.mark.parametrize("stated", ["RGB", "YBR_FULL", "YBR_FULL_422"])
@pytest.mark.parametrize(
    ("stored", "marker", "subsampling"),
    [
        *(("YCbCr", marker, subsampling) for marker in ("JFIF", "Adobe", "") for subsampling in (0, 2)),
        *(("RGB", marker, 0) for marker in ("Adobe", "")),
    ],
)
@pytest.mark.parametrize("planar", [0, 1])
def test_jpeg_has_the_colours_of_its_stream_whatever_the_header_says(stated, stored, marker, subsampling, planar):
    pixels = coloured()
    attributes = {"SamplesPerPixel": 3, "PhotometricInterpretation": stated, "PlanarConfiguration": planar}
    dataset = make(pixels[..., 0], Modality="OT", **attributes)
    dataset.PixelData = encapsulate([jpeg(pixels, stored, marker, subsampling)])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset["PixelData"].is_undefined_length = True
    expected = pixels @ np.array([0.299, 0.587, 0.114]) / 255
    np.testing.assert_allclose(dicom.read_image(to_bytes(dataset)), expected, atol=0.06)


FAULTS = SHARED.parents[1] / "faults" / "dicom"


@pytest.mark.skipif(not FAULTS.is_dir(), reason="shared/faults is not there")
@pytest.mark.parametrize("name", sorted(path.stem for path in FAULTS.glob("*.npy")))
def test_faulty_files_show_what_they_should(name):
    image, expected = dicom.read_image(FAULTS / f"{name}.dcm"), np.load(FAULTS / f"{name}.npy")
    assert np.corrcoef(image.ravel(), expected.ravel())[0, 1] > 0.999
    assert abs(image.mean() - expected.mean()) < 0.03


def test_preamble_meta_header_and_transfer_syntax_may_be_missing():
    dataset = make(picture())
    data = to_bytes(dataset)
    bare = data[data.index(b"\x08\x00\x16\x00") :]  # from the first element behind the meta header
    np.testing.assert_array_equal(dicom.read_image(bare), dicom.read_image(data))
    dataset.compress(RLELossless)
    data = to_bytes(dataset)
    start = data.index(b"\x02\x00\x10\x00")
    length = int.from_bytes(data[start + 6 : start + 8], "little")
    shorter = bytearray(data[:start] + data[start + 8 + length :])
    group_length = int.from_bytes(data[140:144], "little") - 8 - length
    shorter[140:144] = group_length.to_bytes(4, "little")
    np.testing.assert_array_equal(dicom.read_image(bytes(shorter)), dicom.read_image(data))


def test_big_endian():
    dataset = make(picture())
    expected = dicom.read_image(dataset)
    dataset["PixelData"].value = picture().astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    np.testing.assert_array_equal(dicom.read_image(to_bytes(dataset)), expected)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: b"", "is empty"),
        (lambda data: b"%PDF-1.7 and so on" * 100, "is not DICOM"),
        (lambda data: data[:-100], "is truncated: the pixel data end after 3740 of 3840 bytes"),
        (lambda data: data[: data.index(b"\xe0\x7f\x10\x00")], r"holds no pixel data \(CT Image\)"),
        (
            lambda data: data.replace(b"(\0\x10\0US\2\0(\0", b"(\0\x10\0US\2\0\xff\xff").replace(
                b"(\0\x11\0US\2\0\x30\0", b"(\0\x11\0US\2\0\xff\xff"
            ),
            "is refused: its header claims 65535 x 65535 pixels",
        ),
        (lambda data: data.replace(b"(\0\x10\0US\2\0(\0", b"(\0\x10\0US\2\0\0\0"), "states no number of rows"),
    ],
)
def test_unreadable_data_are_refused_with_a_reason(spoil, reason):
    with pytest.raises(dicom.DicomError, match=f"^The DICOM data .*{reason}.*\\.$"):
        dicom.read_image(spoil(to_bytes(make(picture()))))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_truncated_streams_are_refused(syntax, keep):
    dataset = make(picture(shape=(64, 64)))
    dataset.compress(syntax)
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
    assert dicom.read_image(dataset).shape == (64, 64)
    dataset.PixelData = encapsulate([stream[: int(len(stream) * keep) // 2 * 2]])
    with pytest.raises(dicom.DicomError):
        dicom.read_image(dataset)


def test_missing_frames_are_refused():
    dataset = make(picture())
    dataset.compress(RLELossless)
    dataset.NumberOfFrames = 3
    with pytest.raises(dicom.DicomError):
        dicom.read_image(dataset)


@needs_shared
@pytest.mark.parametrize("name", ["mr/MR1_JLSL", "xray/RG3_JPLL", "mr/MR1_JPLY", "other/SC_rgb_jpeg_dcmtk.dcm"])
def test_truncated_real_streams_are_refused(name):
    dataset = parsing.parse(SHARED / name)
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = encapsulate([stream[: len(stream) // 4 * 2]])
    with pytest.raises(dicom.DicomError, match="is truncated: the compressed data of frame 1 have no end"):
        dicom.read_image(dataset)


RENDERED = [  # file, window
    ("ct/CT1_JPLL", (40, 400)),  # JPEG Lossless SV1, signed, padding
    ("ct/CTImage.dcm_JPEGProcess14TransferSyntax_1.2.840.10008.1.2.4.57.dcm", "auto"),
    ("ct/CTImage.dcm_JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50.dcm", "auto"),
    ("ct/CTImage.dcm_JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51.dcm", "auto"),
    ("ct/CTImage.dcm_RLELosslessTransferSyntax_1.2.840.10008.1.2.5.dcm", "auto"),
    ("ct/CTImage.dcm_LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2.dcm", "auto"),
    ("ct/CTImage.dcm_DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99.dcm", "auto"),
    ("ct/CTImage.dcm_BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2.dcm", "auto"),
    ("ct/693_UNCR.dcm", "auto"),  # 14 bits
    ("ct/CT-JPEGLosslessSV1.dcm", "auto"),
    ("ct/IM-0001-0001-0001.dcm", 1),  # two windows
    ("mr/MR-SIEMENS-DICOM-WithOverlays.dcm", 1),
    ("mr/MR1_JPLY", "auto"),  # JPEG Extended with a defective scan header
    ("mr/MR4_RLE", "auto"),  # negative intercept
    ("mr/MR2_UNCR.dcm", "auto"),
    ("mr/emri_small.dcm", (180, 350)),  # enhanced, multi-frame
    ("mr/MR_small_bigendian.dcm", "auto"),
    ("xray/CR-MONO1-10-chest", "auto"),  # no preamble, MONOCHROME1
    ("xray/CR000000.dcm", "auto"),
    ("xray/RG3_JPLL", "auto"),
    ("xray/dx_image.dcm", "auto"),
    ("xray/Fake_MONOHR1.dcm", (128, 256)),
    ("other/TestPattern_Palette.dcm", "auto"),
    ("other/TestPattern_Palette_16.dcm", "auto"),
    ("other/TestPattern_RGB.dcm", "auto"),
    ("other/SC_rgb_jpeg_dcmtk.dcm", "auto"),
    ("other/SC_ybr_full_422_uncompressed.dcm", "auto"),
    ("other/VL1_RLE", "auto"),
    ("other/liver.dcm", (0.5, 2)),  # one bit
    ("other/test16signed.dcm", "auto"),
    ("series_ct_signed/05.dcm", "auto"),
    ("series_mr_t1w/N2D_0249.dcm", (50, 100)),  # anisotropic pixels
]


@needs_shared
@needs_dcmtk
@pytest.mark.parametrize(("name", "window"), RENDERED, ids=[name for name, _ in RENDERED])
def test_agrees_with_dcmtk(name, window, tmp_path):
    header, target = Header.of(parsing.parse(SHARED / name)), tmp_path / "picture.pgm"
    options = []
    if isinstance(window, tuple):
        options = ["+Ww", *map(str, window)]
    elif not header.is_colour:
        options = ["+Wi", "1" if window == "auto" else str(window + 1)]
    subprocess.run(["dcmj2pnm", "+G", "+opn", "16", "-a", *options, SHARED / name, target], check=True)
    with target.open() as file:  # plain PGM, which Pillow reads no more than 8 bits of
        _, columns, rows, _, *values = (word for line in file for word in line.split("#")[0].split())
    theirs = np.array(values, float).reshape(int(rows), int(columns))
    ours, _ = grey_levels.to_grey(header, *next(stored_frames(header)), window)
    agreement = spearmanr(ours.ravel(), theirs.ravel())[0]
    assert agreement > 0.99
    assert np.abs(ours - theirs / 65535).mean() < 0.01


def test_a_slope_of_zero_is_refused():
    with pytest.raises(dicom.DicomError, match="its RescaleSlope is 0"):
        dicom.read_image(make(ramp(), RescaleSlope=0, RescaleIntercept=0))
