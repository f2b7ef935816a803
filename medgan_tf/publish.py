"""Puts a trained generator where others can load it: its averaged weights in float16, its record, and a model card."""

import hashlib
import shutil
from pathlib import Path

import h5py
import jinja2
import numpy as np
import pandas as pd

from medgan_tf import datasets, figures, inference, results
from medgan_tf.figures.tables import interval
from medgan_tf.studies import privacy_report

CHECKED = 64  # images that tell what half precision changes
SHOWN = 16  # images in the card's picture, of seed 0
OF_MODEL = ("training", "quality", "classes", "agreement", "privacy")  # sections of results.json that go along
OF_RUN = ("environment", "data", "domain", "agreement/real, held out")

CARD = """# {{ title }}

{{ record.settings.architecture }} at {{ size }} px, for research only. Its images are synthetic: not for diagnosis, and
no substitute for images of patients where a decision hangs on them.

| | |
| --- | --- |
| data | {{ data }}; {{ images }} training images of {{ patients }} patients |
| licence of the data | {{ licence }} |
| classes | {{ classes or "none: the model takes no label" }} |
| training | {{ kimg }} thousand images seen, seed {{ record.settings.seed }}, settings in `model.json` |
| hardware | {{ minutes }} minutes on {{ hardware }} |
| weights | {{ "{:,}".format(parameters) }} parameters of the averaged generator in float16, sha256 `{{ digest }}` |

```python
from medgan_tf import inference

images = inference.load("{{ folder }}").sample(16, seed=0)  # uint8 (16, {{ size }}, {{ size }}, 1)
```

![The first {{ shown }} images of seed 0, all of them synthetic]({{ picture }})

## Measured

Against {{ first.patients }} patients held out from training, n = {{ first.n }} a side, 95% intervals over half-splits.
Features: {{ first.extractor }} (sha256 `{{ first.weights_sha256[:12] }}`), trained on the same training images. Real
against real is the same between two halves of the real images; numbers from other features cannot be compared.
The weights were measured in float32; in float16 an image differs by at most {{ difference }} of 255 grey levels.

{{ table }}
{% for other in further %}
The same with features of {{ other.extractor }} (sha256 `{{ other.digest }}`):

{{ other.table }}
{% endfor %}{% if agreement %}
How often a classifier that saw real training images alone names the class that was asked for, and of real held-out
images their own (95% Wilson intervals):

{{ agreement }}
{% endif %}
Over the training: ![losses, scores and kernel distance over the images seen](training.png)

## Limits

- One training, one seed: another would differ by more than these intervals say.
- The features come from a small network trained on these data. They see coarse structure better than texture.
- {{ privacy }}
- Rare findings, devices and positions are under-represented as in any small set; nobody read these images clinically.
"""


