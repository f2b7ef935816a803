"""De-identified files: every attribute as the table says, pixels bit for bit, valid where they were, dates in order."""

import csv
import hashlib
import os
import re
import shutil
import subprocess
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_samples import make, picture, real_files, to_bytes, write
from pydicom.tag import Tag

from medgan_tf import dicom
from medgan_tf.dicom import Header
from medgan_tf.dicom.deidentify import clean, compare, dates, deidentify, profile, table
from medgan_tf.dicom.deidentify.deidentification import DeidentificationSettings, deidentify_file
from medgan_tf.dicom.journal import private_folder
from medgan_tf.dicom.parsing import PIXEL_DATA, parse
from medgan_tf.dicom.pixels import stored_frames
from medgan_tf.dicom.pseudonyms import load_key, pseudonym

KEY = b"k" * 64


def sheet(out_dir, name):
    with (private_folder(out_dir) / name).open(newline="") as file:
        return list(csv.DictReader(file))


def samples():
    """Real files: one in eight, or all, which takes minutes, where MEDGAN_TF_ALL_SAMPLES is set."""
    return real_files(10**9) if "MEDGAN_TF_ALL_SAMPLES" in os.environ else real_files(300_000)[::8]


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory):
    """[(header before, path, path after)] of real files; all are cleared, whatever text they may show."""
    folder, pairs = tmp_path_factory.mktemp("deidentified"), []
    for path in samples():
        data = path.read_bytes()
        settings = DeidentificationSettings(folder, KEY, frozenset([hashlib.sha256(data).hexdigest()]))
        for row in deidentify_file(str(path), settings)["rows"]:
            pairs.append((Header.of(parse(data)), path, folder / row["file"]))
    assert len(pairs) >= 10
    return pairs


def test_the_table_is_that_of_the_library_that_reads_the_standard():
    lists = pytest.importorskip(
        "dicomanonymizer.dicom_anonymization_databases.dicomfields_2026c", reason="dicom-anonymizer is not installed"
    )
    actions = {"D": "D", "Z": "Z", "X": "X", "U": "U", "Z_D": "Z/D", "X_Z": "X/Z", "X_D": "X/D", "X_Z_D": "X/Z/D"}
    actions |= {"X_Z_U_STAR": "X/Z/U*"}
    listed = {tag: action for name, action in actions.items() for tag in getattr(lists, f"{name}_TAGS")}
    assert len(listed) == len(table.rules())
    for tag, action in listed.items():
        assert table.rule(Tag(tag[:2])).action == action, tag


def test_rules_of_repeating_and_private_groups_are_found():
    assert table.rule(Tag(0x6002, 0x3000)).action == "X"
    assert table.rule(Tag(0x5010, 0x0005)).action == "X"
    assert table.rule(Tag(0x0029, 0x1010)).action == "X"
    assert table.rule(Tag(0x0028, 0x0010)) is None
    assert table.rule(Tag(0x0010, 0x0030)).modified_date is False
    assert table.rule(Tag(0x0008, 0x0020)).modified_date is True


def every(dataset, path=()):
    """(path, element) of every element at every depth; items are told apart by their place."""
    for element in dataset:
        yield (*path, element.tag), element
        if element.VR == "SQ":
            for place, item in enumerate(element.value):
                yield from every(item, (*path, element.tag, place))


def test_every_attribute_of_real_files_is_what_the_table_says(cleaned):
    checked = Counter()
    for before, name, path in cleaned:
        old, new = dict(every(before.dataset)), dict(every(pydicom.dcmread(path)))
        for place, element in new.items():
            rule = table.rule(element.tag)
            added = place[0] in (0x00120062, 0x00120063, 0x00120064, 0x00280303, 0x00100020)
            was = old.get(place)
            if added or rule is None:
                continue
            checked[rule.action] += 1
            message = f"{name}: {element.tag} {rule}"
            if rule.modified_date and element.VR in ("DA", "TM", "DT"):
                assert was is None or element.is_empty or element.value != was.value, message
            elif rule.action in ("X/Z", "Z"):
                assert element.is_empty, message
            elif rule.choice == "D" and element.VR != "SQ":
                assert not element.is_empty, message
                assert element.value != was.value or was.value == profile.DUMMIES.get(was.VR), message
            elif rule.choice == "U" and not element.is_empty:
                assert element.value == profile.replace_uid(was.value, KEY), message
                assert str(element.value).startswith("2.25.") or element.value in profile.UID_dictionary, message
            else:
                assert rule.action != "X", message
        for place, element in old.items():
            rule = table.rule(element.tag)
            checked["gone"] += place not in new
            may_go = rule is None or "X" in rule.action or len(place) > 1
            assert may_go or place in new, f"{name}: {element.tag} {rule} is gone"
    assert min(checked[action] for action in ("Z", "U", "X/Z/D", "gone")) > 0


