"""Image folders and manifests to patient-level splits and to batches that can resume at any image."""

from .images import Images, Split, join, load, read_folder, read_image
from .manifests import (
    SPLITS,
    assign_splits,
    check_splits,
    holds_images,
    patient_of,
    prepare,
    read_manifest,
    summary,
)

__all__ = [
    "SPLITS",
    "Images",
    "Split",
    "assign_splits",
    "check_splits",
    "holds_images",
    "join",
    "load",
    "patient_of",
    "prepare",
    "read_folder",
    "read_image",
    "read_manifest",
    "summary",
]
