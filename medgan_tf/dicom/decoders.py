"""Which of pydicom's decoder plugins decode what: the fastest first, and one more for defective JPEG Extended.

The order was measured: JPEG 2000 takes pylibjpeg 0.6 of gdcm's time, 8-bit JPEG takes Pillow a fifth of it.

The one more: a sequential scan covers the coefficients 0 to 63 (ITU-T T.81, table B.3), but old encoders wrote
0 to 0, which libjpeg refuses and other readers pass over; here it is put right, then libjpeg decodes.
"""

import re

from pydicom.pixels import decoders
from pydicom.pixels.decoders import pylibjpeg
from pydicom.uid import JPEGExtended12Bit

DECODER_DEPENDENCIES = pylibjpeg.DECODER_DEPENDENCIES  # this module is a plugin as pydicom defines them
SCAN_HEADER = re.compile(rb"(\xff\xda\x00\x08\x01..|\xff\xda\x00\x0c\x03......)\x00\x00(?=\x00)", re.DOTALL)
SLOWER = {
    decoders.JPEGBaseline8BitDecoder: ("pylibjpeg", "gdcm"),
    decoders.JPEG2000Decoder: ("gdcm",),
    decoders.JPEG2000LosslessDecoder: ("gdcm",),
}


def is_available(transfer_syntax):
    """Whether this plugin decodes a transfer syntax."""
    return transfer_syntax == JPEGExtended12Bit and pylibjpeg.is_available(transfer_syntax)


def decode_frame(stream, runner):
    """Decode one frame."""
    return pylibjpeg._decode_frame(SCAN_HEADER.sub(lambda header: header[1] + b"\x00\x3f", stream), runner)


def install():
    """Tell pydicom, for this process."""
    if "scan_header" in decoders.JPEGExtended12BitDecoder.available_plugins:
        return
    decoders.JPEGExtended12BitDecoder.add_plugin("scan_header", (__name__, decode_frame.__name__))
    for decoder, names in SLOWER.items():
        for name in names:
            decoder.remove_plugin(name)
            decoder.add_plugin(name, (f"pydicom.pixels.decoders.{name}", "_decode_frame"))
