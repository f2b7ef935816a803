"""What readers' answers say, with intervals: whether they tell synthetic from real, and whether they agree."""

import numpy as np
from sklearn.metrics import roc_curve
from statsmodels.stats.inter_rater import fleiss_kappa

from medgan_tf.intervals import bootstrap_weights, proportion, wilson

from .kit import KINDS
from .resampling import Resamples, each, pooled, record
from .verdict import sentences

RESAMPLES = 2000
LEVELS = 10  # of the ROC: real with confidence 5 is 0, real with 1 is 4, synthetic with 1 is 5, synthetic with 5 is 9
SHARES = ("accuracy", "sensitivity", "specificity")
RECORDED = ("model", "study", "count", "seed", "weights_sha256", "jpg_quality")


def analyse(kit, answers, problems=(), seed=0):
    """The section of results.json: {"status": "not run", ...} without answers, else every measure with its interval.

    answers, problems: of `answers.read`. Synthetic is the positive kind: sensitivity is the share of synthetic images
    that were called synthetic, specificity that of real ones called real. A reader's shares have Wilson intervals;
    pooled values are means over readers with intervals for other readers and images (`resampling.pooled`), or Wilson's
    where nothing spreads. Only the first presentation of an image counts; the second is for the agreement of readers
    with themselves. `simulated` says that no person has read anything.
    """
    section = {name: kit.settings[name] for name in RECORDED} | {"left_out": list(problems)}
    if answers.empty:
        return section | {"status": "not run", "why": "there are no answers of readers"}
    joined = answers.merge(kit.key[["image", "kind", "class"]], on="image")
    first = joined[joined["presentation"] == 1].copy()
    first["correct"] = first["answer"] == first["kind"]
    first["score"] = np.where(first["answer"] == "synthetic", 4 + first["confidence"], 5 - first["confidence"])
    twice = joined[joined.duplicated(["reader", "image"], keep=False)]
    together, single = _pooled(first, kit.key.set_index("image")["kind"], seed)
    readers = {name: _one(rows, twice[twice["reader"] == name]) for name, rows in first.groupby("reader")}
    section |= {
        "status": "analysed",
        "simulated": bool((answers["source"] == "simulated").all()),
        "readers": len(readers),
        "presentations": len(kit.settings["orders"][0]),
        "by_reader": {name: own | dict(single.loc[name]) for name, own in readers.items()},
        "pooled": together,
        "agreement": {"between_readers": _between(first, seed), "with_themselves": _with_themselves(twice, seed)},
        "roc": {name: _roc(rows) for name, rows in first.groupby("reader") if rows["kind"].nunique() == 2},
        "artefacts": {kind: _artefacts(first[first["kind"] == kind]) for kind in KINDS},
        "diagnoses": {kind: _diagnoses(first[(first["kind"] == kind) & (first["class"] != "")]) for kind in KINDS},
    }
    return section | {"interpretation": sentences(section)}


def section_name(section):
    """Where `analyse`'s section goes in results.json; simulated readers have a place of their own."""
    return f"reader_study{'_simulated' if section.get('simulated') else ''}/{section['model']}"


def _pooled(first, kinds, seed):
    """({measure: record over readers}, DataFrame of the records of each reader that the bootstrap gives)."""
    wide = first.pivot(index="reader", columns="image", values=["correct", "score", "realism"])
    matrix = {name: wide[name].reindex(columns=kinds.index).to_numpy(float) for name in ("correct", "score", "realism")}
    synthetic = kinds.to_numpy() == "synthetic"
    every, draws = np.ones(len(kinds), bool), Resamples(synthetic, RESAMPLES, seed)
    measures = {  # values of each draw and reader, the images they are of, and their range
        "accuracy": (draws.means(matrix["correct"]), every, 0, 1),
        "sensitivity": (draws.means(matrix["correct"], synthetic), synthetic, 0, 1),
        "specificity": (draws.means(matrix["correct"], ~synthetic), ~synthetic, 0, 1),
        "auc": (draws.auc(matrix["score"], LEVELS), every, 0, 1),
        "realism_real": (draws.means(matrix["realism"], ~synthetic), ~synthetic, 1, 5),
        "realism_synthetic": (draws.means(matrix["realism"], synthetic), synthetic, 1, 5),
    }
    values = {name: measure[0] for name, measure in measures.items()}
    measures["realism_difference"] = (values["realism_real"] - values["realism_synthetic"], every, -4, 4)
    found = {}
    for name, (drawn, images, *bounds) in measures.items():
        answered = np.isfinite(matrix["correct"][:, images])
        numbers = {"readers": len(wide), "images": int(answered.any(axis=0).sum()), "n": int(answered.sum())}
        found[name] = pooled(drawn, *bounds) | numbers
        if name in SHARES and found[name]["low"] is None and answered.any():
            found[name] |= _without_spread(found[name])
    single = {name: each(values[name]) for name in ("auc", "realism_real", "realism_synthetic")}
    return found, wide.index.to_frame().assign(**single)[list(single)]


