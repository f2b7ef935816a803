"""Files as attackers and accidents make them: an endless variety from a seed, for the tests and for a script."""

import io
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

from medgan_tf.app import downloads

NAMES = ("a.png", "../../../../etc/passwd", "..\\..\\boot.ini", "x" * 300 + ".dcm", "\u202egnp.exe", "a\x00.png", "")


def malformed(count, seed=0):
    """Yield (file name, bytes) of `count` uploads, the same for the same seed."""
    random = np.random.default_rng(seed)
    kinds = (truncated, flipped, bomb, polyglot, wrong, huge_header, dicom_lies, noise)
    for number in range(count):
        yield NAMES[random.integers(len(NAMES))], kinds[number % len(kinds)](random)


def truncated(random):
    """A sound file that ends too early."""
    data = _sound(random)
    return data[: random.integers(1, len(data))]


def flipped(random):
    """A sound file with some bytes changed."""
    data = bytearray(_sound(random))
    for place in random.integers(0, len(data), random.integers(1, 60)):
        data[place] = random.integers(256)
    return bytes(data)


def bomb(random):
    """A small file that claims to be a huge picture, is a sound but very long one, or unpacks to a huge stream."""
    sides = [int(2 ** random.uniform(13, 31)) for _ in range(2)]
    kind, lines = (random.choice([1, 8, 16]), random.choice([0, 2, 3, 6])), 2 * 10**6
    if random.random() < 0.5:  # of few pixels, all there: only the square around it is huge
        long = int(2 ** random.uniform(13, 20))
        sides, kind, lines = random.permutation([long, 2**24 // long]), (8, 0), 2**25
    header = struct.pack(">IIBBBBB", *sides, *kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(lines))), (b"IEND", b"")]
    if random.random() < 0.5:
        chunks.insert(1, (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2 * 10**6))))
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def polyglot(random):
    """A file that begins as one kind and goes on as another."""
    first, second = _sound(random), _sound(random)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../evil.sh", "rm -rf /")
    script = b"<script>alert(1)</script><?php system($_GET[0]); ?>"
    return first[: random.integers(1, 200)] + [second, packed.getvalue(), script][random.integers(3)]


def wrong(random):
    """Another kind of file altogether."""
    image = Image.fromarray(random.integers(0, 256, (20, 20), np.uint8))
    memory = io.BytesIO()
    image.save(memory, ["GIF", "BMP", "TIFF", "WEBP", "PDF", "ICO"][random.integers(6)])
    return memory.getvalue()


def huge_header(random):
    """A DICOM file with elements that are larger than any reader expects, or claim to be."""
    data = bytearray(_dicom(random))
    for _ in range(5):
        place = random.integers(132, len(data) - 8)
        data[place : place + 4] = struct.pack("<I", random.choice([2**31, 2**32 - 1, 2**24]))
    return bytes(data) + bytes(random.integers(0, 10**6))


def dicom_lies(random):
    """A DICOM file whose header and pixels disagree."""
    data = _dicom(random)
    for tag, value in ((b"\x28\x00\x10\x00US\x02\x00", 2), (b"\x28\x00\x00\x01US\x02\x00", 2)):
        place = data.find(tag)
        if place > 0 and random.random() < 0.7:
            lie = struct.pack("<H", random.integers(0, 2**16))
            data = data[: place + 8] + lie + data[place + 8 + value :]
    return data


def noise(random):
    """Random bytes, often behind a true signature."""
    starts = (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", bytes(128) + b"DICM", b"\x08\x00\x05\x00CS")
    return starts[random.integers(len(starts))] + random.bytes(random.integers(0, 5000))


def _sound(random):
    image = Image.fromarray(random.integers(0, 256, (40, 30), np.uint8))
    memory = io.BytesIO()
    kind = random.integers(3)
    if kind == 2:
        return _dicom(random)
    image.save(memory, ("PNG", "JPEG")[kind])
    return memory.getvalue()


def _dicom(random):
    return downloads.synthetic_dicom(random.integers(0, 256, (40, 30), np.uint8), "noise", ["malformed"])
