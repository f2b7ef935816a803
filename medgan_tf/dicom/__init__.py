"""DICOM in, images out: one file as an image (`read_image`), folders as image files (`convert`); synthetic DICOM.

A header is parsed once (`header.Header`) and passed on: `pixels` decodes, `grey_levels` applies LUTs and windows,
`convert_file` writes. `dicom.deidentify` removes what identifies patients from whole files.
"""

from .cluster import on_dask
from .conversion import Report, convert
from .display import read_image
from .find_files import find_files, holds_dicom, identity, other_kind
from .grey_levels import WINDOWS
from .header import Header
from .parsing import DicomError
from .synthetic import synthetic_dataset, write_synthetic