def _without_spread(found):
    """Wilson's bounds where nothing spreads, as of readers who are always right: they count as one."""
    bounds = wilson(round(found["value"] * found["images"]), found["images"])
    return {"low": bounds["low"], "high": bounds["high"]}


def _one(rows, twice):
    """The shares of one reader's own answers."""
    said = twice.pivot(index="image", columns="presentation", values="answer")
    return {
        "answers": len(rows),
        "accuracy": proportion(rows["correct"]),
        "sensitivity": proportion(rows.loc[rows["kind"] == "synthetic", "correct"]),
        "specificity": proportion(rows.loc[rows["kind"] == "real", "correct"]),
        "same_answer_twice": proportion(said[1] == said[2] if len(said) else []),
        "median_seconds": float(rows["seconds"].median()),
    }


def _between(first, seed):
    """Fleiss' kappa over the images that all readers have answered."""
    said = first.pivot(index="image", columns="reader", values="answer").dropna()
    if said.shape[1] < 2 or said.empty:
        return {"value": None, "why": "it takes two readers who have answered the same images"}
    return _kappa((said == "synthetic").sum(axis=1).to_numpy(), said.shape[1], said.index.to_numpy(), seed)


def _with_themselves(twice, seed):
    """Fleiss' kappa of two answers of one reader to one image (Scott's pi), over all readers and repeated images."""
    if twice.empty:
        return {"value": None, "why": "no reader has seen an image twice"}
    said = twice.groupby(["image", "reader"])["answer"].agg(lambda answers: (answers == "synthetic").sum())
    same = proportion(said != 1)
    found = _kappa(said.to_numpy(), 2, said.index.get_level_values("image").to_numpy(), seed)
    return found | {"same_answer": {name: same[name] for name in ("value", "k", "n")}}


def _kappa(synthetic, raters, images, seed):
    """The record of Fleiss' kappa; of `raters` answers to each subject, `synthetic` (subjects,) said synthetic.

    Images are drawn with replacement, all subjects of one together. Readers are not: one who is drawn twice agrees with
    himself, which would raise kappa. So the interval holds for these readers. It is None where all answers are alike.
    """
    counts = np.column_stack([raters - synthetic, synthetic])
    weights = bootstrap_weights(images, RESAMPLES, seed).astype(int)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = [fleiss_kappa(np.repeat(counts, times, axis=0)) for times in weights]
    return record(np.array(values)) | {"images": len(set(images)), "raters": raters, "subjects": len(counts)}


def _roc(rows):
    """Points of one reader's ROC curve, from score and kind."""
    false, true, _ = roc_curve(rows["kind"] == "synthetic", rows["score"], drop_intermediate=False)
    return {"false_positives": false, "true_positives": true}


def _artefacts(rows):
    """Where readers saw artefacts, x and y from the top left as fractions, and in what share of their answers."""
    points = [list(point) for marks in rows["artefacts"] for point in marks]
    return {"marked": proportion(rows["artefacts"].str.len() > 0), "points": points}


def _diagnoses(rows):
    """How many answers gave a diagnosis, and what share of these named the image's class in the words of the data."""
    given = rows[rows["diagnosis"].str.strip() != ""]
    plain = lambda column: column.str.strip().str.lower().str.replace("_", " ")  # noqa: E731
    return {"answers": len(rows), "named_the_class": proportion(plain(given["diagnosis"]) == plain(given["class"]))}
