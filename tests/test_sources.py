"""What a folder is: layouts of public sets, splits, masks, links, names, tables of labels; folders that went wrong."""

import os
import tomllib
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dicom_samples import make, picture, write
from PIL import Image

from medgan_tf import datasets, dicom, sources

PUBLIC_SETS = tomllib.loads(Path(__file__).with_name("public_sets.toml").read_text())["set"]
FAULTS = Path(__file__).parents[2] / "shared" / "faults"
needs_faults = pytest.mark.skipif(not FAULTS.is_dir(), reason="../shared/faults is not there")


def places(*files, source="set"):
    return {file: (place.class_name, place.split) for file, place in sources.places(files, source).items()}


def patients(*files, source="set"):
    return [place.patient for place in sources.places(files, source).values()]


# ------------------------------------------------------------ paths


@pytest.mark.parametrize("above", ["", "chest_xray/"])
@pytest.mark.parametrize(("train", "validation", "test"), [("train", "val", "test"), ("Training", "Valid", "TEST")])
def test_folders_of_splits_are_no_classes(above, train, validation, test):
    files = {f"{above}{train}/NORMAL/a.png": "train", f"{above}{validation}/SICK/b.png": "validation"}
    files |= {f"{above}{test}/NORMAL/c.png": "test"}
    expected = {file: (Path(file).parent.name, split) for file, split in files.items()}
    assert places(*files) == expected


def test_splits_may_lie_below_classes_and_a_class_may_be_called_test():
    assert places("NORMAL/train/a.png", "SICK/test/b.png") == {
        "NORMAL/train/a.png": ("NORMAL", "train"),
        "SICK/test/b.png": ("SICK", "test"),
    }
    assert places("test/a.png", "control/b.png") == {"test/a.png": ("test", ""), "control/b.png": ("control", "")}
    assert places("train/a.png", source="x") == {"train/a.png": ("train", "")}


@pytest.mark.parametrize("last", ["validation", "test"])
def test_a_patient_is_in_the_last_of_several_splits(last):
    found = sources.places(["train/a/person1_virus_1.png", f"{last}/a/person1_virus_2.png"], "set")
    assert {place.split for place in found.values()} == {last}


@pytest.mark.parametrize(
    ("file", "class_name", "patient"),
    [
        ("train/patient00012/study1/view1_frontal.jpg", "set", "patient00012"),  # CheXpert
        ("CheXpert-v1.0-small/valid/patient00012/study1/view1_frontal.jpg", "CheXpert-v1.0-small", "patient00012"),
        ("files/p10/p10000032/s50414267/02aa804e-bde0afdd.jpg", "files", "p10000032"),  # MIMIC-CXR
        ("images_001/images/00000013_005.png", "images_001", "00000013"),  # NIH
        ("LUNG1-001/01-01-2014-StudyID-NA-85095/0.0-NA-82046/1-001.dcm", "set", "lung1-001"),  # TCIA
        ("NSCLC/LUNG1-001/01-01-2014-StudyID-NA-85095/0.0-NA-82046/1-001.dcm", "NSCLC", "lung1-001"),
        ("tcga_gbm/TCGA-02-0003/1.3.6.1.4.1.14519.5.2.1/MR_1.3.6.1.4.1.14519.5.2.2/5d.dcm", "tcga_gbm", "tcga-02-0003"),
        ("COVID/images/COVID-1.png", "COVID", ""),  # COVID-19 Radiography
        ("benign/benign (1).png", "benign", ""),  # BUSI
        ("3/9043246L.png", "3", "9043246"),  # Osteoarthritis Initiative
        ("image.png", "set", ""),
        ("images/image.png", "set", ""),
        ("images/sick/image.png", "sick", ""),
        ("DICOM/PAT0/STU/SER/IM0", "set", "pat0"),  # a hospital's CD
        ("DICOM/00000001/00000002/IM0", "set", ""),
        ("sick/patient_07/scan 2/slice 3.png", "sick", "patient_07"),
        ("sub-012/ses-1/anat/sub-012_T1w.png", "set", "sub-012"),  # BIDS
        ("case/1.png", "case", ""),  # a class, beside "control"
    ],
)
def test_class_and_patient_of_public_layouts(file, class_name, patient):
    ((found, place),) = sources.places([file], "set").items()
    assert (found, place.class_name, place.patient, place.left_out) == (file, class_name, patient, "")


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (["COVID/images/1.png"], ["COVID/masks/1.png"]),
        (["images/1.png"], ["masks/1.png"]),
        (["benign/benign (1).png"], ["benign/benign (1)_mask.png", "benign/benign (1)_mask_1.png"]),
        (["a/p1.png"], ["a/p1-seg.png", "a/p1_segmentation.png"]),
        (["CXR_png/MCUCXR_0001_0.png"], ["ManualMask/leftMask/MCUCXR_0001_0.png"]),  # Montgomery
        (["ISIC_Training_Input/1.jpg"], ["ISIC_Training_GroundTruth/1.png"]),
        (["masks/1.png", "masks/2.png"], []),  # a set of masks alone
        (["with_mask/1.png", "without_mask/2.png"], []),  # classes
        (["a/unmask.png"], []),
    ],
)
def test_masks_beside_images_are_left_out(images, masks):
    found = sources.places([*images, *masks], "set")
    assert [file for file, place in found.items() if place.left_out] == masks


