"""The results of a privacy audit in words: the attacks, their success, and what the audit does not prove."""

from medgan_tf.metrics.copies import QUANTILE

CHANCE = 0.5
LEVEL = 0.025  # of a one-sided p value, as of a 95% interval above chance
NAMES = {
    "discriminator": "the discriminator attack (LOGAN, white box)",
    "distance": "the calibrated distance attack (GAN-Leaks, from images alone)",
}
CONTROLS = {  # audited like models, to detect an audit that cannot see anything
    "copier": "a control, planted: training images, shifted and noisy",
    "overfitted": "a control: trained for long on a few images",
}
PLANTED = {"discriminator": "overfitted", "distance": "copier"}  # the control that each attack must detect
NOT_PROVEN = (
    "Stronger attacks may find more: shadow models, attacks on the weights and attacks on a chosen patient were not "
    "tried. An AUC near 0.5 means that membership cannot be told on average; single unusual patients can still be "
    "exposed. Intervals are for this sample, one training and one seed. Copies that neither grey levels after a small "
    "shift nor these features show are not counted. Passing does not prove anonymity and has no legal meaning."
)

SAME_ON_BOTH_SIDES = (
    f" At least {QUANTILE:.0%} of the held-out images are closer to a training image than these copies, as when "
    "images of one patient, or copies of one image, are on both sides of the split: identify the patients and split "
    "again."
)


def findings(section):
    """Sentences on one model's audit, each with its n and interval."""
    memory = section["memorisation"]
    sentences = []
    for kind, words in (("pixels", "by grey levels after registration"), ("features", "by features")):
        record = memory[kind]
        verdict = "more than chance" if record["p_value"] < LEVEL else "no excess can be shown"
        sentences.append(
            f"Copies: a proportion of {_number(record['copy_rate'], 3)} of {record['n']} synthetic images is closer to "
            f"a training image than the first percentile of {record['held_out']} held-out images "
            f"({record['held_out_patients']} patients), {words}; {record['expected']:.3f} of new images would be (p = "
            f"{record['p_value']:.2g}): {verdict}; {record['patients_copied']} training patient(s) concerned."
        )
    for attack, record in section["attacks"].items():
        sentences.append(
            f"{NAMES[attack][0].upper()}{NAMES[attack][1:]} reaches an AUC of {_number(record['auc'])} and finds a "
            f"proportion of {_number(record['tpr'], 3)} of {record['members']} members at {record['fpr']:.0%} false "
            f"alarms ({record['others']} others): {_verdict(record)}."
        )
    for attack, controls in section["controls"].items():
        aucs = {name: record["auc"] for name, record in controls.items()}
        off = [f"{name} {_number(auc)}" for name, auc in aucs.items() if not auc["low"] <= CHANCE <= auc["high"]]
        if off:
            sentences.append(
                f"Control of the {attack} attack off {CHANCE}: {', '.join(off)}. One control in twenty is off by"
                " chance; if more are, the attack's result cannot be trusted."
            )
    return sentences


def is_suspicious(section):
    """Whether a model's audit shows more copies than chance would, or an attack that tells members from others."""
    copied = any(record["p_value"] < LEVEL for record in section["memorisation"].values())
    return copied or any(record["auc"]["low"] > CHANCE for record in section["attacks"].values())


def undetected_controls(sections, ways=("pixels", "features")):
    """Sentences on planted controls that were not detected: then a model that is not detected proves nothing.

    sections: {name: audit} of one run from `results.privacy`. ways: the distances to report on.
    """
    sentences = []
    copies = sections.get("copier", {}).get("memorisation", {})
    for kind in ways:
        if kind in copies and not copies[kind]["p_value"] < LEVEL:
            words, rate = {"pixels": "grey levels"}.get(kind, kind), _number(copies[kind]["copy_rate"], 3)
            sentences.append(
                f"The planted copies are not detected by {words} (a proportion of {rate}): so on these data a copy "
                f"rate by {words} says nothing." + (SAME_ON_BOTH_SIDES if kind == "pixels" else "")
            )
    for attack, control in PLANTED.items():
        record = sections.get(control, {}).get("attacks", {}).get(attack)
        if record and record["auc"]["low"] <= CHANCE:
            sentences.append(
                f"The {control} control is not detected by {NAMES[attack]} ({_number(record['auc'])}): so a model that "
                "is not detected either proves nothing."
            )
    return sentences


def model_card_statement(sections, name):
    """The paragraph on one model in a model card; sections as in `undetected_controls`."""
    section = sections.get(name)
    if not section:
        return "Memorisation and membership were not audited: do not treat these images as anonymous."
    copies = section["memorisation"]["pixels"]["copy_rate"]
    attacks = " and ".join(f"{_number(record['auc'])} ({name})" for name, record in section["attacks"].items())
    sentence = (
        f"Privacy audit: a proportion of {_number(copies, 3)} of {section['n']} images is closer to a training image "
        f"than the first percentile of held-out distances; membership attacks reach an AUC of {attacks}, 95% intervals "
        "over patients. That bounds these attacks and no others: do not treat these images as anonymous."
    )
    return " ".join([sentence, *undetected_controls(sections, ("pixels",))])


def _verdict(record):
    if record["auc"]["low"] > CHANCE:
        return "members can be told from others"
    return "below chance" if record["auc"]["high"] < CHANCE else "not distinguishable from chance at this n"


def _number(interval, digits=2):
    value, low, high = (f"{interval[end]:.{digits}f}" for end in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
