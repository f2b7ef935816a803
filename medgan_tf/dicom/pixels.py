"""Decode the frames of a DICOM image, by the fastest decoder there is for each transfer syntax.

The order of pydicom's decoder plugins was measured: JPEG 2000 takes pylibjpeg 0.6 of gdcm's time, 8-bit JPEG takes
Pillow a fifth of it. This module is a plugin itself, for defective JPEG Extended: a sequential scan covers the
coefficients 0 to 63 (ITU-T T.81, table B.3), but old encoders wrote 0 to 0. libjpeg refuses that and other readers
ignore it; here the scan header is corrected before libjpeg decodes.
"""

import re
from itertools import chain, islice, repeat

from pydicom.encaps import generate_fragments, generate_frames, parse_basic_offsets
from pydicom.pixels import decoders, get_decoder
from pydicom.pixels.decoders import pylibjpeg
from pydicom.uid import JPEG2000TransferSyntaxes, JPEGExtended12Bit, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes

from medgan_tf.dicom import colour
from medgan_tf.dicom.header import number
from medgan_tf.dicom.parsing import PIXEL_DATA, DicomError, reason

MAX_FRAME_PIXELS = 2**27  # above this a header is taken for damaged; the largest mammograms hold 2**25
END_MARKED = {*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes}
STREAM_START = re.compile(rb"\xff\xd8|\xff\x4f|[\x01-\x0f]\0{3}@\0{3}")  # of JPEG and JPEG-LS, JPEG 2000, RLE
DECODER_DEPENDENCIES = pylibjpeg.DECODER_DEPENDENCIES  # pydicom asks a plugin for this name
SCAN_HEADER = re.compile(rb"(\xff\xda\x00\x08\x01..|\xff\xda\x00\x0c\x03......)\x00\x00(?=\x00)", re.DOTALL)
SLOWER_DECODERS = {
    decoders.JPEGBaseline8BitDecoder: ("pylibjpeg", "gdcm"),
    decoders.JPEG2000Decoder: ("gdcm",),
    decoders.JPEG2000LosslessDecoder: ("gdcm",),
}


def stored_frames(header):
    """Yield (pixels, FrameHeader) of each frame as stored.

    pixels: (H, W) of any number type, or float32 (H, W, 3) RGB in [0, 1] for colour. Raises DicomError, or what
    pydicom and its decoders raise (see `parsing.reason`), for pixel data that are truncated or cannot be decoded.
    """
    if header.rows < 1 or header.columns < 1:
        raise DicomError("is damaged: its header states no number of rows and columns")
    if header.rows * header.columns > MAX_FRAME_PIXELS:
        raise DicomError(f"is refused: its header claims {header.columns} x {header.rows} pixels")
    _refuse_truncated_streams(header)
    frames, count = chain(header.own_frames, repeat(header.shared_frame)), 0
    try:
        decoder = get_decoder(header.transfer_syntax)
        _refuse_further_frames(header)
        options, unused = header.decoder_defaults, _unused_low_bits(header)
        if unused:
            options = options | {"bits_stored": int(number(header.dataset, "BitsStored", 0)) + unused}
        if header.transfer_syntax in END_MARKED:
            options = options | {"planar_configuration": 0}  # in these it has no meaning (PS3.5 8.2.1)
            options |= colour.of_stream(header, decoder, options)
        for stored, properties in decoder.iter_array(header.dataset, **options):
            count += 1
            stored = _aligned(header, stored, unused) if unused else stored
            yield colour.rgb(header, stored, properties) if header.is_colour else stored, next(frames)
            if count == header.frame_count:
                return
    except BaseException as error:
        if isinstance(error, (Exception, GeneratorExit, KeyboardInterrupt, SystemExit)):
            raise
        # Decoders in Rust panic with an exception that no `except Exception` would catch.
        raise DicomError(reason(error)) from error
    raise DicomError(f"is truncated: it holds {count} of {header.frame_count} frames")


