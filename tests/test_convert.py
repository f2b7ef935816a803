import csv
import ctypes
import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_samples import contents, damaged, make, picture, real_files, to_bytes, write
from PIL import Image
from pydicom.fileset import FileSet
from pydicom.uid import generate_uid

from medgan_tf import dicom
from medgan_tf.dicom import batch, convert, convert_file, isolation, pseudonyms
from medgan_tf.dicom.image_files import fit
from medgan_tf.dicom.journal import CannotWrite


@pytest.fixture(autouse=True)
def key_file(tmp_path, monkeypatch):
    monkeypatch.setenv(pseudonyms.KEY_VARIABLE, str(tmp_path / "secret" / "pseudonym.key"))
    return tmp_path / "secret" / "pseudonym.key"


@pytest.fixture(autouse=True, scope="module")
def children_of_all_tests():
    """Keep child processes between tests, because to start one takes longer than most of these tests."""
    release, isolation.release = isolation.release, lambda: None
    yield
    isolation.release = release
    isolation.release()


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def cohort(tmp_path):
    """Two classes of two patients, files that are no images, and two files of one name."""
    for number, (name, patient) in enumerate([("sick", "A"), ("sick", "B"), ("well", "C"), ("well", "D")]):
        write(tmp_path / "in" / name / patient / "image", make(picture(number), PatientID=patient))
    write(tmp_path / "in" / "well" / "notes.dcm", b"no DICOM at all")
    write(tmp_path / "in" / "well" / "cut", to_bytes(make(picture(9)))[:-50])
    return tmp_path / "in"


def test_classes_manifest_and_rejections(cohort, tmp_path):
    report = convert(cohort, tmp_path / "out")
    rows = table(report.manifest)
    assert (report.converted, report.rejected, report.classes) == (4, 2, {"sick": 2, "well": 2})
    columns = "file class patient study series modality width height window source_sha256 split"
    assert list(rows[0]) == columns.split()
    assert [row["file"] for row in rows] == sorted(row["file"] for row in rows)
    assert len({row["patient"] for row in rows}) == 4
    assert {(row["modality"], row["width"], row["height"], row["split"]) for row in rows} == {("CT", "48", "40", "")}
    for row in rows:
        image = Image.open(tmp_path / "out" / row["file"])
        assert (image.size, image.mode, image.format) == ((256, 256), "L", "JPEG")
    reasons = {Path(row["file"]).name: row["reason"] for row in table(tmp_path / "out.private" / "rejected.csv")}
    assert reasons == {
        "notes.dcm": "Is not DICOM.",
        "cut": "Is truncated: the pixel data end after 3790 of 3840 bytes.",
    }


def test_nothing_identifying_reaches_names_or_manifest(tmp_path):
    dataset = make(picture(), PatientID="SECRET1", PatientName="Secret^Name", StudyDate="19990102")
    write(tmp_path / "in" / "Secret_Name.dcm", dataset)
    convert(tmp_path / "in", tmp_path / "out")
    for name, content in contents(tmp_path / "out").items():
        for secret in ("secret", "1999", dataset.StudyInstanceUID, dataset.SOPInstanceUID):
            assert secret not in name.lower()
            assert secret.encode() not in content.lower()


def test_pseudonyms_depend_on_the_key_and_the_key_is_kept(cohort, tmp_path, key_file, monkeypatch):
    first = table(convert(cohort, tmp_path / "out1").manifest)
    assert key_file.stat().st_mode & 0o777 == 0o600
    again = table(convert(cohort, tmp_path / "out2").manifest)
    assert first == again
    monkeypatch.setenv(pseudonyms.KEY_VARIABLE, str(tmp_path / "other.key"))
    other = table(convert(cohort, tmp_path / "out3").manifest)
    for column in ("patient", "study", "series", "file"):
        assert not {row[column] for row in first} & {row[column] for row in other}
    with pytest.raises(ValueError, match="was made with another key"):
        convert(cohort, tmp_path / "out1")


def test_unknown_patients_are_kept_apart_unless_they_share_a_study(tmp_path):
    study = generate_uid()
    for number in range(2):
        write(tmp_path / "in" / f"study{number}", make(picture(number), PatientID="", StudyInstanceUID=study))
        write(tmp_path / "in" / f"other{number}", make(picture(5 + number), PatientID=None))
        nothing = {"PatientID": None, "StudyInstanceUID": None, "SeriesInstanceUID": None}
        write(tmp_path / "in" / f"nothing{number}", make(picture(8 + number), **nothing))
    rows = table(convert(tmp_path / "in", tmp_path / "out").manifest)
    assert len(rows) == 6
    assert len({row["patient"] for row in rows}) == 5


