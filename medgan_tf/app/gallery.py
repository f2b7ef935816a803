"""A static gallery of a run: plain HTML pages from the app's templates, for any web host or to open from disk."""

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image
from tqdm import tqdm

from medgan_tf import datasets, figures, generators, results
from medgan_tf.app import catalogue, classifier_scores, diagram, downloads
from medgan_tf.networks.sampling import tile

from .service import load_generator

HERE = Path(__file__).parent
SHOWN = 12  # images of a model
INVERTED = 3  # held-out images that are reconstructed
STEPS = 5  # of a training that are shown, from the first sample grid to the last
MAX_WIDTH = 1200  # pixels of a figure
IMAGE_FILES = ("real.png", "figure_*.webp", *(f"*_{kind}*.png" for kind in ("class", "cover", "kimg_", "inverted_")))
# Figures without real images, by name: where real images must not be shown, all other figures are left out.
WITHOUT_REAL = ("*_training", "*_progression", "*_agreement", "*_rules", "*_truncation", "*_interpolation")
WITHOUT_REAL += ("*_directions", "*_mixing_*", "*_few_images", "quality", "quality_by_class", "classifier_calibration")
TABLES = {  # title: (table, what its rows are)
    "Quality": (figures.quality_table, "model"),
    "Ablation of the conditional GAN": (figures.ablation_table, "step"),
    "Equivariance, dB": (figures.equivariance_table, "model"),
    "Outliers": (figures.outlier_table, "model"),
}


def write(run, out, licence=""):
    """Write the gallery of a config.Run into the folder `out` and return the path of its index.html.

    Real images are shown if they are phantoms, others only with `licence`: a sentence, printed beside them, that says
    why they may be shown. Image files of an earlier gallery in `out` are deleted, because it may have been allowed to
    show more. Raises ValueError for a run without a trained model.
    """
    entries = [entry for entry in catalogue.entries().values() if entry.run_dir == run.directory and not entry.problem]
    if not entries:
        raise ValueError(f"{run.directory} has no trained model to show; run its notebooks first.")
    site = _Site(Path(out), run, [entry.directory.name for entry in entries])
    allowed = licence or ("These are phantoms, drawn by this software: no patient." if not run.data else "")
    real = datasets.load(run.images, entries[0].shape).held_out if allowed else None
    cards = [_write_model(site, entry, real) for entry in tqdm(entries, "gallery", leave=False)]
    site.write_page("gallery_figures.html", "figures.html", figures=_write_figures(site, allowed))
    site.write_page("gallery_method.html", "method.html")
    grid = site.write_grid("real", figures.pick(real.images, SHOWN), synthetic=False) if allowed else ""
    shown = {"cards": cards, "tables": _tables(run), "licence": allowed, "real": grid}
    return site.write_page("gallery.html", "index.html", sections=results.read(run.directory), **shown)


class _Site:
    """The output folder: writes pages and images into it."""

    def __init__(self, out, run, models):
        self.out, self.run = out, run
        self.links = {"Overview": "index.html"} | {name: f"{name}.html" for name in models}
        self.links |= {"Figures": "figures.html", "Method": "method.html"}
        loader = jinja2.FileSystemLoader(HERE / "templates")
        self.templates = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
        self.templates.globals["asset"] = lambda name: f"static/{name}"
        shutil.copytree(HERE / "static", out / "static", dirs_exist_ok=True)
        (out / "images").mkdir(exist_ok=True)
        for path in (path for pattern in IMAGE_FILES for path in (out / "images").glob(pattern)):
            path.unlink()

    def write_page(self, template, file, /, **content):
        navigation = [(text, link, link == file) for text, link in self.links.items()]
        text = self.templates.get_template(template).render(navigation=navigation, run=self.run, **content)
        (self.out / file).write_text(text, encoding="utf-8")
        return self.out / file

    def write_image(self, name, image, synthetic=True):
        """Write an image (H, W[, C]) uint8 and return its link; files of synthetic images say that they are."""
        data = downloads.synthetic_png(image, run=self.run.name) if synthetic else downloads.plain_png(image)
        (self.out / "images" / f"{name}.png").write_bytes(data)
        return f"images/{name}.png"

    def write_grid(self, name, images, synthetic=True):
        return self.write_image(name, tile(images, 6), synthetic)


