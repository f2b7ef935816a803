"""The class, patient and split of each file of a set, by the paths of all of them."""

import re
import tomllib
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from .published import find_label

LAYOUTS = [
    (layout["name"], re.compile(rf"(?:(?P<before>.*)/)?{layout['path']}", re.IGNORECASE))
    for layout in tomllib.loads(Path(__file__).with_name("layouts.toml").read_text())["layout"]
]
SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training", "trn", "train_images", "stage_2_train_images"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "tuning", "val_images"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "test_images", "stage_2_test_images"), "test"),
}
IMAGE_FOLDERS = {"images", "image", "imgs", "img", "pictures", "png", "jpg", "jpeg", "dicom", "dcm", "data", "raw"}
MASK_FOLDER = re.compile(
    r".*masks?|.*segmentations?|segs?|.*annotations?|.*ground[ _-]?truths?|gt|labels?(?:tr|ts)?|overlays?|contours?"
    r"|.*[ _-](?:seg|gt|label)s?",
    re.IGNORECASE,
)
MASK_NAME = re.compile(r"(.+?)[ _.-]*(?:masks?|seg|segmentation|label|gt|annotation|contour)(?:[ _-]?\d+)?", re.I)


@dataclass(frozen=True)
class Place:
    """What the path of a file says of it."""

    class_name: str  # as the folder is called; the name of the source where no folder names a class
    patient: str = ""  # "" where the path does not tell
    split: str = ""  # train, validation, test or ""
    left_out: str = ""  # why it is no image of the set


def places(files, source_name, labels=None):
    """{file: Place} of the files of one source, given as paths relative to it with "/" between folders.

    Folders named after splits give the split, "images" and the like say nothing, masks beside images are left out. What
    then is the first folder is the class, unless `labels`, those of `published_labels`, name most of the files. A
    patient is in one split, see `last_splits`.

    >>> places(["train/NORMAL/IM-1-1.jpeg", "test/NORMAL/IM-2-1.jpeg"], "kaggle")["test/NORMAL/IM-2-1.jpeg"]
    Place(class_name='NORMAL', patient='im-2', split='test', left_out='')
    """
    files = list(files)
    masks = _masks(files)
    parts = {file: [*PurePosixPath(file).parts] for file in files}
    split_of = _take_splits({file: parts[file] for file in files if file not in masks})
    found = {}
    for file in files:
        *folders, name = parts[file]
        patient, rest = _known(folders, name)
        if patient:  # a layout that names patients below a split names no class there
            rest = [folder for folder in rest if folder.casefold() not in SPLIT_FOLDERS]
        left_out = "is a mask of another image" if file in masks else ""
        found[file] = Place(_class_folder(rest) or source_name, patient, split_of.get(file, ""), left_out)
    named = {file: find_label(labels or {}, file, source_name) for file in files if file not in masks}
    if sum(map(bool, named.values())) > len(named) / 2:
        for file, label in named.items():
            class_name, patient, reason = label or ("", "", "is not in the table of labels")
            patient = found[file].patient or patient
            found[file] = replace(found[file], class_name=class_name, patient=patient, left_out=reason)
    last = last_splits((place.patient, place.split) for place in found.values() if place.patient)
    return {file: replace(place, split=last.get(place.patient, place.split)) for file, place in found.items()}


def last_splits(pairs):
    """{patient: split} of pairs (patient, split), each patient with the last split of train, validation and test.

    Public sets have patients in several splits: on none of the images of a patient may a model be trained whose others
    it is measured on.
    """
    last = {}
    for patient, split in pairs:
        last[patient] = max(last.get(patient, ""), split, key=("", "train", "validation", "test").index)
    return last


def _class_folder(folders):
    """The first folder that says more than "images"; "" where there is none, or where such a one holds a tree."""
    telling = [folder for folder in folders if folder.casefold() not in IMAGE_FOLDERS]
    is_tree = len(telling) > 1 and folders[0] not in telling
    return "" if is_tree or not telling else telling[0]


def patient_of(file):
    """The patient that the path of a file of a public set names, or the file itself if it follows no known pattern."""
    path = PurePosixPath(file)
    return _known(path.parts[:-1], path.name)[0] or file


def _known(folders, name):
    """(patient, folders in front of those that a layout explains); ("", all folders) where no layout fits."""
    path = "/".join([*folders, PurePosixPath(name).stem])
    for _, pattern in LAYOUTS:
        if found := pattern.fullmatch(path):
            before = found["before"]
            return found["patient"].lower(), before.split("/") if before else []
    return "", list(folders)


def _masks(files):
    """The files that are masks of other images: in a folder of masks beside one of images, or by their names."""
    masks, folders = set(), defaultdict(set)
    for file in files:
        path = PurePosixPath(file)
        folders[path.parent].add(path.stem)
    for file in files:
        path = PurePosixPath(file)
        of_mask = next((index for index, part in enumerate(path.parts[:-1]) if MASK_FOLDER.fullmatch(part)), None)
        if of_mask is not None:
            above = PurePosixPath(*path.parts[:of_mask])
            if any(_is_image_below(folder, above) for folder in folders):
                masks.add(file)
        named = MASK_NAME.fullmatch(path.stem)
        if named and named[1] in folders[path.parent] - {path.stem}:
            masks.add(file)
    return masks


def _is_image_below(folder, above):
    """Whether a folder of files lies below `above`, or is it, and is no folder of masks there."""
    return above in (folder, *folder.parents) and not any(
        MASK_FOLDER.fullmatch(part) for part in folder.relative_to(above).parts
    )


def _take_splits(parts):
    """Remove the folders that are splits from `parts` {file: parts of its path}; return {file: split}.

    They are on the first or second level, and all folders of that level are such. A folder that holds nothing but them
    is removed as well: "chest_xray/train/NORMAL" has the class NORMAL.
    """
    for level in range(2):
        names = {each[level].casefold() for each in parts.values() if len(each) > level + 1}
        deep = all(len(each) > level + 1 for each in parts.values())
        if names and deep and names <= SPLIT_FOLDERS.keys() and len({SPLIT_FOLDERS[name] for name in names}) > 1:
            split_of = {file: SPLIT_FOLDERS[each.pop(level).casefold()] for file, each in parts.items()}
            if level and len({each[0] for each in parts.values()}) == 1:
                for each in parts.values():
                    each.pop(0)
            return split_of
    return {}
