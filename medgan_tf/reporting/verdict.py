"""What a run showed, in five sentences that are read from its results."""

from medgan_tf import config, results
from medgan_tf.figures.cells import cell, listed, real_cell
from medgan_tf.studies import augmentation_report, privacy_report

METRIC = "kernel_distance"  # ranks the models
NOT_RUN = "Not run: notebook {notebook} was not run to its end."


def verdict(run):
    """{question: answer} on a run: the best model, its distance, its use, its copies, and what was not run.

    Every number is one of results.json, with n and interval; an answer says so where there is none.
    """
    sections = results.read(run.directory)
    best, which = _best(sections, run.name)
    return {
        "Which model?": which,
        "How far from real?": _how_far(sections, best),
        "Does it help a classifier?": _help(results.sections(run.directory, "augmentation")),
        "Does it copy?": _copies(results.privacy(run.directory)),
        "What was not run?": _not_run(run, sections),
    }


def _best(sections, run_name):
    """(name of the model with the least distance, the sentence); the name is None where no model was measured."""
    ranked = sorted(
        (row for row in sections.get("comparison", []) if row["run"] == run_name and row["metric"] == METRIC),
        key=lambda row: row["value"],
    )
    if not ranked:
        return None, NOT_RUN.format(notebook="06_evaluation")
    best, *others = ranked
    equals = [row["model"] for row in others if row["among_best"]]
    return best["model"], (
        f"Of {len(ranked)} models, {best['model']} has the smallest kernel distance to held-out real images:"
        f" {cell(best)}, where halves of the real images have {real_cell(best)} (n = {best['n']} a side, features"
        f" {best['extractor']})." + (f" At this n it cannot be told from {listed(equals)}." if equals else "")
    )


def _how_far(sections, best):
    if best is None:
        return NOT_RUN.format(notebook="06_evaluation")
    frechet, coverage, recall = (
        sections[f"quality/{best}"]["metrics"][name] for name in ("frechet_distance", "coverage", "recall")
    )
    return (
        f"The Fréchet distance of {best} is {frechet['value'] / frechet['real_vs_real']:.1f} times that between halves"
        f" of the real images ({cell(frechet)} against {real_cell(frechet)}). Coverage is {cell(coverage)}, where real"
        f" images reach {real_cell(coverage)}; recall is {cell(recall)}, where they reach {real_cell(recall)}."
    )


def _help(studies):
    if not studies:
        return NOT_RUN.format(notebook="07_augmentation")
    return " ".join(augmentation_report.against_real_only(content) for content in studies.values())


def _copies(audits):
    controls = privacy_report.CONTROLS
    models = {name: audit for name, audit in audits.items() if name not in controls}
    if not models:
        return NOT_RUN.format(notebook="08_privacy")
    found = [name for name, audit in models.items() if privacy_report.is_suspicious(audit)]
    blind = privacy_report.undetected_controls(audits)
    sentence = (
        f"Copies or members were found in {listed(found)}, of {len(models)} models audited"
        if found
        else f"In none of {len(models)} models could more copies than by chance be shown, or members be told apart"
    )
    limits = " But some planted controls were not detected either (see Privacy)." if blind else ""
    return f"{sentence}; this does not prove anonymity.{limits}"


def _not_run(run, sections):
    left_out = [name for name in config.STUDIES if not (run.directory / "notebooks" / f"{name}.done").exists()]
    parts = [f"{listed(left_out)} (the profile study runs them)"] if left_out else []
    measured = {name.split("/")[0] for name in sections}
    kinds = {"quality": "06_evaluation", "augmentation": "07_augmentation", "privacy": "08_privacy"}
    parts += [notebook for kind, notebook in kinds.items() if kind not in measured]
    studies = [section for name, section in sections.items() if name.startswith("reader_study/")]
    if not any(study["status"] == "analysed" for study in studies):
        parts.append("the reader study (no person has rated images)")
    return f"Not run: {'; '.join(parts)}." if parts else "Everything that the notebooks hold was run."
