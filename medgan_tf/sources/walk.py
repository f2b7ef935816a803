"""Every file below a folder once, also behind links."""

import os
from pathlib import Path

SYSTEM = ("__MACOSX", "$RECYCLE.BIN", "System Volume Information")


def walk(source, ignored=()):
    """Yield the absolute paths of all files below `source`, sorted by folder, or of itself where it is a file.

    Links are followed, but no folder is entered twice, so that a link to a folder above ends. Hidden folders and those
    of operating systems are left out, and so are the folders in `ignored`.
    """
    source = Path(source).resolve()
    if not source.is_dir():
        yield source
        return
    seen, ignored = set(), {Path(folder).resolve() for folder in ignored}
    for folder, subfolders, names in os.walk(source, followlinks=True):
        real = Path(folder).resolve()
        if real in seen or real in ignored:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith(".") and name not in SYSTEM)
        yield from (Path(folder, name) for name in sorted(names))
