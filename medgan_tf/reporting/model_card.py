"""Exports a trained generator for others: averaged weights in float16, its record, and a model card."""

import shutil
import tempfile
from pathlib import Path

import h5py
import jinja2
import numpy as np
import pandas as pd

from medgan_tf import config, datasets, figures, files, generators, networks, results
from medgan_tf.datasets import image_hashes
from medgan_tf.figures.cells import cell, cells
from medgan_tf.studies import privacy_report
from medgan_tf.training import checkpoint

TEMPLATES = Path(__file__).parent / "templates"
CHECKED = 64  # images compared before and after rounding to half precision
SMALL = 3e6  # bytes: a repository keeps every version of a file for ever, so a larger discriminator is left out
SHOWN = 16  # images in the picture of the card, of seed 0
PARTS = ("training", "quality", "classes", "agreement", "privacy", "outliers")  # kinds of sections of all models
OF_RUN = ("environment", "data", "feature_classifier", "agreement/real, held out", "calibration/label_classifier")
CLASSIFIERS = ("feature_classifier", "label_classifier")


def export(run, name, out, data, licence=None, objections=""):
    """Export the model `name` of a config.Run to the folder `out`; return the path of its card.

    The folder gets generator.weights.h5 (float16), model.json, README.md (the card), the results of all measured models
    of the run, and pictures of samples and training; for the app's confidence and outlier scores the run's classifiers;
    so that other trainings can begin with the model, also hashes of its training images and, if it is small,
    discriminator.weights.h5 (float16). The hashes do not give an image back,
    but tell who has it that the model was trained on it; the discriminator helps them to guess that without hashes.
    data, licence: sentences for the card; without a licence neither weights nor images nor hashes are exported.
    objections: what looks wrong in the images. Raises ValueError where the model was not trained or not measured.
    """
    source, out = run.model(name), Path(out)
    model = generators.load(source)
    sections = results.read(run.directory)
    missing = [part for part in ("training", "quality") if f"{part}/{name}" not in sections]
    if missing:
        raise ValueError(f"{run.directory}/results.json has no {missing[0]} of {name}: run its notebook and 06.")
    out.mkdir(parents=True, exist_ok=True)
    weights = _export_weights(source, model, out) | _export_classifiers(run.directory, out) if licence else {}
    figures.over_training(run, [name]).plot.savefig(out / "training.png", dpi=100)
    kinds = sorted({part.split("/")[0] for part in sections if part.startswith("quality")})
    train = datasets.load(run.images, config.shape(model.record["image_size"])).train
    quality = results.quality(run.directory)
    loader = jinja2.Environment(undefined=jinja2.StrictUndefined, loader=jinja2.FileSystemLoader(TEMPLATES))
    text = loader.get_template("model_card.md").render(
        title=out.name,
        record=model.record,
        in_pixels=config.in_pixels,
        sides=config.sides(model.record["image_size"]),
        data=data,
        licence=licence,
        images=len(train),
        patients=len(set(train.patients)),
        classes=model.classes,
        training=sections[f"training/{name}"],
        environment=sections["environment"],
        parameters=model.network.count_params(),
        first=quality[quality["model"] == name].iloc[0],
        beside=", ".join(other for other in quality["model"].unique() if other != name),
        measured=[_with_features(results.quality(run.directory, kind), name) for kind in kinds],
        agreement=_agreement(results.table(run.directory, "agreement"), name),
        by_class=_by_class(results.table(run.directory, "classes"), name),
        objections=objections,
        shown=SHOWN,
        privacy=privacy_report.model_card_statement(results.privacy(run.directory), name),
        **weights,
    )
    results.write(out, "published", {"model": name})
    measured = [f"{part}/{each}" for part in {*PARTS, *kinds} for each in quality["model"].unique()]
    for section in (*OF_RUN, *(f"privacy/{control}" for control in privacy_report.CONTROLS), *measured):
        if section in sections:
            results.write(out, section, sections[section])
    (out / "README.md").write_text(text)
    return out / "README.md"


def _export_weights(source, model, out):
    """Write what the licence allows: weights, record, hashes, samples. Return what the card says of them."""
    shutil.copy(source / "model.json", out / "model.json")
    _halve(source / "generator.weights.h5", out / "generator.weights.h5")
    hashes = (source / image_hashes.FILE).exists()
    if hashes:
        shutil.copy(source / image_hashes.FILE, out / image_hashes.FILE)
    published = generators.load(out)
    before, after = (each.sample(CHECKED, seed=0).astype(int) for each in (model, published))
    figures.grids({"": published.sample(SHOWN, seed=0)}, "samples", "").plot.savefig(out / "samples.png", dpi=150)
    return {
        "difference": int(np.abs(before - after).max()),
        "digest": files.sha256_of_file(out / "generator.weights.h5"),
        "discriminator": _export_discriminator(source, model.record, out),
        "hashes": image_hashes.FILE if hashes else None,
    }


def _export_classifiers(directory, out):
    """Copy the classifiers of a run, with the features of its training images. Return what the card says of them."""
    folders = [folder for name in CLASSIFIERS if (folder := config.classifier_folder(directory, name)).is_dir()]
    for folder in folders:
        shutil.copytree(folder, out / folder.name, dirs_exist_ok=True)
    return {"classifiers": [folder.name for folder in folders]}


