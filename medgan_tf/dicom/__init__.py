"""DICOM in: one file to grey levels (`read_image`), folders to images (`convert`). Synthetic DICOM out."""

from .cluster import on_dask
from .conversion import Report, convert
from .greyscale import WINDOWS
from .reading import DicomError, read_image
from .synthetic import synthetic, write_synthetic

__all__ = ["WINDOWS", "DicomError", "Report", "convert", "on_dask", "read_image", "synthetic", "write_synthetic"]
