"""The result of the augmentation study in sentences; null results are reported."""

from functools import partial

from .arms import CLASSICAL, DUPLICATED, REAL, SYNTHETIC_ONLY

# The measure that decides, named beforehand.
DECISIVE = dict.fromkeys(["main", "classical", "duplicated", "small data"], "auroc") | {"rare class": "sensitivity"}
BASELINES = (CLASSICAL.name, DUPLICATED.name, SYNTHETIC_ONLY.name)


def interpret_study(content):
    """Sentences on the result of `augmentation.study`: the decisive measure of each family of comparisons."""
    family = partial(_decisive, content)
    source, test, seeds = content["source"]["name"], content["splits"]["test"], len(content["settings"]["seeds"])
    rare = content["rare_class"]
    sentences = [
        *content["source"]["notes"],
        f"Real test images: {test['images']} of {test['patients']} patients, {seeds} seed(s). Differences are in macro"
        " AUROC unless stated otherwise, with 95% intervals; p is Holm-corrected over"
        f" {len(family('main'))} comparisons with {REAL.name}.",
        against_real_only(content),
        _summary(family("classical"), f"images of {source} added to the real ones", CLASSICAL.name),
        *map(_sentence, family("duplicated")),
        *[_sentence(record) for record in family("main") if record["arm"] in BASELINES],
        f"The rarest class, {rare['name'].replace('_', ' ')}, topped up by {rare['topped_up_by']} images to the size of"
        " the commonest; differences are in the sensitivity for this class, at a specificity of"
        f" {content['settings']['specificity']:g} on validation:",
        *map(_sentence, family("rare class")),
    ]
    if family("small data"):
        what = f"images of {source} added to a part of the real ones"
        sentences.append(
            _summary(family("small data"), what, "the same part alone")
            + " The generator was trained on the whole training split: a gain here needs a generator from someone with"
            " more images and cannot be obtained from the small set alone."
        )
    if seeds == 1:
        sentences.append("With one seed, the intervals do not include how much another seed would differ.")
    return sentences


def against_real_only(content):
    """The sentence on what synthetic images added to the real ones are worth against the real ones alone."""
    mixed = [record for record in _decisive(content, "main") if record["arm"] not in BASELINES]
    return _summary(mixed, f"images of {content['source']['name']} added to the real ones", REAL.name)


def _decisive(content, family):
    """The records of a family of comparisons in the measure that decides."""
    records = [record for record in content["comparisons"] if record["family"] == family]
    return [record for record in records if record["measure"] == DECISIVE[family]]


def _summary(records, what, reference):
    """One sentence on several ratios or fractions; without a difference, it gives the range that is not excluded."""
    found, count = [record["interpretation"] for record in records], len(records)
    if set(found) == {"no difference shown"}:
        low, high = min(record["low"] for record in records), max(record["high"] for record in records)
        return (
            f"{_upper(what)}: against {reference}, no difference can be shown (0 of {count} comparisons). This does"
            f" not prove equality: the intervals reach from {low:+.3f} to {high:+.3f}."
        )
    words = {"better": "better", "worse": "worse", "no difference shown": "without a difference shown"}
    parts = [f"{found.count(each)} of {count} {word}" for each, word in words.items() if each in found]
    shown = [record for record in records if record["interpretation"] != "no difference shown"]
    numbers = "; ".join(f"{record['arm']} {_numbers(record)}" for record in shown)
    return f"{_upper(what)}: against {reference}, {', '.join(parts)} ({numbers})."


def _sentence(record):
    """One comparison as a sentence."""
    found = {"better": "better than", "worse": "worse than", "no difference shown": "no difference can be shown from"}
    return f"{_upper(record['arm'])}: {found[record['interpretation']]} {record['reference']}, {_numbers(record)}."


def _upper(text):
    return text[0].upper() + text[1:]


def _numbers(record):
    p = "< 0.001" if record["p_holm"] < 0.001 else f"= {record['p_holm']:.3f}"
    return f"{record['value']:+.3f} [{record['low']:+.3f}, {record['high']:+.3f}], p {p}"
