"""The header of a DICOM image, parsed once: what decoding, grey levels, text search and pseudonyms need of it."""

import contextlib
import math
import re
from dataclasses import dataclass, field

import numpy as np
from pydicom import Dataset
from pydicom.uid import UID

from medgan_tf.dicom.parsing import DicomError

WINDOW_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
# A number as exporters write it: some with a decimal comma, some with a unit behind it
NUMBER = re.compile(r"([+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[Ee][+-]?\d+)?)(?:\s*[^\W\d][\w/%^]*)?")
AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}(?!\d)")  # the comma may stand before a fraction or behind thousands
# PS3.3 C.7.3.1.1.1, images only
MODALITIES = frozenset(
    """AR AS BDUS BI BMD CD CF CP CR CS CT DD DF DG DM DS DX EC EOG ES FA FS GM IO IVOCT IVUS KER LEN LP LS MA MG MR
    MS NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PT PX RF RG RTDOSE RTIMAGE SC SEG SM SRF ST TG US VA VF XA XC
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True)
class FrameHeader:
    """What may differ from frame to frame of an enhanced multi-frame image (PS3.3 C.7.6.16)."""

    pixel_aspect: float  # height over width of a pixel; 1 where the header says nothing credible
    windows: tuple = ()  # (center, width, function) each, in order, without those that no viewer could apply
    voi_lut: Dataset | None = None  # an item with LUTDescriptor and LUTData
    rescale_slope: float = 1.0
    rescale_intercept: float = 0.0


@dataclass(frozen=True)
class Header:
    """The parsed header of one DICOM image.

    Numbers that are missing or not finite are defaults, missing texts are "", and other texts are stripped. Windows,
    look-up tables and padding are those of grey images only.
    """

    dataset: Dataset = field(repr=False)  # holds the pixel data
    transfer_syntax: UID
    rows: int
    columns: int
    frame_count: int
    is_colour: bool  # RGB, YBR or indices into a palette
    photometric: str
    decoder_defaults: dict  # for pydicom's decoders: what the Image Pixel module lacks, and what it is then taken to be
    modality: str
    standard_modality: str  # see the function of this name
    modality_lut: Dataset | None  # an item with LUTDescriptor and LUTData
    padding: tuple  # stored values: (Float) Pixel Padding Value and, where there is one, its range limit; or ()
    own_frames: tuple  # FrameHeaders of an enhanced multi-frame image
    shared_frame: FrameHeader  # of all frames that have none of their own
    first_frame: FrameHeader
    sop_class: str
    sop_instance: str
    series: str
    study: str
    patient: str
    deidentified_by: str  # first of De-identification Method, where Patient Identity Removed is YES
    burned_in_annotation: str
    image_type: str
    conversion_type: str
    hides_overlay: bool  # an overlay plane may lie in unused bits of the pixels

    @classmethod
    def of(cls, dataset):
        """Read a pydicom Dataset. Raises what pydicom raises for malformed values (see `parsing.reason`)."""
        photometric = dataset.get("PhotometricInterpretation") or ""
        is_colour = number(dataset, "SamplesPerPixel", 1) > 1 or photometric == "PALETTE COLOR"
        frame_count = max(1, int(number(dataset, "NumberOfFrames", 1)))
        groups = (dataset.get("PerFrameFunctionalGroupsSequence") or [])[:frame_count]
        shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
        own_frames = tuple(_frame_header(dataset, [group, *shared], is_colour) for group in groups)
        shared_frame = _frame_header(dataset, shared, is_colour)
        removed = dataset.get("PatientIdentityRemoved") == "YES"
        return cls(
            dataset=dataset,
            transfer_syntax=_transfer_syntax(dataset),
            rows=int(number(dataset, "Rows", 0)),
            columns=int(number(dataset, "Columns", 0)),
            frame_count=frame_count,
            is_colour=is_colour,
            photometric=photometric,
            decoder_defaults=_decoder_defaults(dataset),
            modality=_text(dataset, "Modality"),
            standard_modality=standard_modality(dataset),
            modality_lut=None if is_colour else _look_up_table(dataset, "ModalityLUTSequence"),
            padding=() if is_colour else _padding(dataset),
            own_frames=own_frames,
            shared_frame=shared_frame,
            first_frame=own_frames[0] if own_frames else shared_frame,
            sop_class=_text(dataset, "SOPClassUID"),
            sop_instance=_text(dataset, "SOPInstanceUID"),
            series=_text(dataset, "SeriesInstanceUID"),
            study=_text(dataset, "StudyInstanceUID"),
            patient=_text(dataset, "PatientID"),
            deidentified_by=str((dataset.get("DeidentificationMethod") or [""])[0]) if removed else "",
            burned_in_annotation=_text(dataset, "BurnedInAnnotation").upper(),
            image_type=" ".join(map(str, np.atleast_1d(dataset.get("ImageType") or []))).upper(),
            conversion_type=_text(dataset, "ConversionType"),
            hides_overlay=_hides_overlay(dataset),
        )


def number(dataset, keyword, default):
    """Return a finite number from a Dataset, or the default where it has none."""
    with contextlib.suppress(Exception):
        value = float(dataset.get(keyword))
        if math.isfinite(value):
            return value
    return default


def _parsed(value):
    """The finite number in a value as exporters write it, such as "-1024,0 HU". Raises ValueError for all others."""
    text = str(value).strip()
    parts = NUMBER.fullmatch(text)
    if not parts or AMBIGUOUS.match(text):
        raise ValueError(f"'{text}' is no number")
    number = float(parts[1].replace(",", "."))
    if not math.isfinite(number):
        raise ValueError(f"{text} is not finite")
    return number


def _stated(dataset, keyword, default):
    """A number that grey levels depend on, or the default where none is stated. Raises DicomError for anything else."""
    with contextlib.suppress(Exception):
        value = dataset.get(keyword)
        if value is None or not str(value).strip():
            return default
        (stated,) = {_parsed(each) for each in np.atleast_1d(value)}
        return stated
    raise DicomError(f"is damaged: its {keyword} is not one number")


def _slope(dataset):
    slope = _stated(dataset, "RescaleSlope", 1.0)
    if not slope:
        raise DicomError("is damaged: its RescaleSlope is 0, which makes all values one")
    return slope


def standard_modality(dataset):
    """Return a Dataset's modality if the standard defines it, else "": any other text there may identify."""
    stated = _text(dataset, "Modality")
    return stated if stated in MODALITIES else ""


def _text(dataset, keyword):
    return str(dataset.get(keyword) or "").strip()


def _frame_header(dataset, groups, is_colour):
    """Read each attribute from the first functional group that has its macro, else from the dataset itself."""

    def group(macro):
        return next((item[macro][0] for item in groups if item.get(macro)), dataset)

    aspect = _pixel_aspect(group("PixelMeasuresSequence"), dataset)
    if is_colour:
        return FrameHeader(aspect)
    voi, rescale = group("FrameVOILUTSequence"), group("PixelValueTransformationSequence")
    return FrameHeader(
        pixel_aspect=aspect,
        windows=_windows(voi),
        voi_lut=_look_up_table(voi, "VOILUTSequence"),
        rescale_slope=_slope(rescale),
        rescale_intercept=_stated(rescale, "RescaleIntercept", 0.0),
    )


def _pixel_aspect(measures, dataset):
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"):
        with contextlib.suppress(Exception):
            down, across = (_parsed(value) for value in (measures.get(keyword) or dataset.get(keyword)))
            if 0.1 < down / across < 10:
                return down / across if abs(down / across - 1) > 0.01 else 1.0
    return 1.0


def _windows(voi):
    """The usable windows in order; whatever else than the three names a header gives as function counts as LINEAR."""
    windows = []
    with contextlib.suppress(TypeError, ValueError):  # pydicom raises ValueError for what is no number
        centers, widths = (np.atleast_1d(voi.get(k) or []) for k in ("WindowCenter", "WindowWidth"))
        if voi.get("WindowCenter") == 0:
            centers = np.zeros(1)
        stated = str(voi.get("VOILUTFunction")).upper()
        function = stated if stated in WINDOW_FUNCTIONS else "LINEAR"
        for center, width in zip(centers, widths, strict=False):
            with contextlib.suppress(TypeError, ValueError):
                center, width = _parsed(center), _parsed(width)
                if width >= (1 if function == "LINEAR" else 1e-12):
                    windows.append((center, width, function))
    return tuple(windows)


def _look_up_table(dataset, keyword):
    """The first item of a sequence of look-up tables if it holds one, else None."""
    item = (dataset.get(keyword) or [{}])[0]
    return item if item.get("LUTDescriptor") and item.get("LUTData") else None


def _padding(dataset):
    for kind, dtype in (("", np.int64), ("Float", float), ("DoubleFloat", float)):
        value, limit = (dataset.get(f"{kind}PixelPadding{name}") for name in ("Value", "RangeLimit"))
        if value is not None:
            return tuple(np.array([value] if limit is None else [value, limit], dtype).ravel().tolist())
    return ()


def _hides_overlay(dataset):
    """Whether an overlay plane may lie in unused bits of PixelData, as it could before 2004 (PS3.5 section 8.1.2)."""
    for group in range(0x6000, 0x6020, 2):
        position, bits_allocated, data = (group << 16 | element for element in (0x0102, 0x0100, 0x3000))
        if position in dataset and bits_allocated in dataset and data not in dataset:
            return number(dataset, "BitsAllocated", 0) > number(dataset, "BitsStored", 0)
    return False


def _decoder_defaults(dataset):
    samples = int(number(dataset, "SamplesPerPixel", 1))
    defaults = {
        "PhotometricInterpretation": "RGB" if samples == 3 else "MONOCHROME2",
        "SamplesPerPixel": 1,
        "PixelRepresentation": 0,
        "BitsStored": dataset.get("BitsAllocated"),
        "PlanarConfiguration": 0,
    }
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "_", keyword).lower(): value
        for keyword, value in defaults.items()
        if dataset.get(keyword) in (None, "")
    }


def _transfer_syntax(dataset):
    """The transfer syntax stated in the file, else the one that its pixel data look like."""
    stated = getattr(dataset, "file_meta", {}).get("TransferSyntaxUID")
    if stated:
        return UID(stated)
    data = dataset.get("PixelData") or b""
    if data[:4] != b"\xfe\xff\x00\xe0":
        implicit, little = dataset.original_encoding
        return UID("1.2.840.10008.1.2" + ("" if implicit else ".1" if little else ".2"))
    stream = data[8 + int.from_bytes(data[4:8], "little") + 8 :]
    if stream[:2] == b"\xff\x4f":
        return UID("1.2.840.10008.1.2.4.90")  # JPEG 2000
    frame_header = re.search(rb"\xff([\xc0\xc1\xc3\xf7])", stream[:65536])
    if stream[:2] != b"\xff\xd8" or not frame_header:
        return UID("1.2.840.10008.1.2.5")  # RLE
    by_marker = {b"\xc0": "50", b"\xc1": "51", b"\xc3": "70", b"\xf7": "80"}
    return UID("1.2.840.10008.1.2.4." + by_marker[frame_header[1]])