def _export_discriminator(source, record, out):
    """Write discriminator.weights.h5 as it was after the last step, in float16; return its SHA-256.

    None where the training left no checkpoint, and where the file would be larger than SMALL.
    """
    if not (source / checkpoint.STATE).exists():
        return None
    settings, classes = record["settings"], len(record["classes"]) if record["conditional"] else 0
    _, discriminator = networks.build(settings["architecture"], record["image_size"], classes, **settings["network"])
    if 2 * discriminator.count_params() > SMALL:
        return None
    state, target = checkpoint.read(source / checkpoint.STATE), out / checkpoint.DISCRIMINATOR
    discriminator.set_weights([state[name] for name in sorted(state) if name.startswith("discriminator/")])
    with tempfile.TemporaryDirectory() as folder:
        discriminator.save_weights(Path(folder) / target.name)
        _halve(Path(folder) / target.name, target)
    return files.sha256_of_file(target)


def overview(folder):
    """What docs/models.md shows of the published models below `folder`: Markdown, read from their results.json.

    A row for each model, and below it one for each that was trained on the same images for comparison. The second
    figure in a cell is the same between two halves of the real images.
    """
    rows, titles = {}, {}
    places = [path.parent for path in sorted(Path(folder).glob("*/results.json"))]
    for place in sorted(places, key=lambda place: not (place / "model.json").exists()):  # first what can be drawn from
        sections = results.read(place)
        published, tables = sections["published"]["model"], {}
        for kind in ("quality", "quality_squeezenet"):
            table = results.quality(place, kind)
            tables[kind] = {} if table.empty else table.set_index(["model", "metric"]).to_dict("index")
        agreed = results.table(place, "agreement").query("`class` == 'mean'").set_index("model").to_dict("index")
        names = dict.fromkeys(model for model, _ in tables["quality"])
        for name in sorted(names, key=lambda name: name != published):
            labels = agreed.get(name) and agreed[name] | {"real_vs_real": agreed["real, held out"]["value"]}
            coverage = tables["quality"][name, "coverage"]
            key = coverage["weights_sha256"], name  # these features are of these data: one row, wherever it is kept
            training = sections[f"training/{name}"]
            seen = f"{coverage['image_size']} px, {training['kimg']:.0f} thousand images seen"
            if smaller := training.get("initialised_from"):
                seen += f" after {smaller['kimg']:.0f} at {config.in_pixels(smaller['image_size'])}"
            if name == published:
                titles[key] = f"[{place.name}](../{place.parent.name}/{place.name}/README.md), {seen}"
            titles.setdefault(key, f"{name} on the same images, {seen}")
            rows[key] = {
                "n": str(coverage["n"]),
                "Fréchet distance, feature classifier ↓": _beside(tables["quality"][name, "frechet_distance"]),
                "Fréchet distance, SqueezeNet ↓": _beside(tables["quality_squeezenet"].get((name, "frechet_distance"))),
                "coverage, feature classifier ↑": _beside(coverage),
                "coverage, SqueezeNet ↑": _beside(tables["quality_squeezenet"].get((name, "coverage"))),
                "class as asked ↑": _beside(labels),
            }
    table = pd.DataFrame(list(rows.values()), index=[titles[key] for key in rows])
    return _markdown(table)


def _beside(record):
    if not record:
        return "not run"
    return f"{cell(record)}; real {record['real_vs_real']:.3g}"


def _with_features(table, name):
    """The metrics with one extractor: those of all models, the exported one first, and a sentence about it."""
    first = table.iloc[0]
    found = table[table["model"] == name].set_index("metric")
    distance, coverage = (found.loc[metric] for metric in ("frechet_distance", "coverage"))
    interpretation = (
        f"{name}'s Fréchet distance is {distance['value'] / distance['real_vs_real']:.1f} times that between real"
        f" images, and it covers {coverage['value']:.0%} of them, where real images cover"
        f" {coverage['real_vs_real']:.0%}."
    )
    metrics = (*figures.FEATURES, "ms_ssim") if first["extractor"] == "feature_classifier" else figures.FEATURES
    shown = _with_first(figures.quality_cells(table, metrics).T, ("real against real", name))
    return {"first": first, "table": shown, "interpretation": interpretation}


def _by_class(table, name):
    """Markdown, one row for each class with enough real images; "" where there is none."""
    if table.empty:
        return ""
    own = table[(table["model"] == name) & table["metric"].isin(["kernel_distance", "coverage"])]
    rows = {label: {"n": str(rows["n"].iloc[0])} for label, rows in own.groupby("class", sort=False)}
    for row in own.to_dict("records"):
        rows[row["class"]][row["metric"].replace("_", " ")] = _beside(row)
    return _markdown(pd.DataFrame.from_dict(rows, orient="index")) if rows else ""


def _agreement(table, name):
    """Markdown, one row for each class; "" where this was not measured."""
    if table.empty or name not in set(table["model"]):
        return ""
    wide = table.assign(cell=cells(table)).pivot(index="class", columns="model", values="cell")
    return _with_first(wide.loc[table["class"].unique()], ("real, held out", name))


def _with_first(table, first):
    """Markdown of a table, beginning with the columns `first`."""
    return _markdown(table[[*(name for name in first if name in table), *table.columns.difference(first, sort=False)]])


def _halve(source, target):
    """Copy an HDF5 file with float32 arrays as float16; Keras casts them back when it loads them."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                half = item.dtype == np.float32
                made = new.create_dataset(name, data=item[()].astype(np.float16) if half else item[()])
            else:
                made = new.require_group(name)
            made.attrs.update(item.attrs)

        old.visititems(copy)
        new.attrs.update(old.attrs)


def _markdown(table):
    """A DataFrame as a Markdown table."""
    named = ([name, *row] for name, *row in table.fillna("–").itertuples())
    rows = [["", *table.columns], ["---"] * (table.shape[1] + 1), *named]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
