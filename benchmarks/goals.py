"""What was asked of speed and memory: goals are data, verdicts and causes are read from the rows of the results."""

from dataclasses import dataclass

STEPS = ("WGAN-GP step, 64 px", "DCGAN step, 64 px")
SETS = ("phantoms of 512 px", "real X-rays, CT, MR")
SIZES = ("2000 x 512", "2048 x 2048", "4096 x 2048")
FIGURES = {  # figure of a row: how its goal reads
    "ratio": "at least {:g} times as fast",
    "ratio_processor": "faster per processor second",
    "ours": "at most {:g} {}",
    "peak_mib": "no more memory",
}


@dataclass(frozen=True)
class Goal:
    """A row, by part, `what` and reference, and the limit of one of its figures."""

    part: str
    what: str
    reference: str | None
    figure: str
    limit: float = 1


GOALS = (
    *(Goal("train_step", step, "PyTorch", "ratio", 1.25) for step in STEPS),
    *(Goal("train_step", step, "PyTorch", "peak_mib") for step in STEPS),
    Goal("stylegan_step", "StyleGAN2, ours at the authors' setting, 64 px, batch 16", None, "ours", 300),
    *(Goal("conversion", f"{name}, 1 worker", "pydicom + Pillow", "ratio", 3) for name in SETS),
    *(Goal("conversion", f"{name}, 1 worker", "dcmj2pnm per file", "ratio_processor") for name in SETS),
    *(
        Goal("metrics", f"Frechet distance, {size}", reference, "ratio", 5)
        for size in SIZES
        for reference in ("scipy sqrtm", "tensorflow-gan")
    ),
    Goal("startup", "import medgan_tf", None, "ours", 0.5),
    *(Goal("startup", f"{way}, to its first picture", None, "ours", 60) for way in ("medgan_tf sample", "app")),
)


def row_of(results, part, what, reference=None):
    """A row, {} where it was not measured."""
    rows = results["parts"].get(part, {"rows": []})["rows"]
    return next((row for row in rows if (row["what"], row.get("reference")) == (what, reference)), {})


def verdict(goal, row):
    """Met, missed or not run; by the median, and said where the quartiles leave it open."""
    if row.get(goal.figure) is None or (goal.figure == "peak_mib" and None in row["peak_mib"]):
        return "not run"
    if goal.figure == "peak_mib":
        ours, theirs = row["peak_mib"]
        return "met" if ours <= goal.limit * theirs else "missed"
    reached, below = row[goal.figure], goal.figure == "ours"
    low, high = row["spread" + ("_ours" if below else goal.figure.removeprefix("ratio"))] or (reached, reached)
    met = reached <= goal.limit if below else reached >= goal.limit
    return ("met" if met else "missed") + (", quartiles on both sides" if low < goal.limit < high else "")


def cause(goal, results):
    """A sentence on where the time or the memory of a goal's row goes, from what was recorded beside it.

    Raises KeyError where it was not, as a part that failed leaves it.
    """

    def row(what, reference=None):
        return row_of(results, goal.part, what, reference)

    found = row(goal.what, goal.reference)
    if goal.figure == "peak_mib":
        same = row(goal.what, "keras.io")["peak_mib"][1]
        (ours, theirs), (own, other) = found["libraries_mib"], found["peak_mib"]
        return (
            f"{goal.what}, memory: imported libraries alone hold {ours:.0f} MiB, {goal.reference}'s {theirs:.0f}; "
            f"above them ours took {own - ours:.0f}, {goal.reference} {other - theirs:.0f}. Written as keras.io does, "
            f"with the same TensorFlow, it took {same:.0f} MiB in all."
        )
    if goal.part == "train_step":
        ours, theirs = (found[side] / found[f"{side}_processor"] for side in ("ours", "theirs"))
        return (
            f"{goal.what}: ours kept {ours:.1f} processors busy, {goal.reference} {theirs:.1f}; "
            f"per processor second ours is {found['ratio_processor']:.2f} times as fast."
        )
    if goal.part == "conversion":
        name = goal.what.removesuffix(", 1 worker")
        search = row(f"{name}: share of the search for text")["ours"]
        records = row(f"{name}: share of isolation and records")["ours"]
        loop = row(goal.what, "pydicom + Pillow")["ratio_processor"] / (1 - search - records)
        return (
            f"{name}: {search:.0%} of our processor time is the search for text, {records:.0%} isolation and "
            f"records, which the others do without; what is left would be {loop:.2f} times as fast as the plain loop."
        )
    if goal.part == "metrics":
        ratios = {size: row(f"Frechet distance, {size}", goal.reference)["ratio"] for size in SIZES}
        by_size = ", ".join(f"{ratio:.1f} at {size}" for size, ratio in ratios.items())
        return f"Frechet distance against {goal.reference}, features x dimensions: {by_size}."
    return f"{goal.what}: not recorded."