def export(run, name, out, data, licence):
    """Publish model `name` of a config.Run in folder `out`; returns the path of its card.

    The folder gets generator.weights.h5 (float16), model.json, README.md, the sections of results.json that are about
    the model, and pictures of its samples and training. data, licence: sentences for the card.
    Raises ValueError where the model is not trained or not measured.
    """
    source, out = run.model(name), Path(out)
    model = inference.load(source)
    sections = results.read(run.directory)
    missing = [part for part in ("training", "quality") if f"{part}/{name}" not in sections]
    if missing:
        raise ValueError(f"{run.directory}/results.json has no {missing[0]} of {name}: run its notebook and 06.")
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "model.json", out / "model.json")
    weights = out / "generator.weights.h5"
    _halve(source / "generator.weights.h5", weights)
    before, after = (each.sample(CHECKED, seed=0).astype(int) for each in (model, inference.load(out)))
    train = datasets.load(run.images, model.record["image_size"]).train
    quality = results.quality(run.directory)
    quality = quality[quality["model"] == name]
    further = sorted(
        part.split("/")[0] for part in sections if part.startswith("quality_") and part.endswith(f"/{name}")
    )
    environment, training = sections["environment"], sections[f"training/{name}"]
    card = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(CARD)
    text = card.render(
        title=out.name,
        folder=f"pretrained/{out.name}",
        record=model.record,
        size=model.record["image_size"],
        data=data,
        licence=licence,
        images=len(train),
        patients=len(set(train.patients)),
        classes=", ".join(model.classes),
        kimg=f"{training['kimg']:g}",
        minutes=round(training["seconds"] / 60),
        hardware=", ".join(environment["gpus"]) or f"a CPU with {environment['cores']} cores",
        parameters=model.network.count_params(),
        digest=hashlib.sha256(weights.read_bytes()).hexdigest(),
        first=quality.iloc[0],
        difference=int(np.abs(before - after).max()),
        table=_markdown(figures.quality_table(quality).T),
        further=[_with_features(run.directory, kind, name) for kind in further],
        agreement=_agreement(results.agreement(run.directory), name),
        shown=SHOWN,
        picture="samples.png",
        privacy=privacy_report.statement(results.privacy(run.directory), name),
    )
    for section in (*OF_RUN, *(f"{part}/{name}" for part in (*OF_MODEL, *further))):
        if section in sections:
            results.write(out, section, sections[section])
    figures.grids({"": inference.load(out).sample(SHOWN, seed=0)}).savefig(out / "samples.png", dpi=150)
    figures.training_curves({name: source / "log.csv"}).savefig(out / "training.png", dpi=100)
    (out / "README.md").write_text(text + "\n")
    return out / "README.md"


def overview(folder):
    """What README.md shows of the published models below `folder`: Markdown, a row each, read from their results.json.

    The second figure in a cell is the same between two halves of the real images.
    """
    rows = {}
    for place in sorted(path.parent for path in Path(folder).glob("*/results.json")):
        measured = results.quality(place)
        name, n, domain = (
            measured["model"].iloc[0],
            measured["n"].iloc[0],
            measured.set_index("metric").to_dict("index"),
        )
        other = results.quality(place, "quality_squeezenet").set_index("metric").to_dict("index")
        agreed = results.agreement(place).query("`class` == 'mean'").set_index("model").to_dict("index")
        kimg = results.read(place)[f"training/{name}"]["kimg"]
        cells = {"thousand images seen": f"{kimg:.0f}", "n": str(n)}
        cells["Fréchet distance, domain ↓"] = _beside(domain["frechet_distance"])
        cells["Fréchet distance, SqueezeNet ↓"] = _beside(other.get("frechet_distance"))
        cells["coverage, domain ↑"] = _beside(domain["coverage"])
        cells["coverage, SqueezeNet ↑"] = _beside(other.get("coverage"))
        labels = agreed.get(name) and agreed[name] | {"floor": agreed["real, held out"]["value"]}
        cells["class as asked ↑"] = _beside(labels)
        rows[f"[{place.name}]({place.parent.name}/{place.name}/README.md)"] = cells
    return _markdown(pd.DataFrame.from_dict(rows, orient="index"))


def _beside(record):
    if not record:
        return "not run"
    return f"{interval(record['value'], record['low'], record['high'])}; real {record['floor']:.3g}"


def _with_features(run_dir, kind, name):
    table = results.quality(run_dir, kind)
    table = table[table["model"] == name]
    first = table.iloc[0]
    shown = _markdown(figures.quality_table(table).T)
    return {"extractor": first["extractor"], "digest": first["weights_sha256"][:12], "table": shown}


def _agreement(table, name):
    """Markdown, a row a class; "" where this was not measured."""
    if table.empty or name not in set(table["model"]):
        return ""
    cells = table.assign(cell=[interval(*row) for row in table[["value", "low", "high"]].to_numpy()])
    wide = cells.pivot(index="class", columns="model", values="cell")
    return _markdown(wide[[column for column in ("real, held out", name) if column in wide]])


def _halve(source, target):
    """Copy an HDF5 file with its float32 numbers in float16; Keras casts them back when it loads them."""
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
    rows = [["", *table.columns], ["---"] * (table.shape[1] + 1), *([name, *row] for name, *row in table.itertuples())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