def _write_model(site, entry, real):
    """Write the page of one model; return what the overview shows of it."""
    name, generator, rows = entry.directory.name, load_generator(entry), {}
    for label in entry.classes or [None]:
        images = generator.sample(6 if label else 2 * SHOWN, label)
        rows[label or ""] = site.write_grid(f"{name}_class{len(rows)}", images)
    card = {"entry": entry, "name": name, "link": f"{name}.html"}
    card["cover"] = site.write_grid(f"{name}_cover", generator.sample(SHOWN))
    networks = dict(zip(("Generator", "Discriminator"), diagram.architecture(entry.record), strict=True))
    inverted = _write_inverted(site, entry, generator, real) if real is not None else []
    shown = {"rows": rows, "networks": networks, "progression": _write_progression(site, entry), "inverted": inverted}
    site.write_page("gallery_model.html", card["link"], **card, **shown)
    return card


def _write_progression(site, entry):
    """[(epoch, kimg, link)] of STEPS evenly spaced sample grids of the training."""
    found, paths = [], sorted((entry.directory / "samples").glob("kimg_*.png"))
    for epoch in sorted({round(step) for step in np.linspace(0, len(paths) - 1, STEPS)} if paths else ()):
        path = paths[epoch]
        with Image.open(path) as image:
            link = site.write_image(f"{entry.directory.name}_{path.stem}", np.asarray(image))
        found.append((epoch, float(path.stem.removeprefix("kimg_")), link))
    return found


def _write_inverted(site, entry, generator, real):
    """[(ssim, psnr, link, link of the reconstruction)] of random held-out images, inverted into a StyleGAN."""
    if not entry.has_styles or real.images.dtype != np.uint8 or real.images.shape[1:] != entry.shape:
        return []
    images, steps = figures.pick(real.images, INVERTED), site.run.profile.inversion_steps
    extractor = classifier_scores.load(entry).feature_classifier
    found = generators.invert(generator, images, extractor=extractor, steps=steps)
    rows = []
    for number, (image, made) in enumerate(zip(images, found.images, strict=True)):
        name = f"{entry.directory.name}_inverted_{number}"
        links = site.write_image(f"{name}_real", image, synthetic=False), site.write_image(name, made)
        rows.append((float(found.ssim[number]), float(found.psnr[number]), *links))
    return rows


def _write_figures(site, allowed):
    """[(name, caption, link, width, height)] of the run's figures, made small enough for the web."""
    folder = site.run.directory / "figures"
    index = json.loads((folder / "index.json").read_text()) if (folder / "index.json").exists() else {}
    found = []
    for name, entry in sorted(index.items(), key=lambda item: (item[1]["notebook"], item[0])):
        if allowed or any(fnmatch(name, pattern) for pattern in WITHOUT_REAL):
            link = f"images/figure_{name}.webp"
            with Image.open(folder / f"{name}.png") as image:
                image = image.convert("RGB")
                image.thumbnail((MAX_WIDTH, 10 * MAX_WIDTH))
                image.save(site.out / link, quality=75, method=4)
            found.append((name, entry["caption"], link, *image.size))
    return found


def _tables(run):
    """{title: HTML table} of what results.json holds."""
    made = {title: (table(run), rows) for title, (table, rows) in TABLES.items()}
    named = {title: table.data.rename_axis(index=None, columns=rows) for title, (table, rows) in made.items() if table}
    return {title: table.to_html(border=0, classes="numbers") for title, table in named.items()}
