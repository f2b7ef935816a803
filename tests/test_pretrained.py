"""Every model in pretrained/ can be drawn from, and its card is about these weights and these numbers."""

import hashlib
from pathlib import Path

import pytest

from medgan_tf import figures, generators, results
from medgan_tf.reporting import model_card
from medgan_tf.studies import privacy_report

PRETRAINED = Path(__file__).parents[1] / "pretrained"
MODELS = sorted(path.parent for path in PRETRAINED.glob("*/model.json"))


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_a_published_model_draws_and_its_card_is_its_own(folder):
    model = generators.load(folder)
    images = model.sample(4, seed=0)
    assert images.shape[0] == 4 and images.std() > 10
    card = (folder / "README.md").read_text()
    assert hashlib.sha256((folder / "generator.weights.h5").read_bytes()).hexdigest() in card
    table = figures.quality_table(folder).data
    assert all(cell in card for cell in table.to_numpy().ravel())
    assert "not for diagnosis" in card and "licence of the data" in card
    published = results.read(folder)["published"]["model"]
    assert (
        privacy_report.model_card_statement(results.privacy(folder), published) in card
    )  # with the controls that were missed


def test_what_is_published_stays_small():
    assert MODELS
    assert sum(path.stat().st_size for path in PRETRAINED.rglob("*")) < 60e6


def test_the_page_says_what_the_results_say():
    """After a new export: put what `model_card.overview("pretrained")` returns between the two marks."""
    text = (PRETRAINED.parent / "docs" / "models.md").read_text()
    shown = text.split("<!-- pretrained: model_card.overview -->\n")[1].split("\n<!-- end -->")[0]
    assert shown == model_card.overview(PRETRAINED)
