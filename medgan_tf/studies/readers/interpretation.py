"""The results of a reader study in sentences; null results are reported."""

LOW_AGREEMENT = 0.2  # "slight" agreement at most (Landis and Koch 1977)
SIMULATED = "SIMULATED readers, no people: this shows what an analysis looks like and says nothing about the images."


def interpret(section):
    """Sentences on an analysed section. No difference from chance is not reported as equivalence."""
    accuracy, agreement = section["pooled"]["accuracy"], section["agreement"]["between_readers"]
    sentences = [SIMULATED] if section["simulated"] else []
    who = f"{section['readers']} {'simulated ' * section['simulated']}reader{'s' * (section['readers'] > 1)}"
    sentences.append(_accuracy(accuracy, who))
    at_chance = accuracy["low"] <= 0.5 <= accuracy["high"]
    if agreement["value"] is not None:
        kappa = f"Fleiss' kappa {_interval(agreement)}, {agreement['images']} images"
        sentences.append(f"Agreement between the readers: {kappa}.")
        if at_chance and agreement["value"] < LOW_AGREEMENT:
            sentences.append("Chance accuracy with so little agreement may mean weak readers as well as good images.")
    if same := section["agreement"]["with_themselves"].get("same_answer"):
        sentences.append(f"Of images shown twice, {same['k']} of {same['n']} got the same answer from the same reader.")
    realism = section["pooled"]["realism_difference"]
    if realism["value"] is not None:
        sentences.append(f"Realism of real images minus synthetic ones: {_interval(realism)} on a scale of 1 to 5.")
    if section["readers"] == 1:
        sentences.append("With one reader the intervals hold for this reader only.")
    return sentences + [f"Left out: {problem}" for problem in section["left_out"]]


def _accuracy(accuracy, who):
    found = f"{who} told synthetic from real images with accuracy {_interval(accuracy)}"
    if accuracy["low"] > 0.5:
        return f"{found}, above chance."
    if accuracy["high"] < 0.5:
        return f"{found}, below chance: they saw a difference and took it the wrong way round."
    return f"{found}: no difference from chance can be shown, and {accuracy['high']:.2f} is not ruled out."


def _interval(record):
    value = f"{record['value']:.2f}"
    return value if record["low"] is None else f"{value} [{record['low']:.2f}, {record['high']:.2f}]"
