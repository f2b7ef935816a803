"""The benchmark's results as tables for docs/performance.md: first the goals, then everything.

python -m benchmarks.table writes them between two marks without measuring anything.
"""

import ast
import contextlib
import json
import re
from pathlib import Path

from benchmarks import goals

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("results.json")
BLOCK = re.compile(r"(?<=<!-- benchmark -->\n).*?(?=<!-- /benchmark -->)", re.DOTALL)
PARTS = (
    *("conversion", "burned_in_text", "train_step", "wgan_gp_profile", "stylegan_step", "determinism"),
    *("metrics", "metrics_scale", "pipeline", "startup", "growth"),
)
ASKED_FOR = ("gpu_plan", "app_load", "malformed_uploads")  # need a compiler or an app; each has a file of its own
RATIOS = "times as fast, by the clock | per processor second"


def title(part):
    """The first line of a part's docstring."""
    return _docstring(part).splitlines()[0]


def _docstring(part):
    return ast.get_docstring(ast.parse(Path(__file__).with_name(f"{part}.py").read_text(encoding="utf-8")))


def summary(results):
    """The goals, and every row without a goal in which ours is slower: chosen by rule, not by hand."""
    named = {(goal.what, goal.reference) for goal in goals.GOALS}
    slower = [
        (name, row)
        for name, part in results["parts"].items()
        for row in part["rows"]
        if round(row.get("ratio", 1), 2) < 1 and (row["what"], row["reference"]) not in named
    ]
    shown = {goal.part for goal in goals.GOALS} | {name for name, _ in slower}
    return [
        *against_goals(results),
        "",
        "Slower by the clock than what it is held against, with no goal set (times as fast): "
        + "; ".join(f"{_against(row)} {_ratio(row)}" for _, row in slower)
        + ".",
        "",
        *sources({name: part for name, part in results["parts"].items() if name in shown}),
    ]


def against_goals(results):
    """Every goal with what was reached, and for what was missed where the time goes."""
    lines = [f"| ours against | goal | {RATIOS} | n | |", "| --- | --- | --- | --- | --- | --- |"]
    missed = {}
    for goal in goals.GOALS:
        row = goals.row_of(results, goal.part, goal.what, goal.reference)
        said = goals.verdict(goal, row)
        asked = goals.FIGURES[goal.figure].format(goal.limit, row.get("unit", "s"))
        if goal.figure == "peak_mib":
            reached, processor = _mib(row) and f"{_mib(row)} MiB", ""
        elif goal.figure == "ours":
            reached, processor = _value(row), _processor(row)
        else:
            reached, processor = _ratio(row), _ratio(row, "_processor")
        what = f"{goal.what}: {goal.reference}" if goal.reference else goal.what + _note(row)
        lines.append(f"| {what} | {asked} | {reached} | {processor} | {row.get('n', '')} | {said} |")
        if said.startswith("missed"):
            with contextlib.suppress(KeyError):
                missed[goals.cause(goal, results)] = None
    return (
        [*lines, "", "Where the time or the memory of what was missed goes:", "", *(f"- {cause}" for cause in missed)]
        if missed
        else lines
    )


def for_docs(results):
    """A section for every part: what its docstring says, its rows, and where they were measured."""
    lines = []
    for name in (*PARTS, *ASKED_FOR):
        own = RESULTS.with_name(f"{name}.json")
        part = json.loads(own.read_text()) if own.exists() else results["parts"].get(name)
        lines += [f"### {name}", "", _docstring(name), ""]
        lines += [*tables(part["rows"]), *sources({name: part}), ""] if part else ["Not run.", ""]
        if part and not part.get("complete", True):
            lines += ["It failed before its end.", ""]
        if part and "estimates" in part:
            lines += [*estimated(part), ""]
    return lines