def test_pixels_stay_bit_for_bit(cleaned):
    for before, name, path in cleaned:
        after = Header.of(pydicom.dcmread(path))
        for keyword in PIXEL_DATA:
            if keyword in before.dataset and not before.transfer_syntax.is_compressed:
                stored = after.dataset[keyword].value
                assert (before.dataset[keyword].value + b"\0")[: len(stored)] == stored, name  # an odd length is padded
        for (old, _), (new, _) in zip(stored_frames(before), stored_frames(after), strict=True):
            assert np.array_equal(old, new), name
        assert before.transfer_syntax == after.dataset.file_meta.TransferSyntaxUID


def test_dciodvfy_finds_no_error_that_was_not_there(cleaned, tmp_path):
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    valid = 0
    for before, source, path in cleaned:
        if before.transfer_syntax.is_deflated:
            continue  # dciodvfy reads the compressed bytes as tags
        old, new = errors(source), errors(path)
        more = {error for error in new - old if "ICCProfile" not in error}  # goes, as bytes that may hold text do
        assert not more, f"{source}: {more}"
        valid += not new
    assert valid > 0
    phantom = write(tmp_path / "in" / "a.dcm", valid_radiograph())
    deidentify(phantom, tmp_path / "out")
    (made,) = (tmp_path / "out").glob("*/*/*/*.dcm")
    assert errors(phantom) == errors(made) == set()


def errors(path):
    """What dciodvfy calls an error: place, fault and module, without the values that it quotes."""
    lines = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, errors="replace").stderr
    quoted = re.compile(r" = .*|'[^']*'|\[\d+\]")
    return {quoted.sub("", line) for line in lines.splitlines() if line.startswith("Error")}


def valid_radiograph():
    from medgan_tf.phantoms import dicom_files

    patient = {"PatientID": "P7", "PatientName": "Doe^Jane", "PatientSex": "F", "PatientBirthDate": "19500101"}
    scanner, pixels = dicom_files.Scanner("MONOCHROME2", 12, 100, 3000), np.linspace(0, 1, 4096).reshape(64, 64)
    dataset = dicom_files.make_dataset(pixels, patient, ("20200131", "235000", 1), ("seed",), scanner)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    return dataset