def test_classes_that_differ_in_signs_stay_apart_and_those_that_cannot_are_refused():
    names = ["grade <2", "grade >2", "HER2 (+)", "HER2 (?)", "HER2 (-)", "normal", "T1/T2"]
    safe = sources.safe_classes(names)
    assert len(set(safe.values())) == len(names) and safe["normal"] == "normal"
    assert (safe["grade <2"], safe["HER2 (+)"]) == ("grade less than 2", "HER2 plus")
    assert all(not set(name) & set('<>:"/\\|?*') for name in safe.values())
    with pytest.raises(ValueError, match="'A' and 'a' would have one folder"):
        sources.safe_classes(["A", "a"])


def test_classes_of_several_sources_stay_apart(tmp_path):
    for number, folder in enumerate(("grade <2", "grade >2")):
        write(tmp_path / f"site{number}" / folder / "file", make(picture(number)))
    sites = [tmp_path / "site0", tmp_path / "site1"]
    classes = dicom.convert(sites, tmp_path / "out", workers=1).classes
    assert classes == {"grade less than 2": 1, "grade more than 2": 1}


def test_pictures_whose_name_is_no_text_are_left_out_by_name(tmp_path):
    pictures(tmp_path, 3)
    save(tmp_path / "a" / os.fsdecode(b"Befund_r\xf6.png"), picture(dtype=np.uint8, high=255))
    with pytest.warns(UserWarning, match=r"1 of 4 .* left out; 'a/Befund_r\\udcf6\.png' has a name that is no"):
        assert len(datasets.read_manifest(tmp_path)) == 3


@pytest.mark.parametrize("copy", PUBLIC_SETS, ids=lambda copy: copy["name"])
def test_small_copies_of_public_sets_are_read_right(tmp_path, copy):
    folder = tmp_path / copy["name"]
    for number, file in enumerate(copy["files"]):
        save(folder / file, picture(number, high=255, dtype=np.uint8))
    for name, text in copy.get("tables", {}).items():
        (folder / name).write_text(text)
    with warnings.catch_warnings(action="ignore"):
        manifest = datasets.read_manifest(folder)
    assert sorted(manifest[["class", "patient", "split"]].to_numpy().tolist()) == sorted(copy["expected"])
    left_out = datasets.inspect([folder]).left_out.items()
    pictures_left_out = sum(count for reason, count in left_out if "no picture" not in reason)
    assert pictures_left_out == len(copy["files"]) - len(copy["expected"])


def test_a_small_copy_of_rsna_is_converted_right(tmp_path):
    for number in range(5):
        write(
            tmp_path / "rsna" / "stage_2_train_images" / f"id-{number}.dcm",
            make(picture(number), PatientID=f"id-{number}"),
        )
    rows = [f"id-{number},{['Normal', 'Lung Opacity'][number % 2]}" for number in (0, 0, 1, 2)]
    rows += ["id-4,Normal", "id-4,Lung Opacity"]
    (tmp_path / "rsna" / "stage_2_detailed_class_info.csv").write_text("\n".join(["patientId,class", *rows]))
    report = dicom.convert(tmp_path / "rsna", tmp_path / "out")
    assert report.classes == {"Lung Opacity": 1, "Normal": 2}
    rejected = (tmp_path / "out.private" / "rejected.csv").read_text()
    assert "id-3.dcm,Is not in the table of labels." in rejected
    assert "id-4.dcm,Is labelled differently by two rows." in rejected


