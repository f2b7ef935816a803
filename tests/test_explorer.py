"""The Streamlit explorer without a browser; skipped if Streamlit is not installed."""

from pathlib import Path

import pytest

import medgan_tf.app

FILE = Path(medgan_tf.app.__file__).with_name("explorer.py")


@pytest.fixture
def page(served):
    testing = pytest.importorskip("streamlit.testing.v1", reason="streamlit is not installed (extra: explore).")
    return testing.AppTest.from_file(str(FILE), default_timeout=120)


def test_explorer_generates_compares_and_explains_missing_measurements(page):
    page.run()
    assert not page.exception
    assert "Synthetic, research only" in page.warning[0].value
    assert [tab.label for tab in page.tabs] == ["Generate", "Scenarios", "Measure"]
    page.selectbox[0].set_value("trained/stylegan2").run()
    assert not page.exception
    assert "truncation 0.5" in " ".join(text.value for text in page.markdown)
    assert "nothing can be measured" in page.info[0].value  # this run has no images
