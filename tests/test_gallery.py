"""The static gallery: every link resolves from disk, and real images are shown only where they may be."""

import re
import shutil
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from app_models import CLASSES, discs
from PIL import Image

from medgan_tf import config, figures, networks
from medgan_tf.app import diagram, gallery


@pytest.fixture
def run(served, tmp_path, monkeypatch):
    """The trained run with images, figures, and sample grids of a training."""
    shutil.copytree(served / "trained", tmp_path / "trained")
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path))
    found = config.find_run("trained")
    images, labels = discs(24, 2)
    rows = []
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = found.images / CLASSES[label] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
        split = ("train", "validation", "test")[number % 3]
        rows.append(
            {"file": path.relative_to(found.images), "class": CLASSES[label], "patient": number, "split": split}
        )
    pd.DataFrame(rows).to_csv(found.images / "manifest.csv", index=False)
    samples = found.model("cgan") / "samples"
    samples.mkdir()
    for kimg in range(0, 18, 2):
        Image.fromarray(np.full((64, 128), 10 * kimg, np.uint8)).save(samples / f"kimg_{kimg:010.3f}.png")
    for name in ("cgan_progression", "cgan_classes"):
        figures.show(found, "04_cgan", figures.grids({"pictures": images[:8]}, name, f"About {name}."))
    return found


def links(folder):
    for page in folder.glob("*.html"):
        text = page.read_text()
        assert not re.search(r'(?:src|href)="(?:https?:|//|/)', text), page
        for link in re.findall(r'(?:src|href)="([^"]*)"', text):
            yield page, unquote(link)


def test_every_link_resolves_and_every_model_has_a_page(run, tmp_path):
    index = gallery.write(run, tmp_path / "out")
    for page, link in links(index.parent):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.is_file(), f"{page.name}: {link}"
        if anchor:
            assert f'id="{anchor}"' in target.read_text()
    names = {path.name for path in index.parent.glob("*.html")}
    assert names == {"index.html", "figures.html", "method.html", "cgan.html", "dcgan.html", "stylegan2.html"}
    assert sum(path.stat().st_size for path in index.parent.rglob("*")) < 10 * 2**20
    card = (index.parent / "cgan.html").read_text()
    assert "1.25 [1.00, 1.50]" in card
    assert card.count("thousand images seen.") == gallery.STEPS
    shown = sorted(path.stem for path in (index.parent / "images").glob("cgan_kimg_*.png"))
    assert shown == [f"cgan_kimg_{kimg:010.3f}" for kimg in (0, 4, 8, 12, 16)]
    assert "1.25 [1.00, 1.50]" in index.read_text()
    style = (index.parent / "stylegan2.html").read_text()
    assert style.count("data-compare") == gallery.INVERTED
    assert Image.open(index.parent / "images" / "cgan_cover.png").text["Title"].startswith("Synthetic")


def test_real_images_are_shown_only_where_they_may_be(run, tmp_path):
    private = config.Run(run.name, run.profile, (tmp_path,))
    closed = gallery.write(private, tmp_path / "closed").parent
    assert not list((closed / "images").glob("*real*"))
    text = "".join(page.read_text() for page in closed.glob("*.html"))
    assert "cgan_progression" in text
    assert "cgan_classes" not in text
    assert "data-compare" not in text
    opened = gallery.write(private, tmp_path / "opened", "CC BY 4.0, Discs 2026").parent
    assert (opened / "images" / "real.png").is_file()
    assert "CC BY 4.0, Discs 2026" in (opened / "index.html").read_text()
    assert "cgan_classes" in (opened / "figures.html").read_text()
    (opened / "images" / "mine.png").touch()
    gallery.write(private, opened)
    assert not list((opened / "images").glob("*real*")) and (opened / "images" / "mine.png").exists()
    assert {path.name for path in (opened / "images").iterdir()} == {
        "mine.png",
        *(path.name for path in (closed / "images").iterdir()),
    }


def test_a_run_without_models_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path))
    with pytest.raises(ValueError, match="has no trained model"):
        gallery.write(config.open_run("r", "smoke"), tmp_path / "out")


def test_diagrams_show_the_path_through_the_networks():
    generator, discriminator = networks.build("dcgan", 32, base_filters=4, latent_dim=8)
    shapes = diagram.stages(generator)
    assert shapes[0] == (8,)
    assert [shape for shape in shapes if len(shape) == 3] == [(4, 4, 16), (8, 8, 8), (16, 16, 4), (32, 32, 1)]
    assert diagram.stages(discriminator)[0] == (32, 32, 1)
    assert diagram.stages(discriminator)[-1] == (1,)
    drawing = diagram.draw(shapes, "A <generator>")
    assert drawing.count('class="map"') == 4
    assert "A &lt;generator&gt;" in drawing


@pytest.mark.parametrize("architecture", ["gan", "pggan", "stylegan2", "stylegan3"])
def test_every_architecture_has_a_diagram(architecture):
    record = {"image_size": 32, "classes": CLASSES, "conditional": architecture != "gan"}
    record["settings"] = {"architecture": architecture, "network": {}}
    if architecture.startswith("stylegan"):
        record["settings"]["network"] = {"latent_dim": 12, "channel_base": 256, "channel_max": 16, "mapping_layers": 2}
    generator, discriminator = diagram.architecture(record)
    assert "32 × 32" in generator
    assert "32 × 32" in discriminator
