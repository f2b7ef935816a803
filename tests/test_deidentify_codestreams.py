"""Text beside compressed pixels is removed and the pixels stay, in every kind of stream that can be decoded."""

import functools
import hashlib

import numpy as np
import pydicom
import pytest
from canaries import with_text_beside
from dicom_samples import make, picture, real_files, to_bytes
from pydicom.encaps import encapsulate, encapsulate_extended, parse_basic_offsets
from pydicom.uid import JPEGTransferSyntaxes, RLELossless

from medgan_tf.dicom import DicomError, Header
from medgan_tf.dicom.deidentify import clean, codestreams
from medgan_tf.dicom.deidentify.deidentification import DeidentificationSettings, deidentify_file
from medgan_tf.dicom.parsing import parse
from medgan_tf.dicom.pixels import compressed_frames, stored_frames

KEY = b"k" * 64
SECRET = b"Doe^Jane19500101"


@functools.cache
def compressed():
    """{(transfer syntax, several frames): bytes of a file}: the smallest real one of each that can be decoded."""
    found = {}
    for path in sorted(real_files(150_000), key=lambda path: path.stat().st_size):
        try:
            data = path.read_bytes()
            header = Header.of(parse(data))
            kind = (header.transfer_syntax, header.frame_count > 1)
            if kind[0].is_compressed and kind not in found and header.sop_class and list(stored_frames(header)):
                found[kind] = data
        except Exception:
            continue
    return found


def deidentified(dataset, folder):
    """(record, dataset or None) of a file that a person has cleared."""
    path = folder / "a.dcm"
    dataset.save_as(path)
    settings = DeidentificationSettings(folder / "out", KEY, frozenset([hashlib.sha256(path.read_bytes()).hexdigest()]))
    record = deidentify_file(str(path), settings)
    return record, [folder / "out" / row["file"] for row in record["rows"]]


def test_there_are_files_of_every_kind():
    syntaxes = {syntax for syntax, _ in compressed()}
    assert RLELossless in syntaxes and syntaxes & set(JPEGTransferSyntaxes)
    assert len(syntaxes) >= 6 and any(several for _, several in compressed())


@pytest.mark.parametrize("extended", [False, True])
def test_text_beside_the_pixels_is_removed_and_the_pixels_stay(tmp_path, extended):
    for number, ((syntax, several), data) in enumerate(compressed().items()):
        header = Header.of(parse(data))
        dataset, before = header.dataset, list(stored_frames(header))
        frames = [with_text_beside(f, syntax, lambda where: SECRET) for f in compressed_frames(header)]
        if extended:
            values = encapsulate_extended([*frames, SECRET])  # one frame more than the header states
            dataset["PixelData"].value, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = values
        else:
            dataset["PixelData"].value = encapsulate(frames)
        (tmp_path / str(number)).mkdir()
        record, written = deidentified(dataset, tmp_path / str(number))
        assert len(written) == 1, (syntax, record)
        assert SECRET[:4] not in written[0].read_bytes(), syntax.name
        after = pydicom.dcmread(written[0])
        assert len(parse_basic_offsets(after.PixelData)) == (len(frames) if several else 0)
        assert "ExtendedOffsetTable" not in after
        for (old, _), (new, _) in zip(before, stored_frames(Header.of(after)), strict=True):
            assert np.array_equal(old, new), syntax.name


def test_streams_that_cannot_be_parsed_are_refused():
    (_, jpeg), *_ = [(k, v) for k, v in compressed().items() if k[0] in JPEGTransferSyntaxes]
    frame = next(compressed_frames(Header.of(parse(jpeg))))
    for broken in (
        b"text",
        b"\xff\xd8Jane",
        frame[:2] + b"\xff\xf0\0\6Jane" + frame[2:],
        b"\xff\x4f\xff\x77\0\6Jane",
        frame[:200],
    ):
        with pytest.raises(DicomError, match="may hold text beside the image"):
            codestreams.clean(broken, JPEGTransferSyntaxes[0], 8, 8)
    with pytest.raises(DicomError, match="may hold text beside the image"):
        codestreams.clean(b"\1\0\0\0\x40" + bytes(59) + b"\0\1", RLELossless, 8, 8)


def test_pixels_of_items_and_bytes_behind_float_pixels_are_removed(tmp_path):
    dataset = make(picture())
    item = pydicom.Dataset()
    item.add_new("PixelData", "OB", SECRET)
    dataset.ReferencedImageSequence = [item]
    assert "PixelData" not in clean(dataset, KEY, "p").ReferencedImageSequence[0]
    dataset = make(picture().astype(np.float32), BitsStored=None, HighBit=None, PixelRepresentation=None)
    dataset.add_new("FloatPixelData", "OF", dataset.PixelData + SECRET)
    del dataset["PixelData"]
    assert SECRET in to_bytes(dataset)
    record, written = deidentified(dataset, tmp_path)
    assert len(written) == 1, record
    assert SECRET not in written[0].read_bytes()