def test_links_are_followed_once(tmp_path):
    write(tmp_path / "elsewhere" / "image", b"x")
    write(tmp_path / "set" / "b" / "other", b"x")
    (tmp_path / "set" / "a").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "b" / "up").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "gone").symlink_to(tmp_path / "nowhere")
    found = [path.relative_to(tmp_path / "set").as_posix() for path in sources.walk(tmp_path / "set")]
    assert found == ["gone", "a/image", "b/other"]


# ------------------------------------------------------------ labels


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin1"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_labels_are_read_as_spreadsheets_write_them(tmp_path, encoding, separator):
    text = "\r\n".join(separator.join(row) for row in (("Patient", "Class"), ("1", "Entzündung"), ("2", " gesund")))
    (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
    expected = ("patient", {"1": "Entzündung", "2": "gesund"})
    assert sources.read_labels.__wrapped__(tmp_path / "labels.csv") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient,class\n1,a\n2\n", "line 3: the class is missing"),
        ("patient,class\n1,a\n2,\n", "line 3: the class is missing"),
        ("patient,class\n,a\n", "line 2: the patient is missing"),
        ("patient,class\n1,a\n2,b\n1,b\n", "lines 2 and 4 contradict each other: patient 1 is 'a' and 'b'"),
        ("name,class\n1,a\n", "lacks the columns of labels"),
        ("", "lacks the columns of labels"),
    ],
)
def test_tables_of_labels_that_say_too_little_or_too_much_are_refused(tmp_path, text, message):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        sources.read_labels.__wrapped__(tmp_path / "labels.csv")


# ------------------------------------------------------------ pictures


def save(path, pixels, **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **settings)
    return path


def test_pictures_are_upright_on_black_and_as_bright_as_they_were_scanned(tmp_path):
    pixels = picture(shape=(24, 40), low=0, high=255, dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    turned = save(tmp_path / "turned.png", np.rot90(pixels), exif=exif)
    clear = Image.fromarray(np.stack([np.full_like(pixels, 255)] * 3 + [pixels], axis=-1))
    for path in (turned, save(tmp_path / "clear.png", clear), save(tmp_path / "plain.bmp", pixels)):
        np.testing.assert_allclose(datasets.read_image(path, (24, 40))[..., 0], pixels, atol=1)
    for bits in (10, 12, 14):
        deep = (pixels.astype(np.uint16) << (bits - 8)) + 3
        save(tmp_path / f"{bits}" / "a" / "deep.png", deep)
        images = datasets.read_images(tmp_path / f"{bits}").pixels[0, ..., 0]
        np.testing.assert_allclose(images / 65535, deep / (2**bits - 1), atol=1e-4)


def test_pictures_that_cannot_be_used_are_named(tmp_path, monkeypatch):
    pages = [Image.fromarray(picture(seed, dtype=np.uint8, high=255)) for seed in range(2)]
    save(tmp_path / "pages.tif", pages[0], save_all=True, append_images=pages[1:])
    save(tmp_path / "float.tif", picture().astype(np.float32))
    save(tmp_path / "large.png", picture(shape=(80, 80), dtype=np.uint8, high=255))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    for name, reason in (("pages.tif", "it holds 2"), ("float.tif", "floating point"), ("large.png", "exceeds limit")):
        with pytest.raises(ValueError, match=rf"{name} cannot be read as an image \(.*{reason}"):
            datasets.read_image(tmp_path / name, 16)


# ------------------------------------------------------------ splits


def manifest(splits, patients=None):
    count = len(splits)
    return pd.DataFrame(
        {
            "file": [f"{n}.png" for n in range(count)],
            "class": ["ab"[n % 2] for n in range(count)],
            "patient": patients or [f"p{n}" for n in range(count)],
            "split": splits,
        }
    )


def test_given_splits_are_kept_and_empty_ones_filled():
    given = manifest(["train", "train", *[""] * 8, "test", "test"])
    filled = datasets.manifests.with_splits(given, seed=0)["split"]
    assert filled[:2].tolist() == ["train", "train"] and filled[10:].tolist() == ["test", "test"]
    assert set(filled[2:10]) == {"train", "validation"}
    without = datasets.manifests.with_splits(manifest(["train"] * 10 + ["test"] * 2), seed=0)["split"]
    assert Counter(without) == {"train": 8, "validation": 2, "test": 2}
    follows = manifest(["test", "", *[""] * 10], ["p0", "p0", *(f"q{n}" for n in range(10))])
    assert datasets.manifests.with_splits(follows, seed=0)["split"][1] == "test"


def test_images_of_one_patient_alone_are_refused_with_the_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"All 4 images carry one patient, .*: name the true patients in the column"):
        datasets.manifests.with_splits(manifest([""] * 4, ["ANONYMOUS"] * 4), seed=0)
    manifest([""] * 4, ["", "a", "b", "c"]).to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.raises(ValueError, match=r"names no patient of 0\.png: fill the column, or remove it"):
        datasets.read_manifest(tmp_path)


