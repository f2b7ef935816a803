"""Remove from compressed frames (PS3.5, A.4) what is not image: comments, application segments, bytes after the end.

What is decoded stays byte for byte, so that the pixels are the same; RLE is encoded again, which is lossless. Tables
and coded samples are not searched: text hidden there stays.
"""

import re
import struct

from pydicom.uid import RLELossless
from rle.rle import decode_segment, encode_segment

from medgan_tf.dicom.parsing import DicomError

MARKER = re.compile(rb"\xff+([^\0\xff])")  # any number of fill bytes may precede it
# A scan ends at a marker that is neither an escaped 0xFF nor a restart (ITU-T T.81, B.1.1; T.87, A.1 for JPEG-LS).
SCAN_END = re.compile(rb"\xff+[^\0\xff\xd0-\xd7]")
SCAN_END_LS = re.compile(rb"\xff+[\x80-\xcf\xd8-\xfe]")
SCAN, END, COMMENT, FRAME_LS = 0xDA, 0xD9, 0xFE, 0xF7
SEGMENTS = {*range(0xC0, 0xD0), SCAN, *range(0xDB, 0xE0), FRAME_LS, 0xF8} - {0xC8}  # T.81, table B.1; T.87, table C.1
APPLICATION = range(0xE0, 0xF0)
JFIF = b"JFIF\0\1\1\0\0\1\0\1\0\0"  # without density, which DICOM states itself, and without thumbnail
# ITU-T T.800, table A.2; T.814 for CAP and CPF
SEGMENTS_2000 = {*range(0xFF50, 0xFF54), *range(0xFF55, 0xFF5A), *range(0xFF5C, 0xFF62), 0xFF63}
COMMENT_2000, TILE_PART, TILE_DATA, END_2000 = 0xFF64, 0xFF90, 0xFF93, 0xFFD9


def clean(frame, syntax, rows, columns):
    """Return a compressed frame (bytes) of a transfer syntax without what is not image.

    Raises DicomError where it is none of JPEG, JPEG-LS, JPEG 2000 and RLE, or violates its standard.
    """
    if syntax == RLELossless:
        return _rle(frame, rows * columns, columns)
    if frame[:2] == b"\xff\xd8":
        return _jpeg(frame)
    if frame[:2] == b"\xff\x4f":
        return _jpeg_2000(frame)
    raise _cannot_be_parsed()


def _jpeg(frame):
    kept, place, scan_end = [frame[:2]], 2, SCAN_END
    while marker := MARKER.match(frame, place):
        code, place = marker[1][0], marker.end()
        if code == END:
            return b"".join((*kept, b"\xff\xd9"))
        body, place = _segment(frame, place)
        if code in APPLICATION:
            body = _used_by_decoders(code, body)
        elif code == COMMENT:
            body = b""
        elif code not in SEGMENTS:
            break
        if body:
            kept.append(struct.pack(">BBH", 0xFF, code, len(body) + 2) + body)
        if code == FRAME_LS:
            scan_end = SCAN_END_LS
        if code == SCAN:
            end = scan_end.search(frame, place)
            if not end:
                break
            kept.append(frame[place : end.start()])
            place = end.start()
    raise _cannot_be_parsed()


def _used_by_decoders(code, body):
    """The part of an application segment that decoders use: the JFIF header, or a colour transform."""
    if code == 0xE0 and body.startswith(b"JFIF\0"):
        return JFIF
    if code == 0xEE and body.startswith(b"Adobe"):
        return b"Adobe\0d\0\0\0\0" + body[11:12]
    if code == 0xE8 and body.startswith(b"mrfx"):  # of JPEG-LS
        return body[:5]
    return b""


def _jpeg_2000(frame):
    """Replace comments by zeros, so that the lengths in the headers of tile-parts stay true."""
    out, place, tile_end = bytearray(frame), 2, None
    while True:
        code = int.from_bytes(frame[place : place + 2], "big")
        if code == END_2000:
            return bytes(out[: place + 2])
        if code == TILE_DATA and tile_end:
            place, tile_end = max(tile_end, place + 2), None
            continue
        body, end = _segment(frame, place + 2)
        if code == TILE_PART and len(body) == 8:
            length = int.from_bytes(body[2:6], "big")  # 0: to the end of the stream
            tile_end = place + length if length else frame.find(b"\xff\xd9", end)
        elif code == COMMENT_2000:
            out[place + 4 : end] = bytes(len(body))
        elif code not in SEGMENTS_2000:
            raise _cannot_be_parsed()
        place = end


def _segment(frame, place):
    """(bytes, place after them) of the segment whose length is stored at a place."""
    end = place + int.from_bytes(frame[place : place + 2], "big")
    if not place + 2 <= end <= len(frame):
        raise _cannot_be_parsed()
    return frame[place + 2 : end], end


def _rle(frame, size, columns):
    """Encode the segments of PS3.5, annex G, again: drop bytes between and after them, and in their header."""
    count, *offsets = struct.unpack("<16L", frame[:64])
    ends = [*offsets[1:count], len(frame)]
    segments = [decode_segment(frame[start:end])[:size] for start, end in zip(offsets[:count], ends, strict=True)]
    if not segments or any(len(segment) < size for segment in segments):
        raise _cannot_be_parsed()
    packed = [encode_segment(bytes(segment), columns) for segment in segments]
    starts = [64 + sum(map(len, packed[:index])) for index in range(count)]
    return struct.pack("<16L", count, *starts, *[0] * (15 - count)) + b"".join(packed)


def _cannot_be_parsed():
    return DicomError("is refused: its compressed data cannot be parsed, so they may hold text beside the image")