def estimated(part):
    """Hours and dollars of large trainings on one GPU, a column for each image size."""
    sides = sorted({row["side"] for row in part["estimates"]})
    cells, prices = {}, {}
    for row in part["estimates"]:
        dollars = "" if row["dollars"] is None else f", ${row['dollars']:,.0f}"
        cells.setdefault((row["configuration"], row["gpu"]), {})[row["side"]] = f"{row['hours']:,.0f} h{dollars}"
        prices[row["gpu"]] = row["price_source"]
    yield from (part["assumptions"], "")
    yield "| estimated, not measured | " + " | ".join(f"{side} px" for side in sides) + " |"
    yield "| --- |" + " --- |" * len(sides)
    for (configuration, gpu), hours in cells.items():
        yield f"| {configuration} on one {gpu} | " + " | ".join(hours[side] for side in sides) + " |"
    yield from ("", *(f"- An hour of one {gpu}: {source}." for gpu, source in prices.items()))


def tables(rows):
    """Lines: the rows with another side, then those without."""
    compared = [row for row in rows if row.get("reference")]
    measured = [row for row in rows if not row.get("reference")]
    if compared:
        yield from (f"| ours against | {RATIOS} | ours and theirs | MiB | n |", "| --- | --- | --- | --- | --- | --- |")
        for row in compared:
            both = [_number(row[side]) for side in ("ours", "theirs") if side in row]
            rates = f"{' and '.join(both)} {row['unit']}" if both else ""
            ratios = f"{_ratio(row)} | {_ratio(row, '_processor')}"
            yield f"| {_against(row)}{_note(row)} | {ratios} | {rates} | {_mib(row)} | {row.get('n', '')} |"
        yield ""
    if measured:
        yield from ("| ours | measured | of the processor | MiB | n |", "| --- | --- | --- | --- | --- |")
        for row in measured:
            cells = f"{_value(row)} | {_processor(row)} | {_mib(row)} | {row.get('n', '')}"
            yield f"| {row['what']}{_note(row)} | {cells} |"
        yield ""


def sources(parts):
    """Where, with what and when: a line for all parts that share it."""
    shared = {}
    for name, part in parts.items():
        shared.setdefault((_machine(part), part["date"]), []).append(f"{name} {_load(part)}")
    for (machine, date), loads in shared.items():
        yield f"{machine}; {date}. Load in the 15 minutes up to the end, its own included: {', '.join(loads)}."


def _machine(part):
    machine = "Machine not recorded"
    if part["machine"]:
        machine = "{processor}, {cores} cores, {memory_gib} GiB".format(**part["machine"])
    return ", ".join([machine, *(f"{name} {number}" for name, number in part["versions"].items())])


def _load(part):
    return "not recorded" if part["load"] is None else f"{part['load']:.1f}"


def _against(row):
    return f"{row['what']}: {row['reference']}"


def _note(row):
    return f" ({row['note']})" if "note" in row else ""


def _ratio(row, suffix=""):
    """Median and quartiles; "not run" where there is no other side."""
    if f"ratio{suffix}" not in row:
        return "not run"
    low, high = row[f"spread{suffix}"]
    return f"{row[f'ratio{suffix}']:.2f} ({low:.2f} to {high:.2f})"


def _value(row):
    """Ours in its unit, with its spread; "not run" where there is none."""
    if "ours" not in row:
        return "not run"
    value = f"{_number(row['ours'])} {row['unit']}".strip()
    return value + (" ({} to {})".format(*map(_number, row["spread_ours"])) if row.get("spread_ours") else "")


def _processor(row):
    return f"{_number(row['ours_processor'])} {row['unit']}" if "ours_processor" in row else ""


def _number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _mib(row):
    """Peak memory, ours and theirs."""
    return " and ".join(f"{side:.0f}" for side in row.get("peak_mib", []) if side is not None)


PAGE = ROOT / "docs" / "performance.md"


def block():
    """(text of PAGE, what stands between its marks, what should). Raises ValueError where it lacks the marks."""
    text = PAGE.read_text(encoding="utf-8")
    found = BLOCK.search(text)
    if not found:
        raise ValueError(f"{PAGE.name} lacks the marks <!-- benchmark --> and <!-- /benchmark -->; put them back.")
    measured = json.loads(RESULTS.read_text())
    lines = ["## Goals", "", *summary(measured), "", "## Everything that was measured", "", *for_docs(measured)]
    return text, found[0], "\n".join(lines) + "\n"


def write():
    """Update the block of PAGE from the stored results."""
    text, _, wanted = block()
    PAGE.write_text(BLOCK.sub(lambda _: wanted, text), encoding="utf-8")


if __name__ == "__main__":
    write()
