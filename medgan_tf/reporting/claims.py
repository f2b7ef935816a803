"""Figures that other projects claim for their models, beside what a run measured of the same kind of model.

claims.csv has one claim in each row, with its source, what is known about it, and the model of the same kind here. Most
claims cannot be compared with anything; the table says why.
"""

from pathlib import Path

import pandas as pd

from medgan_tf import results

CLAIMS = Path(__file__).with_suffix(".csv")
INVERTED = ("SSIM", "PSNR dB")  # compare pairs: here real images and their inversions into StyleGAN2
METRIC_REASONS = {
    "FID": "no n, interval, features or value between real images are stated",
    "FID improvement %": "the baseline is not stated, so there is nothing to measure",
    "SSIM": "a generated image has no partner to be similar to; here only inversions of real images have one",
    "PSNR dB": "a generated image has no partner to be similar to; here only inversions of real images have one",
    "privacy preserving %": "no test is described; here: images nearer to a training image than 99% of held-out ones",
    "classifier confidence %": "no classifier is described; here: how often a classifier names the class asked for",
    "radiologists say realistic %": "readers and images are not stated; a proportion has no chance level",
}


def claims():
    """The claims as they were made: source, model, data_claimed, image_size, metric, claimed, note, kind."""
    return pd.read_csv(CLAIMS)


def beside(run):
    """The claims with what a config.Run measured of the same kind of model, and why the two cannot be compared.

    Adds the columns reasons (a list), what (was measured), value, low, high, real_vs_real and n; None where nothing was
    measured. The kind of a claim about all models is the one with most copies.
    """
    sections = results.read(run.directory)
    return pd.DataFrame([_beside(run, sections, claim) for claim in claims().to_dict("records")])


def _beside(run, sections, claim):
    metric = claim["metric"]
    kind = _most_copying(sections) if claim["model"] == "all" else claim["kind"]
    measured = _measured(sections, kind, metric)
    reasons = [METRIC_REASONS[metric]] if metric in METRIC_REASONS else ["another machine and another training"]
    if kind is None:
        reasons.append("no single model is named")
    elif not measured:
        reasons.append(f"not measured in this run for {kind}")
    else:
        size = claim["image_size"]
        if size == size and size != run.profile.image_size:
            reasons.append(f"{size:.0f} px there, {run.profile.in_pixels} here")
        if metric == "FID" and measured["extractor"] != "inception":
            reasons.append(f"features here are {measured['extractor']}, not the Inception graph of published values")
        data = " and ".join(folder.name for folder in run.data) or "phantoms"
        reasons.append(f"data here are {data}")
    nothing = dict.fromkeys(("value", "low", "high", "real_vs_real", "n"))
    return claim | {"kind": kind} | nothing | measured | {"reasons": reasons}


def _most_copying(sections):
    """The model with most copies; None where copies were not counted."""
    copies = {
        name.removeprefix("quality/"): section["metrics"]["copies"]["value"]
        for name, section in sections.items()
        if name.startswith("quality/") and "copies" in section["metrics"]
    }
    return max(copies, key=copies.get, default=None)


def _measured(sections, kind, metric):
    """The run's record for a claimed metric of a kind of model, {} where there is none."""
    quality = sections.get(f"quality/{kind}", {}).get("metrics", {})
    training = sections.get(f"training/{kind}", {})
    agreed = sections.get(f"agreement/{kind}", {}).get("mean", {})
    if metric == "FID" and quality:
        return quality["frechet_distance"] | {"what": "Fréchet distance"}
    if metric == "privacy preserving %" and "copies" in quality:
        return _scaled(quality["copies"], 100) | {"what": "copies, %"}
    if metric == "classifier confidence %" and agreed:
        return _scaled(agreed, 100) | {"what": "label agreement, %"}
    if metric in INVERTED and "inversion/w+" in sections:
        found = sections["inversion/w+"][metric.split()[0].lower()]
        return {"value": found["mean"], "n": found["n"], "what": f"{metric} of real images and their inversions"}
    if metric in ("training hours", "training minutes") and training:
        unit = metric.split()[1]
        return {"value": training["seconds"] / {"hours": 3600, "minutes": 60}[unit], "what": unit}
    if metric == "GPU memory GB" and training.get("peak_memory_mib"):
        return {"value": training["peak_memory_mib"] / 1024, "what": "peak memory, GiB"}
    return {}


def _scaled(record, factor):
    ends = ("value", "low", "high", "real_vs_real", "real_vs_real_low", "real_vs_real_high")
    return record | {end: factor * record[end] for end in ends if end in record}
