"""DICOM in: one file to grey levels (`read_image`), folders of them to images with a manifest (`convert`)."""

from .conversion import Report, convert
from .greyscale import WINDOWS
from .reading import DicomError, read_image

__all__ = ["WINDOWS", "DicomError", "Report", "convert", "read_image"]
