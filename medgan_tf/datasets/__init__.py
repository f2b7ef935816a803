"""Reads image folders and splits them by patient.

`load` reads a prepared folder with its splits, `read_images` any folder, manifest or .npy file as one `ImageSet`;
`inspect` says what a folder holds, `prepare` and `write_manifest` write manifest.csv, `download` fetches public sets.
"""

from .encoding import match_encoding, reencode
from .image_dataset import ImageDataset, load
from .image_set import ImageSet, join
from .inspection import Inspection, inspect
from .manifests import SPLITS, assign_splits, read_manifest, summary, write_manifest
from .prepare import prepare
from .reading import is_image_folder, read_at_one_size, read_image, read_images