def test_methods_are_recorded():
    dataset = clean(make(picture(), PatientName="Doe^Jane"), KEY, "0123456789abcdef")
    codes = [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113107"]
    assert dataset.PatientIdentityRemoved == "YES" and dataset.LongitudinalTemporalInformationModified == "MODIFIED"
    assert dataset.PatientID == "0123456789abcdef" and dataset.get("PatientName") in (None, "")


def test_uids_are_replaced_consistently_and_only_under_the_same_key():
    first, second = make(picture(0)), make(picture(1))
    second.StudyInstanceUID = first.StudyInstanceUID
    item = pydicom.Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = first.SOPClassUID, first.SOPInstanceUID
    second.SourceImageSequence = [item]
    other = clean(make(picture(0), StudyInstanceUID=first.StudyInstanceUID), b"j" * 64, "p")
    kind = first.SOPClassUID
    for dataset in (first, second):
        clean(dataset, KEY, "p")
    assert first.StudyInstanceUID == second.StudyInstanceUID != other.StudyInstanceUID
    assert second.SourceImageSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert second.SourceImageSequence[0].ReferencedSOPClassUID == kind == first.SOPClassUID
    assert pydicom.uid.UID(first.SOPInstanceUID).is_valid


@pytest.mark.parametrize("patient", ["a", "b", "c"])
def test_dates_keep_their_order_and_distance(patient):
    moments = ["20191231 2350", "20200101 0010", "20200229 1200", "20200301 1200.", "20210101 0000"]
    shifted = []
    for moment in moments:
        date, time = moment.rstrip(".").split()
        dataset = make(picture(), StudyDate=date, StudyTime=time, AcquisitionDateTime=date + time + "00.125+0100")
        dataset.PerformedProcedureStepStartDate, dataset.PatientBirthDate = date, "19500101"
        clean(dataset, KEY, patient)
        assert dataset.AcquisitionDateTime == f"{dataset.StudyDate}{dataset.StudyTime}00.125+0100"
        assert not dataset.PatientBirthDate
        shifted.append(dataset.StudyDate + dataset.StudyTime)
        assert dataset.PerformedProcedureStepStartDate <= dataset.StudyDate
    assert shifted == sorted(shifted) and shifted[0] < "20191231"
    moved = [datetime.strptime(text, "%Y%m%d%H%M") for text in shifted]
    assert moved[1] - moved[0] == timedelta(minutes=20)
    assert moved[3] - moved[2] == timedelta(days=1)


def test_dates_of_two_patients_shift_differently_and_malformed_dates_are_removed():
    assert dates.offset(KEY, "a") != dates.offset(KEY, "b")
    dataset = make(picture(), StudyDate="20200101", ContentDate="1995.06.13")
    dataset["StudyDate"]._value = "yesterday"
    clean(dataset, KEY, "a")
    assert not dataset.StudyDate
    assert dataset.ContentDate[:3] in ("198", "199")


def test_pseudonyms_are_those_of_convert(tmp_path):
    for number in range(3):
        path = tmp_path / "in" / "class" / str(number)
        write(path, make(picture(number), PatientID=f"P{number // 2}", StudyDate="20200101"))
    deidentify(tmp_path / "in", tmp_path / "out")
    for source, name in (("in", "images"), ("out", "again")):
        dicom.convert(tmp_path / source, tmp_path / name, labels="none")
    manifests = [list(csv.DictReader((tmp_path / name / "manifest.csv").open())) for name in ("out", "images", "again")]
    patients = [Counter(row["patient"] for row in rows) for rows in manifests]
    assert patients[0] == patients[1] == patients[2] and sorted(patients[0].values()) == [1, 2]
    written = {pydicom.dcmread(path).PatientID for path in (tmp_path / "out").rglob("*.dcm")}
    assert written == set(patients[0])


def test_a_header_that_claims_to_be_deidentified_here_does_not_choose_its_pseudonym(tmp_path):
    claims = {"PatientIdentityRemoved": "YES", "DeidentificationMethod": ["medgan_tf", "PS3.15"]}
    for number, patient in enumerate(["../../escaped/DOE^JANE 19500101", "0123456789abcdef0", "0123456789ABCDEF"]):
        dataset = make(picture(number), PatientID=patient, **claims)
        dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = 500, 1000, "DOE^JANE"
        write(tmp_path / "in" / str(number), dataset)
    for work in (deidentify, dicom.convert):
        out = tmp_path / "results" / work.__name__ / "out"
        work(tmp_path / "in", out)
        rows = list(csv.DictReader((out / "manifest.csv").open()))
        assert {row["patient"] for row in rows} == {
            pseudonym(load_key(), "patient", patient)
            for patient in ("../../escaped/DOE^JANE 19500101", "0123456789abcdef0", "0123456789ABCDEF")
        }
        assert all((out / row["file"]).resolve().is_relative_to(out.resolve()) for row in rows)
        assert "doe" not in (out / "manifest.csv").read_text().lower()
    assert not list(tmp_path.rglob("*escaped*"))


def test_images_that_may_show_text_are_held_back_until_a_person_clears_them(tmp_path):
    write(tmp_path / "in" / "a", make(picture(0), BurnedInAnnotation="YES"))
    write(tmp_path / "in" / "b", make(picture(1), Modality="US", PatientID="P2"))
    write(tmp_path / "in" / "c", make(picture(2), Modality="US", BurnedInAnnotation="NO", PatientID="P3"))
    for work, count in ((deidentify, "written"), (dicom.convert, "converted")):
        out = tmp_path / work.__name__
        first = work(tmp_path / "in", out)
        assert (getattr(first, count), first.held_back) == (1, 2)
        rows = sheet(out, "review.csv")
        assert [row["reason"] for row in rows] == [
            "its header says that annotation is burned in",
            "it is an ultrasound image",
        ]
        path = private_folder(out) / "review.csv"
        path.write_text(path.read_text().replace(",,\n", ",,yes\n", 1))
        second = work(tmp_path / "in", out)
        assert (getattr(second, count), second.held_back) == (2, 1)
        path.write_text(path.read_text().replace(",yes\n", ",\n"))
        assert getattr(work(tmp_path / "in", out), count) == 1
        assert len([file for file in out.rglob("*") if file.suffix in (".dcm", ".jpg")]) == 1


def test_damaged_files_are_rejected_and_a_rerun_does_only_what_is_missing(tmp_path):
    write(tmp_path / "in" / "good", make(picture(0)))
    (tmp_path / "in" / "cut").write_bytes(to_bytes(make(picture(1)))[:-50])
    (tmp_path / "in" / "notes.txt").write_text("no DICOM")
    write(tmp_path / "in" / "private", make(picture(2), SOPClassUID="1.3.12.2.1107.5.9.1"))
    report = deidentify(tmp_path / "in", tmp_path / "out")
    assert (report.written, report.rejected) == (1, 3)
    (kept,) = (tmp_path / "out").rglob("*.dcm")
    stamp = kept.stat().st_mtime_ns
    deidentify(tmp_path / "in", tmp_path / "out")
    assert kept.stat().st_mtime_ns == stamp
    assert "private kind" in "".join(row["reason"] for row in sheet(tmp_path / "out", "rejected.csv"))
    table_ = compare(tmp_path / "in", tmp_path / "out")
    assert table_.loc["(0010,0020)", "action"] == "Z/D" and table_.loc["(0010,0020)", "before"] != ""


def test_names_in_unusual_attributes_are_removed():
    dataset = make(picture(), PatientName="Rosencrantz^Ada", Manufacturer="Rosencrantz Medical")
    dataset.BodyPartExamined, dataset.SoftwareVersions = "CHEST", "v1"
    dataset.ImageType, dataset.ConversionType = ["ORIGINAL", "PRIMARY", "ADA", "not a code"], "ADA"
    clean(dataset, KEY, "p")
    assert dataset.Manufacturer == "REMOVED" and dataset.SoftwareVersions == "v1"
    assert dataset.BodyPartExamined == "CHEST" and not dataset.ConversionType
    assert dataset.ImageType == ["ORIGINAL", "PRIMARY", "OTHER", "OTHER"]  # the first two are required


def test_names_of_two_letters_are_removed_from_kept_text_but_not_from_codes():
    dataset = make(picture(), PatientName="Li^Wu^^Mr", PatientID="P 12", Modality="MR", Manufacturer="WU medical")
    dataset.SequenceName, dataset.LUTLabel, dataset.SoftwareVersions = "li_scan", "Liver, 12", "2.12.1"
    dataset.BurnedInAnnotation, dataset.BodyPartExamined, dataset.ScanningSequence = "NO", "LIVER", ["SE", "LI"]
    dataset.SegmentLabel = "Segment of Li"
    clean(dataset, KEY, "p")
    assert dataset.Manufacturer == dataset.SequenceName == dataset.SegmentLabel == "REMOVED"
    assert (dataset.LUTLabel, dataset.SoftwareVersions) == ("Liver, 12", "2.12.1")
    assert (dataset.Modality, dataset.BurnedInAnnotation, dataset.BodyPartExamined) == ("MR", "NO", "LIVER")
    assert dataset.ScanningSequence == ["SE", "LI"]  # a code, as docs/deidentification.md says


def test_text_with_the_vr_of_a_number_is_removed():
    dataset = make(picture())
    dataset.add_new("SegmentLabel", "UL", list(np.frombuffer(b"Doe^Jane", np.uint32)))
    dataset.add_new("ReconstructionDiameter", "LO", "Doe^Jane")
    assert to_bytes(dataset).count(b"Doe^Jane") == 2
    assert b"Doe^Jane" not in to_bytes(clean(dataset, KEY, "p"))


def test_the_docs_name_every_attribute_whose_text_is_kept():
    page = (Path(__file__).parents[1] / "docs" / "deidentification.md").read_text()
    assert {word for word in table.KEPT_TEXT if f"`{word}`" not in page} == set()


def test_a_body_part_is_kept_although_it_is_a_name_in_the_file():
    patient = {"PatientName": "PANCREAS_0001", "PatientID": "PANCREAS_0001"}
    dataset = make(np.zeros((8, 8), np.uint16), BodyPartExamined="PANCREAS", ScanOptions="PANCREAS", **patient)
    clean(dataset, KEY, "0123456789abcdef")
    assert dataset.BodyPartExamined == "PANCREAS"
    assert not dataset.get("ScanOptions") and "PANCREAS" not in f"{dataset.PatientName}{dataset.PatientID}"
