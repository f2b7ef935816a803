"""DICOM files with canaries (unique strings) in every value representation, and a search for them in output bytes."""

import io
import struct

import numpy as np
from dicom_samples import make, picture
from PIL import Image, ImageDraw, ImageFont
from pydicom import DataElement, Dataset, Sequence
from pydicom.datadict import DicomDictionary
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import JPEG2000, ComputedRadiographyImageStorage, JPEGBaseline8Bit, RLELossless

from medgan_tf.dicom.deidentify import table

TEXT = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
PACKED = {"FL": "f", "FD": "d", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}
BYTES = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")
TEMPORAL = ("DA", "TM", "DT")
BURNED = "ZEBRA QUARTZ"  # text burned into the pixels


class Canaries:
    """Makes values that contain a unique string, in any value representation, and records them."""

    def __init__(self):
        self.planted = {}  # {bytes to search for: where they were planted}

    def value(self, vr, where):
        """A value of this VR, whose bytes in a file hold a canary."""
        number = len(self.planted)
        name = f"Cnry{number:04d}x"
        if vr in ("CS", "AE"):
            value = sought = name.upper()
        elif vr in TEXT:
            value = sought = f"urn:{name}" if vr == "UR" else name
        elif vr == "UI":
            value = sought = f"1.2.826.0.1.3680043.9.7433.{number + 1}"
        elif vr == "AS":
            value = sought = f"{number % 1000:03d}D"
        elif vr in TEMPORAL:
            date, time = f"18{number % 100:02d}0{1 + number // 100 % 9}17", f"2359{number % 60:02d}.{number:06d}"
            value = sought = {"DA": date, "TM": time, "DT": date + time}[vr]
        elif vr in ("DS", "IS"):
            value = sought = str(1_618_030_000 + number)
        elif vr == "AT":
            value, sought = [Tag(0x4E43, 0x5952), Tag(0x3030 + number // 10 % 10, 0x3030 + number % 10)], None
            sought = b"".join(struct.pack("<HH", tag.group, tag.element) for tag in value)
        elif vr in BYTES:
            value = sought = f"{name}______".encode()[:16]
        elif vr in PACKED:
            sought = f"{name}~~~~~~~~"[:16].encode()
            value = list(struct.unpack(f"<{16 // struct.calcsize(PACKED[vr])}{PACKED[vr]}", sought))
        else:
            raise ValueError(vr)
        self.planted[sought if isinstance(sought, bytes) else sought.encode()] = f"{vr} {where}"
        return value

    def remember(self, text, where):
        """Note a canary that is planted by other means, such as a file's name."""
        self.planted[text.encode()] = where
        return text

    def found(self, folder):
        """The places of those canaries that occur in any file or file name below a folder."""
        data = b"".join(
            path.relative_to(folder).as_posix().encode() + b"\0" + (path.read_bytes() if path.is_file() else b"")
            for path in sorted(folder.rglob("*"))
        )
        return {where for sought, where in self.planted.items() if sought in data}


def planted_image(canaries):
    """A radiograph with canaries in every VR: in standard, nested, private and unknown attributes and around them."""
    dataset = make(picture(3, (128, 128)), SOPClassUID=ComputedRadiographyImageStorage, Modality="CR")
    for tag, vr in sorted(carriers()):
        dataset.add(DataElement(tag, vr, canaries.value(vr, f"in {tag}")))
    dataset.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    for depth, keyword in (
        (1, "AnatomicRegionSequence"),
        (2, "ReferencedImageSequence"),
        (2, "SharedFunctionalGroupsSequence"),
    ):
        item = nested(canaries, keyword)
        for _ in range(depth - 1):
            outer = Dataset()
            outer.DerivationImageSequence = Sequence([item])
            item = outer
        setattr(dataset, keyword, Sequence([item]))
    _private(dataset, canaries, "top")
    dataset.add_new(0x00400001 + 0xFF00, "LO", canaries.value("LO", "an attribute unknown to the standard"))
    dataset.add_new(0x60000010, "US", 8)
    dataset.add_new(0x60001500, "LO", canaries.value("LO", "an overlay's label"))
    dataset.preamble = canaries.value("OB", "the preamble").ljust(128, b"\0")
    dataset.file_meta.SourceApplicationEntityTitle = canaries.value("AE", "file meta")
    dataset.file_meta.PrivateInformationCreatorUID = canaries.value("UI", "file meta")
    dataset.file_meta.PrivateInformation = canaries.value("OB", "private file meta")
    dataset["PixelData"].value = dataset.PixelData + canaries.value("OB", "behind the pixels")
    _in_what_is_kept(dataset, canaries)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _in_what_is_kept(dataset, canaries):
    """Add canaries to attributes that are kept: part of a name, an invalid code, and text declared as numbers."""
    dataset.PatientName = f"{dataset.PatientName}^Wu"
    item = Dataset()
    for number, (vr, _, _, _, keyword) in sorted(DicomDictionary.items()):
        tag = Tag(number)
        if vr == "CS" and not table.rule(tag) and tag not in dataset and 0x0008 <= tag.group < 0x5000:
            if keyword != "SpecificCharacterSet":
                dataset.add(DataElement(tag, vr, canaries.value("LO", f"no code, in {tag}")))
        elif keyword in table.KEPT_TEXT and vr in TEXT:
            dataset.add(DataElement(tag, vr, f"{canaries.value('LO', f'beside a name, in {tag}')} Wu"))
            item.add(DataElement(tag, "UL", canaries.value("UL", f"text as numbers, in {tag}")))
    dataset.DerivationImageSequence = Sequence([item])


def planted_compressed(canaries, syntax):
    """A radiograph in JPEG or JPEG 2000 with canaries in those parts of its codestream that are not pixels."""
    pixels = (picture(7, (64, 64)) // 4).astype(np.uint8)
    dataset = make(pixels, SOPClassUID=ComputedRadiographyImageStorage, Modality="CR", PatientID=str(syntax))
    dataset.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    dataset.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    format = {JPEGBaseline8Bit: {"format": "JPEG"}, JPEG2000: {"format": "JPEG2000", "no_jp2": True}}[syntax]
    Image.fromarray(pixels).save(stream, **format)
    stream = with_text_beside(stream.getvalue(), syntax, lambda where: canaries.value("OB", f"{where}, {syntax.name}"))
    dataset["PixelData"].value = encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def with_text_beside(frame, syntax, text):
    """A compressed frame with text in every part that decoders ignore. text: (where) -> bytes."""
    if syntax == RLELossless:
        count = int.from_bytes(frame[:4], "little")
        behind = text("behind the end")  # as a run: what is none, decoders refuse
        unused = (text("unused") * 4)[: 60 - 4 * count]
        return frame[: 4 + 4 * count] + unused + frame[64:] + bytes([len(behind) - 1]) + behind
    end = frame.rfind(b"\xff\xd9") + 2
    behind = text("behind the end")
    if frame[:2] == b"\xff\xd8":
        jfif = b"JFIF\0\1\1\0\0\1\0\1\0\0"
        applications = [_segment(b"\xff\xe1", b"Exif\0\0" + text("Exif")), _segment(b"\xff\xed", text("Photoshop"))]
        if jfif in frame:
            applications.append(_segment(b"\xff\xe0", jfif + text("behind JFIF")))
        comment = _segment(b"\xff\xfe", text("a comment"))
        start = frame.find(b"\xff\xda")
        late = _segment(b"\xff\xfe", text("a comment before the scan"))
        return frame[:2] + comment + b"".join(applications) + frame[2:start] + late + frame[start:end] + behind
    comment = _segment(b"\xff\x64", b"\0\1" + text("a comment"))
    of_tile = _segment(b"\xff\x64", b"\0\1" + text("a comment of a tile"))
    tile, data = frame.find(b"\xff\x90"), frame.find(b"\xff\x93")
    length = int.from_bytes(frame[tile + 6 : tile + 10], "big")
    length = struct.pack(">L", length and length + len(of_tile))
    header = frame[tile : tile + 6] + length + frame[tile + 10 : data] + of_tile
    return frame[:tile] + comment + header + frame[data:end] + behind


def _segment(marker, body):
    return marker + struct.pack(">H", len(body) + 2) + body


def carriers():
    """{(tag, VR)}: every attribute of Table E.1-1, and all others with text, bytes, dates or UIDs."""
    kept = table.KEPT_TEXT | table.KEPT_BYTES | {"SpecificCharacterSet", "Modality", "SOPClassUID"}
    chosen = set()
    for number, (vr, _, _, _, keyword) in DicomDictionary.items():
        tag, vr = Tag(number), vr.split(" or ")[-1]
        outside = vr in (*TEXT, *BYTES, *TEMPORAL, "AS") and vr != "CS"
        if tag.group in (0x0000, 0x0002, 0x0004) or keyword in kept or vr in ("SQ", "NONE", ""):
            continue
        if table.rule(tag) or (outside and tag.group < 0x5000):
            chosen.add((tag, vr))
    return chosen


def nested(canaries, where):
    """An item of a sequence with an attribute of every VR, private ones too."""
    item = Dataset()
    of_each = {}
    for tag, vr in sorted(carriers()):
        of_each.setdefault(vr, tag)
    for vr, tag in of_each.items():
        item.add(DataElement(tag, vr, canaries.value(vr, f"nested in {where}")))
    _private(item, canaries, f"nested in {where}")
    return item


def _private(dataset, canaries, where):
    block = dataset.private_block(0x0099, canaries.value("LO", f"private creator, {where}"), create=True)
    for offset, vr in enumerate((*TEXT, *PACKED, *BYTES, *TEMPORAL, "UI", "DS", "IS", "AT")):
        block.add_new(offset, vr, canaries.value(vr, f"private, {where}"))


def burned():
    """A radiograph with a name burned into its pixels, whose header denies it."""
    pixels = picture(5, (256, 256))
    image = Image.new("L", pixels.shape[::-1])
    ImageDraw.Draw(image).text((20, 30), BURNED, fill=255, font=ImageFont.load_default(22))
    pixels = np.where(np.asarray(image) > 128, 1000, pixels // 2).astype(np.uint16)
    return make(
        pixels, SOPClassUID=ComputedRadiographyImageStorage, Modality="CR", BurnedInAnnotation="NO", PatientID="burned"
    )