def pictures(folder, patients, first=0):
    for number in range(first, patients):
        pixels = picture(number, shape=(96, 96), dtype=np.uint8, high=255)
        save(folder / "ab"[number % 2] / f"person{number}_virus_1.png", pixels)


def test_patients_keep_their_split_when_images_are_added(tmp_path):
    pictures(tmp_path / "set", 12)
    before = datasets.prepare([tmp_path / "set"], tmp_path / "out").set_index("file")["split"]
    pictures(tmp_path / "set", 40, first=12)
    after = datasets.prepare([tmp_path / "set"], tmp_path / "out").set_index("file")["split"]
    assert len(after) == 40 and (after[before.index] == before).all()
    assert Counter(after) == Counter(datasets.prepare([tmp_path / "set"], tmp_path / "out")["split"])


def test_validation_patients_drawn_from_a_given_training_set_stay_such(tmp_path):
    for split, numbers in (("train", range(12)), ("test", range(12, 16))):
        for number in numbers:
            pixels = picture(number, shape=(96, 96), dtype=np.uint8, high=255)
            save(tmp_path / "set" / split / "ab"[number % 2] / f"person{number}_virus_1.png", pixels)
    before = datasets.prepare([tmp_path / "set"], tmp_path / "out").set_index("patient")["split"]
    for number in range(16, 30):
        pixels = picture(number, shape=(96, 96), dtype=np.uint8, high=255)
        save(tmp_path / "set" / "train" / "ab"[number % 2] / f"person{number}_virus_1.png", pixels)
    after = datasets.prepare([tmp_path / "set"], tmp_path / "out").set_index("patient")["split"]
    assert set(before) == {"train", "validation", "test"} and (after[before.index] == before).all()


@pytest.mark.parametrize("quality", [None, 95])
def test_patients_who_share_an_image_are_in_one_split(tmp_path, quality):
    pictures(tmp_path / "set", 20)
    for number in (2, 5, 11):
        image = Image.open(tmp_path / "set" / "ab"[number % 2] / f"person{number}_virus_1.png")
        name = f"person{number + 100}_virus_1" + (".jpg" if quality else ".png")
        save(tmp_path / "set" / "a" / name, image, **({"quality": quality} if quality else {}))
    with pytest.warns(UserWarning, match="3 pairs of images are the same although their patients differ, such as"):
        table = datasets.prepare([tmp_path / "set"], tmp_path / "out").set_index("patient")["split"]
    assert len(table) == 23
    assert all(table[f"person{number}"] == table[f"person{number + 100}"] for number in (2, 5, 11))


def test_images_that_are_only_alike_are_no_copies(tmp_path, recwarn):
    body = np.zeros((90, 90), np.uint8)
    body[5:85, 10:80] = 120
    for number in range(12):
        noisy = body + np.random.default_rng(number).integers(0, 12, body.shape, dtype=np.uint8)
        noisy[20 + 3 * number : 28 + 3 * number, 30:38] = 200
        save(tmp_path / "set" / "ab"[number % 2] / f"person{number}_virus_1.png", noisy)
    assert datasets.prepare([tmp_path / "set"], tmp_path / "out")["split"].nunique() == 3
    assert not [each for each in recwarn if "are the same" in str(each.message)]


# ------------------------------------------------------------ DICOM


def test_folders_named_after_patients_are_refused_before_anything_is_written(tmp_path):
    about = {"PatientID": "0004711", "PatientName": "Schmidt^Anna"}
    for folder, refused in (("0004711", 1), ("CT_0004711_a", 1), ("Fr Schmidt", 1), ("sick", 0)):
        write(tmp_path / folder / "in" / folder / "study" / "file", make(picture(), **about))
        out = tmp_path / folder / "out"
        if refused:
            with pytest.raises(ValueError, match=r"is named after a patient, .*--labels none for one class"):
                dicom.convert(tmp_path / folder / "in", out, workers=1)
            assert not out.exists()
        else:
            assert dicom.convert(tmp_path / folder / "in", out, workers=1).classes == {"sick": 1}
    assert dicom.convert(tmp_path / "0004711" / "in", tmp_path / "out", labels="none", workers=1).classes == {"in": 1}


