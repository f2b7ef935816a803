"""A decoder plugin for pydicom: JPEG Extended (12 bit) whose scan header says nonsense.

A sequential scan covers the coefficients 0 to 63 (ITU-T T.81, table B.3). Old encoders wrote 0 to 0, which
libjpeg refuses and other readers pass over; here it is put right, then libjpeg decodes.
"""

import re

from pydicom.pixels.decoders import JPEGExtended12BitDecoder, pylibjpeg
from pydicom.uid import JPEGExtended12Bit

DECODER_DEPENDENCIES = pylibjpeg.DECODER_DEPENDENCIES
SCAN_HEADER = re.compile(rb"(\xff\xda\x00\x08\x01..|\xff\xda\x00\x0c\x03......)\x00\x00(?=\x00)", re.DOTALL)


def is_available(transfer_syntax):
    """Whether this plugin decodes a transfer syntax (part of pydicom's interface of plugins)."""
    return transfer_syntax == JPEGExtended12Bit and pylibjpeg.is_available(transfer_syntax)


def decode_frame(stream, runner):
    """Decode one frame (part of pydicom's interface of plugins)."""
    return pylibjpeg._decode_frame(SCAN_HEADER.sub(lambda header: header[1] + b"\x00\x3f", stream), runner)


def install():
    """Let pydicom try this where its other plugins fail."""
    if "scan_header" not in JPEGExtended12BitDecoder.available_plugins:
        JPEGExtended12BitDecoder.add_plugin("scan_header", (__name__, decode_frame.__name__))