def compressed_frames(header):
    """Return an iterator over the bytes of each compressed frame (PS3.5 A.4), of no more than the header states."""
    dataset, count = header.dataset, header.frame_count
    offsets = (dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths"))
    offsets = offsets if all(offsets) else None
    return islice(generate_frames(dataset.PixelData, number_of_frames=count, extended_offsets=offsets), count)


def _refuse_truncated_streams(header):
    """Raise DicomError for a JPEG, JPEG-LS or JPEG 2000 stream without end: decoders would invent the rest."""
    if header.transfer_syntax in END_MARKED:
        for index, stream in enumerate(compressed_frames(header)):
            if b"\xff\xd9" not in stream[-64:]:  # the end marker; padding may follow it
                raise DicomError(f"is truncated: the compressed data of frame {index + 1} have no end")


def native_length(header):
    """Bytes of the uncompressed pixels of all frames that the header states."""
    samples = 2 if header.photometric == "YBR_FULL_422" else number(header.dataset, "SamplesPerPixel", 1)
    pixels = header.rows * header.columns * header.frame_count
    return int(pixels * samples * number(header.dataset, "BitsAllocated", 8) + 7) // 8


def _refuse_further_frames(header):
    """Raise DicomError where the pixel data hold more frames than the header states: nobody knows which are meant."""
    if header.transfer_syntax.is_compressed:
        found = _compressed_count(header)
    else:
        length = len(next((header.dataset[each].value for each in PIXEL_DATA if each in header.dataset), b""))
        found = length * header.frame_count // max(native_length(header), 1)
    if found > header.frame_count:
        stated = f"its NumberOfFrames is {header.frame_count}, but its pixel data hold {found} frames"
        raise DicomError(f"contradicts itself: {stated}; correct the one or remove the others")


def _compressed_count(header):
    """How many compressed frames begin in the pixel data, as far as that can be told."""
    data = header.dataset.PixelData
    if listed := len(parse_basic_offsets(data)):
        return listed
    return sum(map(bool, map(STREAM_START.match, generate_fragments(data[8:]))))


def _unused_low_bits(header):
    """How many bits lie unused below the stored ones, as the header says by its HighBit (PS3.5 8.1.1)."""
    stored, allocated = (number(header.dataset, keyword, 0) for keyword in ("BitsStored", "BitsAllocated"))
    high = number(header.dataset, "HighBit", stored - 1)
    native = not header.transfer_syntax.is_compressed
    return int(high + 1 - stored) if native and 0 < stored <= high < allocated else 0


def _aligned(header, stored, unused):
    """Integers (H, W) whose lowest bits are unused, without these; unchanged where the samples lie there after all."""
    if header.hides_overlay or not (stored & (2**unused - 1)).any():
        return stored >> unused
    bits = int(number(header.dataset, "BitsStored", 0))
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if stored.dtype.kind == "i" else (0, 2**bits)
    if low <= stored.min() and stored.max() < high:
        return stored
    raise DicomError("contradicts itself: its samples do not lie in the bits that HighBit and BitsStored name")


def is_available(transfer_syntax):
    """Return whether this module, as a plugin of pydicom, decodes a transfer syntax."""
    return transfer_syntax == JPEGExtended12Bit and pylibjpeg.is_available(transfer_syntax)


def decode_frame(stream, runner):
    """Decode one frame, as a plugin of pydicom."""
    return pylibjpeg._decode_frame(SCAN_HEADER.sub(lambda header: header[1] + b"\x00\x3f", stream), runner)


def _install_plugins():
    """Put pydicom's decoders in this module's order, for this process."""
    if "scan_header" in decoders.JPEGExtended12BitDecoder.available_plugins:
        return
    decoders.JPEGExtended12BitDecoder.add_plugin("scan_header", (__name__, decode_frame.__name__))
    for decoder, names in SLOWER_DECODERS.items():
        for name in names:
            decoder.remove_plugin(name)
            decoder.add_plugin(name, (f"pydicom.pixels.decoders.{name}", "_decode_frame"))


_install_plugins()
