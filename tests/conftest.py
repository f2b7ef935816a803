"""What tests share: one key for pseudonyms, so that none is written to anyone's home folder, and fixtures."""

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


@pytest.fixture
def float32_again():
    """Start from a known seed, and leave no precision or seed of a test to the next."""
    import keras

    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
