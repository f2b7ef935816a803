"""Every number of a run as a LaTeX macro: `\\result{quality/cgan/metrics/kernel_distance}`.

A key is the path to a value in results.json. That of a record (value, low, high) gives the value with its interval, n
and the same between real images; KEY/interval gives the value with its interval alone, KEY/real that of real images.
"""

import math
import re

import pandas as pd

from medgan_tf import config, figures, results
from medgan_tf.figures.cells import cell, interval, real_cell
from medgan_tf.figures.latex import escape
from medgan_tf.studies import augmentation_report, privacy_report
from medgan_tf.studies.readers.interpretation import interpret

LONGEST = 12  # longer lists of numbers are curves, which are in figures
HASH = re.compile(r"[0-9a-f]{64}")
NOT_RUN = "not run"


def numbers(run):
    """{key: LaTeX text} of a config.Run: results.json, run.json, sums and sentences made of them."""
    sections, found = results.read(run), {}
    for name, content in sections.items():
        _add(found, name, content)
    _add(found, "run", _run_record(run))
    _add(found, "data/total", _totals(sections.get("data", {}).get("classes", {})))
    for name, training in results.sections(run, "training").items():
        _add(found, f"training/{name}/minutes", training["seconds"] / 60)
    for name, sentences in _sentences(run, sections).items():
        _add(found, f"sentences/{name}", sentences)
    return found


def key(*parts):
    """The parts of a key joined, with the code of each character that TeX does not allow in the name of a macro."""
    joined = "/".join(map(str, parts))
    return re.sub(r"[^A-Za-z0-9 /_.,:;()<>=*+!?-]", lambda sign: f"U{ord(sign[0]):04X}", re.sub(r"\s+", " ", joined))


def definitions(found):
    """The lines of numbers.tex."""
    return [f"\\setresult{{{name}}}{{{text}}}" for name, text in found.items()]


def _add(found, name, value):
    if isinstance(value, dict):
        if "value" in value and not isinstance(value["value"], list):  # curves have lists
            found[key(name)] = _record(value)
            found[key(name, "interval")] = escape(_cell(value))
            if "real_vs_real" in value:
                found[key(name, "real")] = escape(real_cell(value))
        for part, inner in value.items():
            _add(found, f"{name}/{part}", inner)
    elif isinstance(value, list):
        plain = not any(isinstance(each, dict | list | str) for each in value)
        if plain and len(value) <= LONGEST:
            found[key(name)] = ", ".join(map(_plain, value))
        elif not plain:
            for place, each in enumerate(value, 1):
                _add(found, f"{name}/{place}", each)
    else:
        found[key(name)] = _plain(value)


def _cell(record):
    """A value of None is one that could not be measured."""
    return cell({"low": None, "high": None} | record)


def _record(record):
    """A value with its interval and, where they are known, n and the same of real images."""
    known = [f"\\ensuremath{{n={record['n']:.0f}}}"] if _known(record.get("n")) else []
    known += [f"real against real {escape(real_cell(record))}"] if _known(record.get("real_vs_real")) else []
    return escape(_cell(record)) + (f" ({'; '.join(known)})" if known else "")


def _known(number):
    return number is not None and not pd.isna(number)


def _plain(value):
    """A value as text: three significant digits, no exponents, and the beginning of a hash."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return _float(value)
    text = "–" if value is None else str(value)
    return escape(text[:12] if HASH.fullmatch(text) else text)


def _float(value):
    if not math.isfinite(value):
        return "--"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    mantissa, e, exponent = interval(value).partition("e")
    return rf"\ensuremath{{{mantissa} \times 10^{{{int(exponent)}}}}}" if e else escape(mantissa)


def _run_record(run):
    """What run.json says, with folders by their names alone: where they are is nobody's business."""
    data = " and ".join(folder.name for folder in run.data) or "phantoms"
    return {
        "name": run.name,
        "profile": run.profile.name,
        "data": data,
        "image_size": run.profile.in_pixels,
        "changes": run.changes,
    }


def _totals(classes):
    """Images and patients of each split, summed over classes, and of all."""
    totals = {}
    for splits in classes.values():
        for split, counts in splits.items():
            for name in (split, "all"):
                sums = totals.setdefault(name, dict.fromkeys(counts, 0))
                totals[name] = {what: sums[what] + number for what, number in counts.items()}
    return totals


def _sentences(run, sections):
    """{name: sentences} on results with numbers in them, made again of the numbers."""
    found = {}
    compared = {
        "few": (results.quality(run, "few").rename(columns={"model": "step"}), None),
        "features": (results.ablation(run, "features"), config.FEATURE_CONTROLS["cgan_longer"]),
        "ablation": (results.ablation(run), None),
    }
    for kind, (table, against) in compared.items():
        if len(table):
            found[kind] = figures.ablation_verdict(table, against=against if against in set(table["step"]) else None)
    if results.sections(run, "transfer"):
        found["transfer"] = figures.transfer_verdict(results.ablation(run, "transfer"))
    for name, content in results.sections(run, "augmentation").items():
        found[f"augmentation/{name}"] = augmentation_report.interpret_study(content)
    audits = results.privacy(run)
    found |= {f"privacy/{name}": privacy_report.findings(audit) for name, audit in audits.items()}
    found["privacy controls"] = privacy_report.undetected_controls(audits) if audits else []
    for name, section in sections.items():
        if name.startswith(("reader_study/", "reader_study_simulated/")) and section.get("status") == "analysed":
            found[name] = interpret(section)
    return found
