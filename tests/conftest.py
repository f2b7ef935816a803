"""What tests share: one key for pseudonyms, so that none is written to anyone's home folder, and fixtures."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

os.environ["MEDGAN_TF_KEY_FILE"] = str(Path(tempfile.mkdtemp()) / "pseudonym.key")
for threads in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(threads, "1")  # as many tests as there are cores run at a time already
SHARED = Path(__file__).parents[2] / "shared" / "data"
LONGEST = ("test_run.py", "test_training.py", "test_devices.py", "test_transfer.py", "test_augmentation.py")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--disable-quic"]


def pytest_collection_modifyitems(items):
    """Mark as slow what slow.txt names, files and tests of more than a second or so; sort the tests.

    The files that take longest come first: of two workers neither waits for the other at the end.
    """
    slow = set(Path(__file__).with_name("slow.txt").read_text().split())
    for item in items:
        file, _, name = item.nodeid.partition("::")
        if slow & {file, f"{file}::{name.partition('[')[0]}"}:
            item.add_marker(pytest.mark.slow)
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture
def shared():
    """The folder of real images and DICOM beside the repository, where there is one."""
    if not SHARED.is_dir():
        pytest.skip("the real images and DICOM (../shared/data) are not here")
    return SHARED


@pytest.fixture
def float32_again():
    """Start from a known seed, and leave no precision, seed or determinism of a test to the next."""
    import keras
    from tensorflow.python.framework.config import disable_op_determinism

    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
    disable_op_determinism()


@pytest.fixture(scope="module")
def browser():
    """Chromium, driven by Playwright; skipped where either is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        found = next(filter(None, map(shutil.which, BROWSERS)), started.chromium.executable_path)
        if not Path(found).exists():
            pytest.skip("no Chromium is installed (apt-get install chromium, or playwright install chromium)")
        opened = started.chromium.launch(executable_path=found, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def served_outputs(tmp_path_factory):
    """A folder of runs with small models, made once: tests that change it copy it first."""
    from app_models import write_runs

    return write_runs(tmp_path_factory.mktemp("served"))


@pytest.fixture
def served(served_outputs, tmp_path, monkeypatch):
    """The folder of runs that the app serves, without those of pretrained/."""
    from medgan_tf import config

    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(served_outputs))
    monkeypatch.setattr(config.runs, "PRETRAINED", tmp_path / "pretrained")
    return served_outputs


@pytest.fixture(scope="session")
def service():
    """One service for all tests of the app, so that each model is loaded once."""
    from medgan_tf.app.service import Service

    made = Service()
    yield made
    made.close()


@pytest.fixture
def new_client(served, monkeypatch):
    """A function: a client of an app with a Service of its own, which serves `outputs` if they are given."""
    from medgan_tf.app import server
    from medgan_tf.app.service import Service

    services = []

    def make(outputs=served):
        monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(outputs))
        services.append(Service())
        return server.create_app(services[-1], rate="").test_client()

    yield make
    for service in services:
        service.close()


@pytest.fixture
def client(served, service, tmp_path):
    """A client of the app without rate limit."""
    from medgan_tf.app import ratings, server

    return server.create_app(service, ratings.Ratings(tmp_path / "ratings.sqlite3"), rate="").test_client()
