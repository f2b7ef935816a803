"""One key for pseudonyms in all tests, so that none is written to the home folder of who runs them."""

import os
import tempfile
from pathlib import Path

import pytest

os.environ["MEDGAN_TF_KEY_FILE"] = str(Path(tempfile.mkdtemp()) / "pseudonym.key")
SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def shared():
    """The folder of real images and DICOM beside the repository, where there is one."""
    if not SHARED.is_dir():
        pytest.skip("the real images and DICOM (../shared/data) are not here")
    return SHARED
