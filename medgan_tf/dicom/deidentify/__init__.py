"""De-identify DICOM files by the Basic Application Level Confidentiality Profile (DICOM PS3.15, Annex E).

`deidentify` processes folders, `clean` one dataset, and `compare` shows what became of each attribute.
"""

from .compare_headers import compare
from .deidentification import Report, deidentify
from .profile import METHODS, clean
