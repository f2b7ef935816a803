"""What a folder of medical images is: which files count, and the class, patient and split of each, by its path alone.

`places` decides it, for pictures and for DICOM; `layouts.toml` holds the rules of public sets.
"""

from .labels import read_labels
from .layout import Place, last_splits, patient_of, places
from .names import safe_classes
from .pictures import as_16_bits, upright_grey
from .walk import walk
