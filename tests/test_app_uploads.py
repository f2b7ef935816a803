"""Uploads: which files are read or refused, and that only their pixels are used."""

import io
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from app_models import discs
from malformed import malformed
from PIL import Image

from medgan_tf import dicom
from medgan_tf.app import downloads, uploads
from medgan_tf.app.errors import AppError
from medgan_tf.dicom import isolation


def encoded(image, name="PNG", **options):
    memory = io.BytesIO()
    image.save(memory, name, **options)
    return memory.getvalue()


def dicom_file(picture, **elements):
    """Bytes of a DICOM file of the image with these elements changed."""
    dataset = pydicom.dcmread(io.BytesIO(downloads.synthetic_dicom(picture, "", ["a"])))
    for name, value in elements.items():
        setattr(dataset, name, value)
    memory = io.BytesIO()
    dataset.save_as(memory)
    return memory.getvalue()


@pytest.fixture
def picture():
    return discs(1, 4)[0][0, ..., 0]


def test_png_jpg_and_dicom_of_one_image_give_the_same_pixels(picture):
    image = Image.fromarray(picture)
    ways = {
        "png": encoded(image),
        "rgb": encoded(image.convert("RGB")),
        "palette": encoded(image.convert("P")),
        "alpha": encoded(image.convert("LA")),
        "16 bits": encoded(Image.fromarray(picture.astype(np.uint16) * 257)),
        "dicom": downloads.synthetic_dicom(picture, "a disc", ["test"]),
    }
    for name, data in ways.items():
        np.testing.assert_allclose(uploads.read(data, 32)[..., 0], picture, atol=1, err_msg=name)
    jpg = uploads.read(encoded(image, "JPEG", quality=95), 32)[..., 0]
    assert np.abs(jpg.astype(int) - picture).mean() < 3


def test_monochrome1_is_inverted(picture):
    data = dicom_file(255 - picture, PhotometricInterpretation="MONOCHROME1", WindowCenter=128, WindowWidth=256)
    np.testing.assert_allclose(uploads.read(data, 32)[..., 0], picture, atol=2)


def test_images_are_padded_to_a_square_and_not_distorted():
    wide = np.full((40, 80), 200, np.uint8)
    read = uploads.read(encoded(Image.fromarray(wide)), 32)[..., 0]
    assert read.shape == (32, 32)
    assert (read[:6] < 30).all()
    assert (read[11:21] > 190).all()


