"""Decode the frames of a DICOM image, by the fastest decoder there is for each transfer syntax.

The order of pydicom's decoder plugins was measured: JPEG 2000 takes pylibjpeg 0.6 of gdcm's time, 8-bit JPEG takes
Pillow a fifth of it. This module is a plugin itself, for defective JPEG Extended: a sequential scan covers the
coefficients 0 to 63 (ITU-T T.81, table B.3), but old encoders wrote 0 to 0. libjpeg refuses that and other readers
ignore it; here the scan header is corrected before libjpeg decodes.
"""

import re
from itertools import chain, islice, repeat

import numpy as np
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_color_lut, decoders, get_decoder
from pydicom.pixels.decoders import pylibjpeg
from pydicom.uid import JPEG2000TransferSyntaxes, JPEGExtended12Bit, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes

from medgan_tf.dicom.parsing import DicomError, reason

MAX_FRAME_PIXELS = 2**27  # above this a header is taken for damaged; the largest mammograms hold 2**25
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # of R, G, B (ITU-R BT.601, the Y of YBR_FULL)
END_MARKED = {*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes}
DECODER_DEPENDENCIES = pylibjpeg.DECODER_DEPENDENCIES  # pydicom asks a plugin for this name
SCAN_HEADER = re.compile(rb"(\xff\xda\x00\x08\x01..|\xff\xda\x00\x0c\x03......)\x00\x00(?=\x00)", re.DOTALL)
SLOWER_DECODERS = {
    decoders.JPEGBaseline8BitDecoder: ("pylibjpeg", "gdcm"),
    decoders.JPEG2000Decoder: ("gdcm",),
    decoders.JPEG2000LosslessDecoder: ("gdcm",),
}


def stored_frames(header):
    """Yield (pixels, FrameHeader) of each frame as stored.

    pixels: (H, W) of any number type, or float32 (H, W) luminance in [0, 1] for colour. Raises DicomError, or what
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
        for stored, properties in decoder.iter_array(header.dataset, **header.decoder_defaults):
            count += 1
            yield _luminance(header, stored, properties) if header.is_colour else stored, next(frames)
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


def _luminance(header, stored, properties):
    """Colour (H, W, 3) or palette indices (H, W) to float32 luminance (H, W) in [0, 1]."""
    if stored.ndim == 2:
        bits = int(header.dataset.RedPaletteColorLookupTableDescriptor[2])
        stored = apply_color_lut(stored, header.dataset)[..., :3]
    else:
        bits = properties["bits_stored"]
    return np.clip((stored.astype(np.float32) @ LUMINANCE) / (2.0**bits - 1), 0, 1).astype(np.float32)


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
