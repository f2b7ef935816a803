"""Which files of a folder are volumes, whose they are, and which are masks of others."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from medgan_tf.sources import places, safe_classes, walk

SUFFIX = re.compile(r"\.(nii(\.gz)?|hdr(\.gz)?)$", re.IGNORECASE)
# Behind the name of a subject: the sequence, as in BraTS, the number of a channel, as in nnU-Net, or that it is a mask.
SEQUENCE = re.compile(
    r"(.+?)[_.-](?:t1\w*|t2\w*|flair|pd|dwi|adc|swi|bold|ct|mri?|pet|(?<=[0-9].)000[0-9]"
    r"|(?P<mask>seg\w*|masks?|labels?|lesions?))",
    re.IGNORECASE,
)
BIDS = re.compile(r"(?:^|[_/])(sub-[a-z0-9]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """A volume that is to be sliced."""

    class_name: str
    subject: str  # whoever the file is of
    split: str
    mask: str | None  # path of the volume that is its mask


def find_files(sources, ignored=()):
    """({absolute path: Source}, {absolute path: why it is left out}) of all files in `sources`, folders or files.

    Raises FileNotFoundError or ValueError where there is nothing to find.
    """
    found, left_out = {}, {}
    for source in map(Path, sources):
        if not source.exists():
            raise FileNotFoundError(f"{source} does not exist: give a folder of NIfTI files, or one file.")
        root = source.resolve() if source.is_dir() else source.resolve().parent
        stems = {}
        for path in walk(source, ignored):
            if SUFFIX.search(path.name):
                stems[SUFFIX.sub("", path.relative_to(root).as_posix())] = path
            elif path.suffix.lower() != ".img" or not path.with_suffix(".hdr").exists():
                left_out[str(path)] = "is no NIfTI volume"
        known = places(stems, root.name)
        masks = {stem for stem, place in known.items() if place.left_out or _is_mask(stem, stems)}
        for stem, path in stems.items():
            if stem in masks:
                left_out[str(path)] = "is a mask of another volume"
                continue
            mask = next((str(stems[each]) for each in sorted(masks) if subject_of(each) == subject_of(stem)), None)
            place = known[stem]
            found[str(path)] = Source(place.class_name, place.patient or subject_of(stem), place.split, mask)
    if not found:
        raise ValueError(f"There are no NIfTI volumes in {', '.join(map(str, sources))}.")
    safe = safe_classes(each.class_name for each in found.values())
    return {path: Source(safe[each.class_name], *_rest(each)) for path, each in found.items()}, left_out


def _rest(source):
    return source.subject, source.split, source.mask


def subject_of(stem):
    """Whose volume it is, by its path without suffix: the subject of BIDS, or the name without that of the sequence.

    >>> subject_of("brats/pat0005_flair"), subject_of("sub-03/anat/sub-03_T1w")
    ('pat0005', 'sub-03')
    """
    if bids := BIDS.search(stem):
        return bids[1]
    name = PurePosixPath(stem).name
    parts = SEQUENCE.fullmatch(name)
    return parts[1] if parts else name


def _is_mask(stem, stems):
    """Whether a name ends like a mask's, and a volume of the same subject lies beside it."""
    parts, folder = SEQUENCE.fullmatch(PurePosixPath(stem).name), PurePosixPath(stem).parent
    return bool(parts and parts["mask"]) and any(
        other != stem and PurePosixPath(other).parent == folder and subject_of(other) == subject_of(stem)
        for other in stems
    )


def holds_volumes(folder):
    """Whether a folder holds NIfTI files."""
    return any(SUFFIX.search(path.name) for path in walk(folder))
