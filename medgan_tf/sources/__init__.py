"""What a folder of medical images is: which files count, and the class, patient and split of each.

`places` decides it for pictures and for DICOM, by their paths or by the table of labels of a public set
(`published_labels`); `layouts.toml` holds what is known of public sets.
"""

from .labels import read_labels
from .layout import Place, last_splits, patient_of, places
from .names import safe_classes
from .pictures import as_16_bits, displayed, is_coloured, shows_colour, upright
from .published import published_labels
from .walk import walk
