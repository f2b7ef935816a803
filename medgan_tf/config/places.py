"""Where the notebooks, the published models and outputs/ are: in a clone of the repository, or installed as a wheel."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
IN_CLONE = (PACKAGE.parent / "pyproject.toml").is_file()
# The folder of notebooks/, pretrained/ and docs/; a wheel has what is needed of it in the package.
ROOT = PACKAGE.parent if IN_CLONE else PACKAGE / "shipped"
NOTEBOOKS, PRETRAINED = ROOT / "notebooks", ROOT / "pretrained"


def outputs():
    """The folder that MEDGAN_TF_OUTPUTS names; else outputs/ in the clone, or in the working directory of a wheel."""
    return Path(os.environ.get("MEDGAN_TF_OUTPUTS", (ROOT if IN_CLONE else Path.cwd()) / "outputs"))
