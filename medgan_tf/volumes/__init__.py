"""Volumes in: NIfTI files to slices as image files, upright, with square pixels, and with their masks beside them.

`reading` turns a file into an array whose axes are known, `slicing` makes pictures of it, `find_files` says which files
are images and which are their masks, and `convert` does a folder.
"""

from .conversion import convert
from .find_files import find_files, holds_volumes
from .reading import Volume, VolumeError, read_volume
from .slicing import PLANES, picture