def peak(data):
    """Peak memory in MiB of a new process that decodes one upload."""
    isolation.release()
    uploads.read(data, 32)
    status = Path(f"/proc/{isolation._idle[-1].process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) >> 10


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak memory of a process")
def test_a_long_strip_takes_no_more_memory_than_a_square_with_as_many_pixels():
    square, strip = (peak(encoded(Image.new("L", size))) for size in ((2450, 2450), (12_000, 500)))
    assert strip < square + 50
    read = uploads.read(encoded(Image.new("L", (60_000, 500), 200)), 32)[..., 0]
    assert [row for row in range(32) if read[row].any()] == [15]
    assert (read[15] == 200).all()


def test_an_upload_that_needs_too_much_memory_is_refused_and_the_next_is_read(picture, monkeypatch):
    monkeypatch.setattr(uploads, "DECODING_MEMORY", 2**29)
    large = encoded(Image.new("RGBA", (8192, 4096)))
    for _ in range(2):
        with pytest.raises(AppError, match="its image takes more than 512 MB of memory"):
            uploads.read(large, 32)
        np.testing.assert_array_equal(uploads.read(encoded(Image.fromarray(picture)), 32)[..., 0], picture)


def test_few_files_are_decoded_at_once_and_long_waits_are_refused(picture, monkeypatch):
    data, places = encoded(Image.fromarray(picture)), threading.BoundedSemaphore(1)
    monkeypatch.setattr(uploads, "_slots", places)
    monkeypatch.setattr(uploads, "WAITING_SECONDS", 0.01)
    with places, pytest.raises(AppError) as busy:
        uploads.read(data, 32)
    assert (busy.value.status, busy.value.kind) == (503, "busy")
    for wrong in (data[:-40], b"hello"):
        with pytest.raises(AppError, match=r"damaged|neither"):
            uploads.read(wrong, 32)
    assert uploads.read(data, 32).shape == (32, 32, 1)


def bomb(width, height):
    """A PNG whose header claims this size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    lines = zlib.compress(bytes(10**6))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


REFUSED = {
    "empty": (lambda picture: b"", "is empty"),
    "text": (lambda picture: b"hello", "neither a PNG, a JPG nor a DICOM"),
    "gif named png": (lambda picture: encoded(Image.fromarray(picture), "GIF"), "neither a PNG"),
    "svg": (lambda picture: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "neither a PNG"),
    "bomb": (lambda picture: bomb(60_000, 60_000), "more than 33,554,432 pixels"),
    "thin bomb": (lambda picture: bomb(2**31 - 1, 16), "more than 33,554,432 pixels"),
    "wide": (lambda picture: bomb(9000, 9000), "more than 33,554,432 pixels"),
    "tiny": (lambda picture: encoded(Image.new("L", (4, 4))), "at least 16"),
    "cut": (lambda picture: encoded(Image.fromarray(picture))[:-40], "damaged or incomplete"),
    "cut jpg": (lambda picture: encoded(Image.fromarray(picture), "JPEG")[:-60], "damaged or incomplete"),
    "two kinds": (
        lambda picture: b"\x89PNG\r\n\x1a\n" + bytes(120) + downloads.synthetic_dicom(picture, "", ["a"])[128:],
        "two kinds at once",
    ),
    "frames": (lambda picture: dicom_file(picture, NumberOfFrames=2, PixelData=bytes(2048)), "holds 2 frames"),
    "cut dicom": (lambda picture: downloads.synthetic_dicom(picture, "", ["a"])[:-300], "truncated"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unusable_files_are_refused_with_one_sentence(name, picture):
    make, sentence = REFUSED[name]
    with pytest.raises(AppError) as raised:
        uploads.read(make(picture), 32)
    assert sentence in raised.value.message
    assert raised.value.status == 422
    assert raised.value.kind == "unreadable_image"


def test_a_huge_size_in_the_header_is_refused_before_anything_is_decoded(picture, monkeypatch):
    def decoded(*_):
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(Image.Image, "load", decoded)
    monkeypatch.setattr("medgan_tf.app.uploads.read_image", decoded)
    with pytest.raises(AppError, match="more than"):
        uploads.decode(bomb(60_000, 60_000), 32)
    with pytest.raises(AppError, match="more than"):
        uploads.decode(dicom_file(picture, Rows=50_000, Columns=50_000), 32)


def token(client):
    return client.get("/").get_data(as_text=True).split('name="csrf_token" value="')[1].split('"')[0]


@pytest.mark.parametrize("model", ["trained/stylegan2", "trained/cgan", "trained/dcgan"])
def test_an_upload_is_shown_beside_its_reconstruction_and_nothing_of_it_is_kept(client, model, picture, served):
    data = dicom_file(picture, PatientName="Citizen^Jan", PatientID="4711-SECRET", InstitutionName="Mercy Hospital")
    before = {path: path.stat().st_mtime_ns for path in served.rglob("*")}
    form = {"csrf_token": token(client), "model": model, "file": (io.BytesIO(data), "Citizen.dcm")}
    answer = client.post("/upload", data=form)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert page.count("data-compare") == (1 if model == "trained/dcgan" else 2)
    assert page.count("data:application/dicom") == page.count("data-compare")
    assert not any(word in page for word in ("Citizen", "4711", "Mercy"))
    assert {path: path.stat().st_mtime_ns for path in served.rglob("*")} == before


def test_a_sample_of_malformed_uploads_is_refused_and_leaves_nothing(client, tmp_path, monkeypatch):
    """The first of the files that benchmarks/malformed_uploads.py sends."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    secret, statuses = token(client), []
    for name, data in malformed(30, seed=0):
        form = {"csrf_token": secret, "model": "trained/dcgan", "file": (io.BytesIO(data), name)}
        answer = client.post("/upload", data=form)
        statuses.append(answer.status_code)
        assert statuses[-1] in (200, 400, 413, 422), name
        assert " it ." not in answer.get_data(as_text=True)
    assert statuses.count(422) > 15
    assert not list(tmp_path.iterdir())


def test_files_that_are_too_large_are_refused(client):
    form = {"csrf_token": token(client), "model": "trained/dcgan", "file": (io.BytesIO(bytes(33 * 2**20)), "a.png")}
    assert client.post("/upload", data=form).status_code == 413


def test_real_dicom_is_read(shared):
    for name in ("xray/CR-MONO1-10-chest", "ct/CT_small.dcm", "mr/MR_small.dcm"):
        path = shared / "dicom" / name
        if path.exists():
            whole = dicom.read_image(path)
            read = uploads.read(Path(path).read_bytes(), 64)
            assert read.shape == (64, 64, 1)
            assert abs(read.mean() / 255 * max(whole.shape) ** 2 - whole.sum()) < 0.02 * whole.size
