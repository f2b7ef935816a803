"""Analyse the readers' answers: do they tell synthetic from real images, and do they agree? All with intervals."""

import numpy as np
from sklearn.metrics import roc_curve
from statsmodels.stats.inter_rater import fleiss_kappa

from medgan_tf.intervals import bootstrap_weights, proportion, wilson

from .interpretation import interpret
from .kit import KINDS
from .reader_intervals import ImageResamples, pooled, record

RESAMPLES = 2000
LEVELS = 10  # of the ROC: real with confidence 5 is 0, real with 1 is 4, synthetic with 1 is 5, synthetic with 5 is 9
PROPORTIONS = ("accuracy", "sensitivity", "specificity")
RECORDED = ("model", "study", "count", "seed", "weights_sha256", "jpg_quality")


def analyse(kit, answers, problems=(), seed=0):
    """The section of results.json: {"status": "not run", ...} without answers, else every measure with its interval.

    answers, problems: from `answers.read_answers`. Synthetic is the positive kind: sensitivity is the proportion of
    synthetic images called synthetic, specificity that of real images called real. Proportions of one reader have
    Wilson intervals; pooled values are means over readers (`reader_intervals.pooled`), with Wilson's interval where all
    resamples are equal. Only the first presentation of an image counts; the second is for intra-reader agreement.
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
        "by_reader": {name: own | single[name] for name, own in readers.items()},
        "pooled": together,
        "agreement": {"between_readers": _between(first, seed), "with_themselves": _with_themselves(twice, seed)},
        "roc": {name: _roc(rows) for name, rows in first.groupby("reader") if rows["kind"].nunique() == 2},
        "artefacts": {kind: _artefacts(first[first["kind"] == kind]) for kind in KINDS},
        "diagnoses": {kind: _diagnoses(first[(first["kind"] == kind) & (first["class"] != "")]) for kind in KINDS},
    }
    return section | {"interpretation": interpret(section)}


def section_name(section):
    """Where `analyse`'s section goes in results.json; simulated readers have a place of their own."""
    return f"reader_study{'_simulated' if section.get('simulated') else ''}/{section['model']}"


def _pooled(first, kinds, seed):
    """({measure: record over readers}, {reader: {measure: bootstrap record}})."""
    wide = first.pivot(index="reader", columns="image", values=["correct", "score", "realism"])
    matrix = {name: wide[name].reindex(columns=kinds.index).to_numpy(float) for name in ("correct", "score", "realism")}
    synthetic = kinds.to_numpy() == "synthetic"
    every, draws = np.ones(len(kinds), bool), ImageResamples(synthetic, RESAMPLES, seed)
    mean = lambda name, images, *bounds: (draws.means(matrix[name], images), images, *bounds)  # noqa: E731
    measures = {  # values of each draw and reader, the images they are of, and their range
        "accuracy": mean("correct", every, 0, 1),
        "sensitivity": mean("correct", synthetic, 0, 1),
        "specificity": mean("correct", ~synthetic, 0, 1),
        "auc": (draws.auc(matrix["score"], LEVELS), every, 0, 1),
        "realism_real": mean("realism", ~synthetic, 1, 5),
        "realism_synthetic": mean("realism", synthetic, 1, 5),
    }
    values = {name: measure[0] for name, measure in measures.items()}
    measures["realism_difference"] = (values["realism_real"] - values["realism_synthetic"], every, -4, 4)
    found = {}
    for name, (drawn, images, *bounds) in measures.items():
        answered = np.isfinite(matrix["correct"][:, images])
        numbers = {"readers": len(wide), "images": int(answered.any(axis=0).sum()), "n": int(answered.sum())}
        found[name] = pooled(drawn, *bounds) | numbers
        if name in PROPORTIONS and found[name]["low"] is None and answered.any():
            # All resamples are equal, as when every answer is right: Wilson's bounds, the readers counting as one.
            bounds = wilson(round(found[name]["value"] * numbers["images"]), numbers["images"])
            found[name] |= {"low": bounds["low"], "high": bounds["high"]}
    names = ("auc", "realism_real", "realism_synthetic")
    return found, {who: {name: record(values[name][:, i]) for name in names} for i, who in enumerate(wide.index)}


def _one(rows, twice):
    """The proportions of one reader."""
    both = twice.pivot(index="image", columns="presentation", values="answer")
    return {
        "answers": len(rows),
        "accuracy": proportion(rows["correct"]),
        "sensitivity": proportion(rows.loc[rows["kind"] == "synthetic", "correct"]),
        "specificity": proportion(rows.loc[rows["kind"] == "real", "correct"]),
        "same_answer_twice": proportion(both[1] == both[2] if len(both) else []),
        "median_seconds": float(rows["seconds"].median()),
    }


def _between(first, seed):
    """Inter-reader agreement: Fleiss' kappa over the images that all readers have answered."""
    given = first.pivot(index="image", columns="reader", values="answer").dropna()
    if given.shape[1] < 2 or given.empty:
        return {"value": None, "why": "it takes two readers who have answered the same images"}
    return _kappa((given == "synthetic").sum(axis=1).to_numpy(), given.shape[1], given.index.to_numpy(), seed)


def _with_themselves(twice, seed):
    """Intra-reader agreement: Fleiss' kappa of the two answers to an image, over all readers and repeated images."""
    if twice.empty:
        return {"value": None, "why": "no reader has seen an image twice"}
    counts = twice.groupby(["image", "reader"])["answer"].agg(lambda answers: (answers == "synthetic").sum())
    same = proportion(counts != 1)
    found = _kappa(counts.to_numpy(), 2, counts.index.get_level_values("image").to_numpy(), seed)
    return found | {"same_answer": {name: same[name] for name in ("value", "k", "n")}}


def _kappa(synthetic, raters, images, seed):
    """The record of Fleiss' kappa; `synthetic` (subjects,) of the `raters` answers to each subject were "synthetic".

    Images are resampled, with all their subjects. Readers are not: a reader who is drawn twice agrees with himself,
    which would raise kappa. So the interval holds for these readers only; it is None where all answers are equal.
    """
    counts = np.column_stack([raters - synthetic, synthetic])
    weights = bootstrap_weights(images, RESAMPLES, seed).astype(int)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = [fleiss_kappa(np.repeat(counts, times, axis=0)) for times in weights]
    return record(np.array(values)) | {"images": len(set(images)), "raters": raters, "subjects": len(counts)}


def _roc(rows):
    """Points of one reader's ROC curve from score and kind."""
    false, true, _ = roc_curve(rows["kind"] == "synthetic", rows["score"], drop_intermediate=False)
    return {"false_positives": false, "true_positives": true}


def _artefacts(rows):
    """Positions of marked artefacts, fractions (x, y) from the top left, and the proportion of answers with marks."""
    points = [list(point) for marks in rows["artefacts"] for point in marks]
    return {"marked": proportion(rows["artefacts"].str.len() > 0), "points": points}


def _diagnoses(rows):
    """The number of answers, and the proportion of diagnoses that name the image's class as the data do."""
    given = rows[rows["diagnosis"].str.strip() != ""]
    plain = lambda column: column.str.strip().str.lower().str.replace("_", " ")  # noqa: E731
    return {"answers": len(rows), "named_the_class": proportion(plain(given["diagnosis"]) == plain(given["class"]))}
