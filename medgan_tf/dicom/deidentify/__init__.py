"""What leaves the hospital: DICOM files by the Basic Application Level Confidentiality Profile (DICOM PS3.15, Annex
E).
"""

from .comparison import compare
from .files import Report, deidentify
from .profile import METHODS, clean

__all__ = ["METHODS", "Report", "clean", "compare", "deidentify"]
