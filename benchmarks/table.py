"""The benchmark's results as one table: for the terminal, and for the README between two marks."""

import contextlib
import json
import re
from pathlib import Path

import pandas as pd

from benchmarks import goals

ROOT = Path(__file__).resolve().parents[1]
RESULTS, README = Path(__file__).with_name("results.json"), ROOT / "README.md"
BLOCK = re.compile(r"(?<=<!-- benchmark -->\n).*?(?=<!-- /benchmark -->)", re.DOTALL)
SHORT = [  # the README's rows: part, start of `what`, reference
    ("train_step", "WGAN-GP step, 64 px", "PyTorch"),
    ("train_step", "WGAN-GP step, 64 px", "keras.io"),
    ("train_step", "DCGAN step, 64 px", "PyTorch"),
    ("train_step", "DCGAN step, 64 px", "keras.io"),
    ("conversion", "phantoms of 512 px, 1 worker", "pydicom + Pillow"),
    ("conversion", "phantoms of 512 px, 1 worker", "dcmj2pnm per file"),
    ("conversion", "real X-rays, CT, MR, 1 worker", "pydicom + Pillow"),
    ("conversion", "real X-rays, CT, MR, 1 worker", "dcmj2pnm per file"),
    ("metrics", "Frechet distance, 2048 x 2048", "scipy sqrtm"),
    ("metrics", "Frechet distance, 2048 x 2048", "tensorflow-gan"),
    ("metrics", "kernel distance, 2000 x 512", "tensorflow-gan"),
    ("metrics", "precision, recall, density, coverage, 2000 x 512", "prdc"),
    ("pipeline", "batches of 64", "image_dataset_from_directory"),
    ("pipeline", "batches of 64", "image_dataset_from_directory, cached"),
    ("pipeline", "DCGAN step, quick profile, fed by our batches", "one batch in memory"),
]


def rows(results):
    """DataFrame of all rows of all parts."""
    return pd.DataFrame(
        [{"part": name, "reference": None} | row for name, part in results["parts"].items() for row in part["rows"]]
    )


def as_text(results):
    """Everything, for a terminal."""
    lines = []
    for row in rows(results).to_dict("records"):
        own = f"{row['ours']:.4g} {row['unit']}" if pd.notna(row.get("ours")) else ""
        lines.append(
            {
                "part": row["part"],
                "what": row["what"],
                "ours": own,
                "against": row.get("reference") if isinstance(row.get("reference"), str) else "",
                "clock": _ratio(row, ""),
                "processor": _ratio(row, "_processor"),
                "n": row.get("n"),
            }
        )
    return pd.DataFrame(lines).fillna("").to_string(index=False) + "\n" + "\n".join(sources(results["parts"]))


def sources(parts):
    """Where, with what and when: one line for all parts that share it."""
    shared = {}
    for name, part in parts.items():
        shared.setdefault((_machine(part), part["date"]), []).append(f"{name} {part['load']:.1f}")
    return [f"{machine}; {date}. Load at the end: {', '.join(names)}." for (machine, date), names in shared.items()]


def _machine(part):
    machine, versions = part["machine"], part["versions"]
    numbers = ", ".join(f"{name} {number}" for name, number in versions.items())
    return f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB; {numbers}"


def as_markdown(results):
    """The README's block."""
    table = rows(results)
    lines = ["| ours against | times as fast, per processor second | by the clock | MiB, ours and theirs | n |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for part, what, reference in SHORT:
        found = table[(table["part"] == part) & (table["what"] == what) & (table["reference"] == reference)]
        row = found.iloc[0].to_dict() if len(found) else {}
        count = int(row["n"]) if pd.notna(row.get("n")) else ""
        memory = " and ".join(f"{side:.0f}" for side in row["peak_mib"]) if _both(row.get("peak_mib")) else ""
        ratios = f"{_ratio(row, '_processor')} | {_ratio(row, '')}"
        lines.append(f"| {what}: {reference} | {ratios} | {memory} | {count} |")
    lines += ["", "| a training | s for 1,000 images | processor s | MiB | n |", "| --- | --- | --- | --- | --- |"]
    for row in table[table["unit"] == "s/kimg"].to_dict("records"):
        low, high = row["spread_ours"]
        seconds = f"{row['ours']:.0f} ({low:.0f} to {high:.0f})"
        what = f"{row['what']}; {row['note']}" if isinstance(row["note"], str) else row["what"]
        lines.append(
            f"| {what} | {seconds} | {row['ours_processor']:.0f} | {row['peak_mib'][0]:.0f} | {row['n']:.0f} |"
        )
    lines += ["", *against_goals(results), "", *sources(results["parts"])]
    return "\n".join(lines) + "\n"


def against_goals(results):
    """Lines: every goal with what was reached, and for what was missed where the time goes."""
    lines = [
        "| ours against | goal | by the clock | per processor second | n | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    missed = {}
    for goal in goals.GOALS:
        row = goals.row_of(results, goal.part, goal.what, goal.reference)
        said = goals.verdict(goal, row)
        title = f"{goal.what}: {goal.reference}" if goal.reference else goal.what + _note(row)
        asked = goals.FIGURES[goal.figure].format(goal.limit, row.get("unit", "s"))
        if goal.figure == "peak_mib":
            reached, processor = _mib(row) and f"{_mib(row)} MiB", ""
        elif goal.figure == "ours":
            reached, processor = _value(row), f"{row['ours_processor']:.3g} {row['unit']}" if row else ""
        else:
            reached, processor = _ratio(row, ""), _ratio(row, "_processor")
        lines.append(f"| {title} | {asked} | {reached} | {processor} | {row.get('n', '')} | {said} |")
        if said.startswith("missed"):
            with contextlib.suppress(KeyError):
                missed[goals.cause(goal, results)] = None
    return [*lines, "", "Where what was missed goes:", "", *(f"- {cause}" for cause in missed)] if missed else lines


def _value(row):
    """Ours in its unit, with its spread; "not run" where there is none."""
    if "ours" not in row:
        return "not run"
    spread = row.get("spread_ours")
    return f"{row['ours']:.3g} {row['unit']}".strip() + (f" ({spread[0]:.3g} to {spread[1]:.3g})" if spread else "")


def _mib(row):
    """Peak memory, ours and theirs."""
    return " and ".join(f"{side:.0f}" for side in row.get("peak_mib", []) if side is not None)


def _note(row):
    return f" ({row['note']})" if "note" in row else ""


def _both(pair):
    return isinstance(pair, list) and all(side is not None for side in pair)


def _ratio(row, suffix):
    """Median and quartiles; "not run" where there is no other side."""
    if not isinstance(row.get(f"spread{suffix}"), list):
        return "not run" if not row or row.get("status") == "not run" else ""
    low, high = row[f"spread{suffix}"]
    return f"{row[f'ratio{suffix}']:.2f} ({low:.2f} to {high:.2f})"


def into_readme():
    """Rewrite the block. Raises ValueError where the README has no place for it."""
    text = README.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        raise ValueError("README.md lacks the marks <!-- benchmark --> and <!-- /benchmark -->; put them back.")
    block = as_markdown(json.loads(RESULTS.read_text()))
    README.write_text(BLOCK.sub(lambda _: block, text), encoding="utf-8")