def test_conversion_keeps_given_splits_and_names_what_is_no_image(tmp_path):
    for number, split in enumerate(("train", "train", "test")):
        write(tmp_path / "in" / split / "sick" / f"{number}", make(picture(number), PatientID=f"P{number}"))
    write(
        tmp_path / "in" / "train" / "sick" / "scout", make(picture(5), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    )
    write(tmp_path / "in" / "train" / "sick" / "again", make(picture(3), PatientID="P2"))  # whom the test set has
    kind = "1.2.840.10008.5.1.4.1.1.481.2"
    write(tmp_path / "in" / "train" / "sick" / "dose", make(picture(6), SOPClassUID=kind, Modality="RTDOSE"))
    write(tmp_path / "in" / "train" / "sick" / os.fsdecode(b"Befund_r\xf6.txt"), b"text")
    report = dicom.convert(tmp_path / "in", tmp_path / "out", workers=1)
    table = pd.read_csv(report.manifest)
    assert (report.converted, report.rejected, set(table["class"])) == (4, 3, {"sick"})
    assert Counter(table["split"]) == {"train": 2, "test": 2}
    for reason in ("1: Is a localizer", "1: Is a dose of radiotherapy", "1: Is not DICOM"):
        assert reason in str(report)
    assert b"Befund_r\\udcf6.txt" in (tmp_path / "out.private" / "rejected.csv").read_bytes()


# ------------------------------------------------------------ folders on which earlier versions were wrong


@needs_faults
@pytest.mark.parametrize(
    ("name", "classes", "left_out"),
    [
        ("kaggle", {"NORMAL": 40, "PNEUMONIA": 40}, 0),
        ("chexpert", {"chexpert": 32}, 0),
        ("masks_beside_images", {"COVID": 6, "Normal": 6}, 12),
        ("rare_class", {"common": 200, "rare": 2}, 0),
        ("exif", {"a": 4}, 0),
    ],
)
def test_faulty_folders_of_pictures(name, classes, left_out):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        table = datasets.read_manifest(FAULTS / "folders" / name)
    assert Counter(table["class"]) == classes
    assert bool(left_out) == any(
        f"{left_out} of {len(table) + left_out} pictures" in str(each.message) for each in said
    )
    if name == "kaggle":
        assert Counter(table["split"]) == {"train": 64, "test": 16}
    if name == "chexpert":
        assert table["patient"].nunique() == 8


@needs_faults
def test_faulty_folders_of_dicom(tmp_path):
    for name, classes in (("class_signs", 5), ("hospital_cd", 1), ("ct_with_seg_and_dose", 1)):
        report = dicom.convert(FAULTS / "folders" / name, tmp_path / name, image_size=32)
        assert len(report.classes) == classes, name
        if name == "ct_with_seg_and_dose":
            assert report.converted + report.held_back == 12 and "3: Is a localizer" in str(report)
    with pytest.raises(ValueError, match="named after a patient"):
        dicom.convert(FAULTS / "folders" / "patient_folders", tmp_path / "patients")


def test_labels_of_dicom_are_not_silently_ignored_for_pictures(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(ValueError, match=r"holds pictures.*manifest\.csv.*--labels is for DICOM"):
        datasets.inspect([tmp_path], labels="labels.csv")


def test_inspect_says_what_would_be_used_and_what_not(tmp_path):
    pictures(tmp_path / "site", 6)
    save(tmp_path / "site" / "a" / "person0_virus_1_mask.png", picture(dtype=np.uint8, high=255))
    write(tmp_path / "site" / "notes.txt", b"text")
    for number in range(4):
        write(tmp_path / "cd" / "sick" / f"{number}", make(picture(number), PatientID=f"P{number // 2}"))
    write(tmp_path / "cd" / "sick" / "scout", make(picture(), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    save(tmp_path / "cd" / "viewer" / "icon.png", picture(dtype=np.uint8, high=255))
    found = datasets.inspect([tmp_path / "site", tmp_path / "cd"])
    assert found.counts().to_dict("index") == {
        ("cd", "DICOM", "sick", "not split yet"): {"images": 4, "patients": 2},
        ("site", "picture", "a", "not split yet"): {"images": 3, "patients": 3},
        ("site", "picture", "b", "not split yet"): {"images": 3, "patients": 3},
    }
    for reason in ("1: is a mask of", "1: is no picture (.txt)", "1: is a localizer", "1: is not DICOM (.png)"):
        assert reason in str(found) and reason in found._repr_html_()
    assert not (tmp_path / "cd" / "no output").exists()