def test_equal_file_names_are_kept_apart_and_identical_files_are_rejected(tmp_path):
    shared = {"SOPInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    one = write(tmp_path / "a" / "x" / "image.dcm", make(picture(1), **shared))
    write(tmp_path / "b" / "x" / "image.dcm", make(picture(2), **shared))
    write(tmp_path / "b" / "y" / "copy.dcm", one.read_bytes())
    report = convert([tmp_path / "a", tmp_path / "b"], tmp_path / "out", window=(500, 1000))
    assert report.classes == {"x": 2}
    assert len(list((tmp_path / "out" / "images").rglob("*.jpg"))) == 2
    (rejected,) = table(tmp_path / "out.private" / "rejected.csv")
    assert rejected["reason"] == f"Is byte for byte the same as {one}."


def test_same_bytes_for_one_and_two_workers(tmp_path):
    for number, path in enumerate(real_files(200_000)[:40]):
        write(tmp_path / "in" / "mixed" / str(number), path.read_bytes())
    convert(tmp_path / "in", tmp_path / "one", workers=1)
    convert(tmp_path / "in", tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_automatic_windows_are_those_of_the_series(tmp_path):
    series = generate_uid()
    levels = [(0, 200), (100, 900), (300, 2000)]
    slices = [picture(i, low=low, high=high) for i, (low, high) in enumerate(levels)]
    for number, pixels in enumerate(slices):
        write(tmp_path / "in" / f"{number}", make(pixels, SeriesInstanceUID=series))
    write(tmp_path / "in" / "alone", make(slices[0]))
    rows = table(convert(tmp_path / "in", tmp_path / "out", format="png").manifest)
    (common,) = {row["window"] for row in rows if sum(r["series"] == row["series"] for r in rows) == 3}
    center, width = map(float, common.split()[0].split("/"))
    low, high = np.quantile(np.stack(slices), [0.005, 0.995])
    assert (center - width / 2, center + width / 2) == pytest.approx((low, high), abs=0.01 * (high - low))
    brightness = {}
    for row in rows:
        pixels = np.asarray(Image.open(tmp_path / "out" / row["file"]))
        brightness[row["source_sha256"], row["window"]] = pixels.mean()
    assert len(brightness) == 4
    assert max(brightness.values()) > 3 * min(brightness.values())


def test_a_series_has_the_automatic_window_where_a_slice_is_not_shown_by_its_own(tmp_path):
    """The last slice is so dark that its own window, one for CT, would show it."""
    about = {"Modality": "MR", "SeriesInstanceUID": generate_uid(), "WindowCenter": 40, "WindowWidth": 400}
    for number, high in enumerate((2000, 3000, 200)):
        write(tmp_path / "in" / f"{number}", make(picture(number, high=high), **about))
    report = convert(tmp_path / "in", tmp_path / "out", workers=1)
    (window,) = {row["window"] for row in table(report.manifest)}
    assert report.converted == 3
    assert window.endswith("linear_exact instead of 40/400")


def test_multi_frame_gives_one_image_per_frame_and_blank_frames_are_reported(tmp_path):
    dataset = make(picture(), NumberOfFrames=4, WindowCenter=500, WindowWidth=1000)
    frames = [picture(1), np.full((40, 48), 7, np.uint16), picture(2), np.full((40, 48), 7, np.uint16)]
    dataset["PixelData"].value = np.stack(frames).tobytes()
    write(tmp_path / "in" / "file", dataset)
    rows = table(convert(tmp_path / "in", tmp_path / "out").manifest)
    assert [row["file"][-8:] for row in rows] == ["0001.jpg", "0003.jpg"]
    (rejected,) = table(tmp_path / "out.private" / "rejected.csv")
    assert rejected["reason"] == "In frames 2, 4 of 4 all pixels have one value."


def test_file_with_a_damaged_late_frame_leaves_no_images(tmp_path):
    dataset = make(picture(), NumberOfFrames=3, WindowCenter=500, WindowWidth=1000)
    dataset["PixelData"].value = np.stack([picture(i) for i in range(3)]).tobytes()
    dataset.compress(pydicom.uid.RLELossless)
    data = bytearray(to_bytes(dataset))
    data[-200:-100] = bytes(100)  # in the last frame; decoded, they give fewer pixels than they should
    write(tmp_path / "in" / "file", bytes(data))
    assert convert(tmp_path / "in", tmp_path / "out").converted == 0
    assert not list((tmp_path / "out" / "images").rglob("*.*"))


def test_dicomdir_adds_files_outside_its_folder(tmp_path):
    files = FileSet()
    for number in range(2):
        files.add(make(picture(number), PatientName="A^B", StudyDate="20200101", StudyTime="10", StudyID="1",
                       SeriesNumber=1, InstanceNumber=number + 1))  # fmt: skip
    files.write(tmp_path / "cd")
    report = convert(tmp_path / "cd" / "DICOMDIR", tmp_path / "out1")
    assert (report.converted, report.rejected) == (2, 0)
    report = convert(tmp_path / "cd", tmp_path / "out2")
    assert (report.converted, report.rejected) == (2, 0)
    next(path for path in (tmp_path / "cd").rglob("*") if path.is_file() and path.name != "DICOMDIR").unlink()
    report = convert(tmp_path / "cd", tmp_path / "out3")
    assert (report.converted, report.rejected) == (1, 1)
    assert "No such file" in table(tmp_path / "out3.private" / "rejected.csv")[0]["reason"]


@pytest.mark.parametrize("parts", [["..", "SECRET"], ["SUB/../../SECRET"], ["/", "SECRET"]])
def test_dicomdir_that_lists_files_outside_its_folder_is_rejected(tmp_path, parts):
    files = FileSet()
    files.add(make(picture(0), PatientName="A^B", StudyDate="20200101", StudyTime="10", StudyID="1", SeriesNumber=1,
                   InstanceNumber=1))  # fmt: skip
    files.write(tmp_path / "cd")
    listing = pydicom.dcmread(tmp_path / "cd" / "DICOMDIR")
    next(item for item in listing.DirectoryRecordSequence if "ReferencedFileID" in item).ReferencedFileID = parts
    listing.save_as(tmp_path / "cd" / "DICOMDIR")
    write(tmp_path / "SECRET", make(picture(1)))
    report = convert(tmp_path / "cd", tmp_path / "out")
    assert (report.converted, report.rejected) == (1, 1)
    reason = table(tmp_path / "out.private" / "rejected.csv")[0]["reason"]
    assert reason == "Lists files outside its folder."


@pytest.mark.parametrize("subject", ["file", "patient"])
def test_labels(cohort, tmp_path, subject):
    keys = {"file": ["sick/A/image", "well/C/image"], "patient": ["A", "C"]}[subject]
    lines = [f"{subject},class", f"{keys[0]},../left", f"{keys[1]},right"]
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    report = convert(cohort, tmp_path / "out", labels=tmp_path / "labels.csv")
    assert report.classes == {"_left": 1, "right": 1}
    reasons = [row["reason"] for row in table(tmp_path / "out.private" / "rejected.csv")]
    assert reasons.count("Has no class in the labels.") == 3
    (tmp_path / "labels.csv").write_text("name,class\nA,b\n")
    convert_file.read_labels.cache_clear()
    with pytest.raises(ValueError, match="lacks the columns of labels: it needs a header line with file,class"):
        convert(cohort, tmp_path / "other", labels=tmp_path / "labels.csv")


def test_formats_keep_their_depth(tmp_path):
    write(tmp_path / "in" / "file", make(picture(shape=(256, 256), high=60000), WindowCenter=30000, WindowWidth=60000))
    images = {}
    for form in ("jpg", "png", "png16"):
        (row,) = table(convert(tmp_path / "in", tmp_path / form, format=form).manifest)
        images[form] = np.asarray(Image.open(tmp_path / form / row["file"]))
    assert images["png16"].dtype == np.uint16
    assert len(np.unique(images["png16"])) > 5000
    assert np.abs(images["png16"] / 257 - images["png"]).max() <= 0.5
    assert np.abs(images["jpg"].astype(float) - images["png"]).mean() < 3
    shown = dicom.read_image(tmp_path / "in" / "file")
    np.testing.assert_allclose(images["png16"] / 65535, shown, atol=1e-5)


@pytest.mark.parametrize("shape", [(300, 100), (100, 300), (37, 411), (64, 64), (5, 7)])
def test_fit_keeps_the_aspect_ratio(shape):
    padded = fit(np.ones(shape, np.float32), 1.0, 64, crop=False)
    height, width = (padded > 0.5).any(1).sum(), (padded > 0.5).any(0).sum()
    assert max(height, width) == 64
    assert height / width == pytest.approx(shape[0] / shape[1], rel=0.1)
    assert fit(np.ones(shape, np.float32), 1.0, 64, crop=True).min() > 0.99
    tall = fit(np.ones((50, 100), np.float32), 2.0, 64, crop=False)  # pixels twice as high as wide
    assert (tall > 0.99).all()


def test_cropping_takes_the_centre():
    image = np.zeros((100, 300), np.float32)
    image[:, 100:200] = 1
    assert fit(image, 1.0, 50, crop=True)[:, 2:-2].min() > 0.99


def test_downsampling_does_not_alias():
    stripes = np.tile(np.float32([[0, 1]]), (1024, 512))
    small = fit(stripes, 1.0, 96, crop=False)
    assert np.abs(small - 0.5).max() < 0.1


def test_rerun_does_only_what_is_missing_and_follows_changes(cohort, tmp_path):
    report = convert(cohort, tmp_path / "out")
    before, rows = contents(tmp_path / "out"), table(report.manifest)
    lost, kept = (tmp_path / "out" / rows[i]["file"] for i in (0, 1))
    lost.unlink()
    old = kept.stat().st_mtime_ns
    convert(cohort, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    assert kept.stat().st_mtime_ns == old
    (cohort / "sick" / "A" / "image").unlink()
    write(cohort / "sick" / "E" / "image", make(picture(7), PatientID="E"))
    report = convert(cohort, tmp_path / "out")
    assert report.converted == 4
    assert len(list((tmp_path / "out" / "images").rglob("*.jpg"))) == 4
    convert(cohort, tmp_path / "fresh")
    assert contents(tmp_path / "fresh") == contents(tmp_path / "out")


def test_changed_settings_need_another_folder(cohort, tmp_path):
    convert(cohort, tmp_path / "out")
    with pytest.raises(ValueError, match="made with another image_size and format: give another output folder"):
        convert(cohort, tmp_path / "out", image_size=64, format="png")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_run_resumes_to_the_same_result(tmp_path, how):
    for number in range(200):
        ramp = np.add.outer(np.arange(300), np.arange(300) + number).astype(np.uint16)  # without anything like letters
        write(tmp_path / "in" / f"class{number % 3}" / str(number), make(ramp))
    code = (
        "import signal, sys, time; from medgan_tf.dicom import convert, isolation; call = isolation.call\n"
        # a shell makes its background processes, such as these tests may be, ignore Ctrl-C
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        # takes at least five seconds, so that the signal arrives in time on a busy machine too
        "isolation.call = lambda *files, **limit: time.sleep(2) or call(*files, **limit)\n"
        "convert(*sys.argv[1:], workers=2)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "in", tmp_path / "out"],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    journal, deadline = tmp_path / "out.private" / "progress.jsonl", time.monotonic() + 120
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 20):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # SIGKILL ends the program alone, Ctrl-C reaches everything that runs in its terminal.
    (os.kill if how == signal.SIGKILL else os.killpg)(process.pid, how)
    assert process.wait(timeout=60) != 0
    assert not (tmp_path / "out" / "manifest.csv").exists()
    done = journal.read_bytes().count(b"\n")
    assert done < 200
    deadline = time.monotonic() + 20
    while True:  # the children end by themselves
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    convert(tmp_path / "in", tmp_path / "out")
    convert(tmp_path / "in", tmp_path / "fresh")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def convert_or_die(path, *arguments):
    """Replaces a decoder in C that crashes, hangs while it holds the interpreter's lock, or uses up memory."""
    name = Path(path).name
    if name == "crash":
        ctypes.string_at(0)
    if name == "hang":
        ctypes.PyDLL(None).sleep(1000)
    if name == "exit":
        os._exit(3)
    if name == "memory":
        raise MemoryError
    return convert_file.convert_file(path, *arguments)


@pytest.mark.parametrize("workers", [1, 2])
def test_decoder_that_crashes_or_hangs_harms_one_file(tmp_path, monkeypatch, workers):
    for number, name in enumerate(["a", "crash", "b", "hang", "c", "exit", "d"]):
        write(tmp_path / "in" / name, make(picture(number)))
    monkeypatch.setattr("medgan_tf.dicom.conversion.convert_file", convert_or_die)
    monkeypatch.setattr("medgan_tf.dicom.batch.SECONDS", 6)
    report = convert(tmp_path / "in", tmp_path / "out", workers=workers)
    assert report.converted == 4
    reasons = {Path(row["file"]).name: row["reason"] for row in table(tmp_path / "out.private" / "rejected.csv")}
    assert reasons == {
        "crash": "Crashes the process that reads it (SIGSEGV).",
        "hang": "Takes longer than 6 seconds.",
        "exit": "Crashes the process that reads it (exit code 3).",
    }


def test_isolated_calls_return_and_raise(tmp_path):
    assert isolation.call(len, "abc", seconds=10) == 3
    with pytest.raises(ZeroDivisionError):
        isolation.call(divmod, 1, 0, seconds=10)
    isolation.release()


def test_full_disk_stops_with_one_sentence_and_keeps_what_is_done(cohort, tmp_path, monkeypatch):
    calls = []

    def call_until_full(function, *arguments, seconds):
        calls.append(arguments)
        if len(calls) > 2:
            raise CannotWrite(errno.ENOSPC, "No space left on device")
        return function(*arguments)

    monkeypatch.setattr(batch, "FILES", 1)
    with monkeypatch.context() as patch:
        patch.setattr(isolation, "call", call_until_full)
        with pytest.raises(OSError, match=r"cannot be written to \(No space left on device\)\. Free space") as error:
            convert(cohort, tmp_path / "out", workers=1)
    assert error.value.errno == errno.ENOSPC
    assert len(list((tmp_path / "out" / "images").rglob("*.jpg"))) == 2
    assert convert(cohort, tmp_path / "out").converted == 4


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount a small disk")
def test_full_disk_for_real(cohort, tmp_path):
    out_dir = tmp_path / "small"
    out_dir.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", out_dir], capture_output=True).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        for number in range(40):
            write(cohort / "more" / str(number), make(picture(number + 20)))
        with pytest.raises(OSError, match=r"No space left on device\)\. Free space and run it again: what is done is"):
            convert(cohort, out_dir)
        assert list((out_dir / "images").rglob("*.jpg"))
        subprocess.run(["mount", "-o", "remount,size=8m", out_dir], check=True)
        assert convert(cohort, out_dir).converted == 44
        assert not list(out_dir.rglob(".unfinished-*"))
    finally:
        subprocess.run(["umount", out_dir], check=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sources": "nowhere"}, "nowhere does not exist: give a folder of DICOM files, or one file."),
        ({"sources": "empty"}, "There are no files in "),
        ({"format": "gif"}, "The format is one of jpg, png, png16, not 'gif'."),
        ({"image_size": 0}, "The image size is 1 to 8192 pixels, not 0."),
        ({"window": "lungs"}, "The window is auto, a number, one or three of abdomen, bone"),
        ({"window": (40, 0)}, "The window is auto, a number, one or three of abdomen, bone"),
        ({"labels": "nowhere.csv"}, "No such file or directory"),
    ],
)
def test_unusable_arguments_raise_one_sentence(cohort, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    paths = {k: tmp_path / v for k, v in arguments.items() if k in ("sources", "labels")}
    with pytest.raises((ValueError, OSError)) as error:
        convert(**{"sources": cohort, "out_dir": tmp_path / "out"} | arguments | paths)
    assert message in str(error.value)
    assert not (tmp_path / "out").exists()


def test_output_inside_the_source_is_not_read_back(cohort):
    first = convert(cohort, cohort / "out")
    second = convert(cohort, cohort / "out")
    assert (first.converted, first.rejected) == (second.converted, second.rejected) == (4, 2)


def test_fuzz(tmp_path):
    files = [path for path in real_files(300_000) if "DICOMDIR" not in path.name]  # an index is no image and no fault
    for number, path in enumerate(files[::10]):
        for folder in ("good", "mixed"):
            write(tmp_path / folder / "a" / f"good{number}", path.read_bytes())
    for seed in range(250):
        write(tmp_path / "mixed" / "a" / f"bad{seed}", damaged(files[seed * 7 % len(files)].read_bytes(), seed))
    convert(tmp_path / "mixed", tmp_path / "out")
    convert(tmp_path / "good", tmp_path / "clean")
    rows = {row["file"]: row for row in table(tmp_path / "out" / "manifest.csv")}
    for row in table(tmp_path / "clean" / "manifest.csv"):
        assert rows[row["file"]] == row
        images = [(tmp_path / folder / row["file"]).read_bytes() for folder in ("out", "clean")]
        assert images[0] == images[1]
    rejected = {row["file"]: row["reason"] for row in table(tmp_path / "out.private" / "rejected.csv")}
    known = rejected.keys() | {row["file"] for row in table(tmp_path / "out.private" / "review.csv")}
    hashes = {row["source_sha256"] for row in rows.values()}
    for path in (tmp_path / "mixed" / "a").iterdir():
        assert str(path) in known or hashlib.sha256(path.read_bytes()).hexdigest() in hashes
    assert all(reason.endswith(".") and len(reason) > 8 for reason in rejected.values())
    shutil.rmtree(tmp_path / "mixed")
