"""A static gallery of a run: plain pages from the app's own templates, for any host or none."""

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image
from tqdm import tqdm

from medgan_tf import datasets, figures, generators, results
from medgan_tf.app import catalogue, diagram, downloads, opinions
from medgan_tf.generators import inversion
from medgan_tf.networks.sampling import tile

HERE = Path(__file__).parent
SHOWN = 12  # pictures of a model
INVERTED = 3  # held-out images that are brought back
PICTURES = ("real.png", "figure_*.webp", *(f"*_{kind}*.png" for kind in ("class", "cover", "kimg_", "inverted_")))
STEPS = 5  # of a progression, from the first grid to the last
WIDEST = 1200  # pixels of a figure
# Figures that hold no real image, by name; where real images may not be shown, no other figure is.
WITHOUT_REAL = ("*_training", "*_progression", "*_agreement", "*_rules", "*_truncation", "*_interpolation")
WITHOUT_REAL += ("*_directions", "*_mixing_*", "*_few_images", "quality", "quality_by_class", "classifier_calibration")
TABLES = {
    "Quality": figures.quality_table,
    "Ablation of the conditional GAN": figures.ablation_table,
    "Equivariance, dB": figures.equivariance_table,
    "Outliers": figures.outlier_table,
}

FIRST = {"Ablation of the conditional GAN": "step"}  # what the rows of a table are, where they are no models


def write(run, out, licence=""):
    """Write index.html, a page a model, figures.html and method.html of a config.Run into folder `out`; its index.

    Everything is read from the run or drawn with fixed seeds. Real images appear only where they may: phantoms always,
    others with `licence`, a sentence that says why, which is printed with them. Pictures of an earlier gallery in `out`
    are removed. Raises ValueError for a run without a
    trained model.
    """
    entries = [entry for entry in catalogue.entries().values() if entry.run_dir == run.directory and not entry.problem]
    if not entries:
        raise ValueError(f"{run.directory} has no trained model to show; run its notebooks first.")
    out = Path(out)
    for folder in ("static", "images"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for pattern in PICTURES:  # of an earlier gallery there, which may have been allowed to show more
        for path in (out / "images").glob(pattern):
            path.unlink()
    for path in (HERE / "static").iterdir():
        shutil.copy(path, out / "static" / path.name)
    allowed = licence or ("These are phantoms, drawn by this software: no patient." if not run.data else "")
    real = datasets.load(run.images, entries[0].size).held_out if allowed else None
    site = _Site(out, run, [entry.directory.name for entry in entries])
    cards = [_model(site, entry, real) for entry in tqdm(entries, "gallery", unit="model", leave=False)]
    shared = {"real": site.grid("real", figures.pick(real.images, SHOWN), False) if allowed else "", "licence": allowed}
    site.page("gallery_figures.html", "figures.html", figures=_figures(site, allowed))
    site.page("gallery_method.html", "method.html")
    sections = results.read(run.directory)
    tables = _tables(run)
    return site.page("gallery.html", "index.html", cards=cards, sections=sections, tables=tables, **shared)


class _Site:
    """The folder, and how pages and pictures get into it."""

    def __init__(self, out, run, models):
        self.out, self.run = out, run
        self.links = {"Overview": "index.html"} | {name: f"{name}.html" for name in models}
        self.links |= {"Figures": "figures.html", "Method": "method.html"}
        loader = jinja2.FileSystemLoader(HERE / "templates")
        self.templates = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
        self.templates.globals["asset"] = lambda name: f"static/{name}"

    def page(self, template, file, /, **content):
        navigation = [(text, link, link == file) for text, link in self.links.items()]
        text = self.templates.get_template(template).render(navigation=navigation, run=self.run, **content)
        (self.out / file).write_text(text, encoding="utf-8")
        return self.out / file

    def picture(self, name, image, synthetic=True):
        """Write an image (H, W[, 1]) uint8 and return its link; synthetic ones say so in their file."""
        data = downloads.png(image, run=self.run.name) if synthetic else downloads.plain_png(image)
        (self.out / "images" / f"{name}.png").write_bytes(data)
        return f"images/{name}.png"

    def grid(self, name, images, synthetic=True):
        return self.picture(name, tile(images, 6), synthetic)


def _model(site, entry, real):
    """Write the page of one model; what the overview says of it."""
    name, generator = entry.directory.name, generators.load(entry.directory)
    rows = {}
    for label in generator.classes or [None]:
        drawn = generator.sample(6 if label else 2 * SHOWN, label, seed=0)
        rows[label or ""] = site.grid(f"{name}_class{len(rows)}", drawn)
    networks = dict(zip(("Generator", "Discriminator"), diagram.architecture(entry.record), strict=True))
    card = {"entry": entry, "name": name, "link": f"{name}.html", "rows": rows, "networks": networks}
    card["cover"] = site.grid(f"{name}_cover", generator.sample(SHOWN, seed=0))
    card["progression"] = _progression(site, entry)
    card["inverted"] = _inverted(site, entry, generator, real) if real is not None else []
    site.page("gallery_model.html", card["link"], **card)
    return card


def _progression(site, entry):
    """[(epoch, kimg, link)] of STEPS sample grids of the training, evenly apart."""
    found, paths = [], sorted((entry.directory / "samples").glob("kimg_*.png"))
    for epoch in sorted({round(step) for step in np.linspace(0, len(paths) - 1, STEPS)} if paths else ()):
        path = paths[epoch]
        with Image.open(path) as image:
            link = site.picture(f"{entry.directory.name}_{path.stem}", np.asarray(image.convert("L")))
        found.append((epoch, float(path.stem.removeprefix("kimg_")), link))
    return found


def _inverted(site, entry, generator, real):
    """[(ssim, psnr, link, link of the reconstruction)] of held-out images, drawn at random, in a StyleGAN's latents."""
    if not entry.styles or real.images.dtype != np.uint8 or real.images.shape[1:3] != entry.sides:
        return []
    images = figures.pick(real.images, INVERTED)
    found = inversion.invert(
        generator, images, opinions.load(entry).feature_classifier, steps=site.run.profile.inversion_steps
    )
    rows = []
    for number, (image, made) in enumerate(zip(images, found.images, strict=True)):
        name = f"{entry.directory.name}_inverted_{number}"
        links = site.picture(f"{name}_real", image, synthetic=False), site.picture(name, made)
        rows.append((float(found.ssim[number]), float(found.psnr[number]), *links))
    return rows


def _figures(site, allowed):
    """[(name, caption, link, width, height)] of the run's figures, small enough for the web."""
    folder = site.run.directory / "figures"
    index = json.loads((folder / "index.json").read_text()) if (folder / "index.json").exists() else {}
    found = []
    for name, entry in sorted(index.items(), key=lambda item: (item[1]["notebook"], item[0])):
        if allowed or any(fnmatch(name, pattern) for pattern in WITHOUT_REAL):
            with Image.open(folder / f"{name}.png") as image:
                image = image.convert("RGB")
                image.thumbnail((WIDEST, 10 * WIDEST))
                image.save(site.out / "images" / f"figure_{name}.webp", quality=75, method=4)
            found.append((name, entry["caption"], f"images/figure_{name}.webp", *image.size))
    return found


def _tables(run):
    """{title: HTML} of what results.json holds."""
    tables = {title: table(run) for title, table in TABLES.items()}
    return {
        title: table.data.rename_axis(index=None, columns=FIRST.get(title, "model")).to_html(
            border=0, classes="numbers"
        )
        for title, table in tables.items()
        if table is not None
    }
