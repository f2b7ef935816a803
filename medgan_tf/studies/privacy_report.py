"""What a privacy audit found, in words: which attacks were tried, what they achieved, and what that does not prove."""

from medgan_tf.metrics.copies import QUANTILE

CHANCE = 0.5
LEVEL = 0.025  # of a p value, one-sided: that of a 95% interval which lies above chance
NAMES = {
    "discriminator": "the discriminator attack (LOGAN, white box)",
    "distance": "the calibrated distance attack (GAN-Leaks, from images alone)",
}
CONTROLS = {  # audited like a model, and planted so that an audit that sees nothing is seen through
    "copier": "a control, planted: training images, shifted and noisy",
    "overfitted": "a control: trained for long on a few images",
}
PLANTED = {"discriminator": "overfitted", "distance": "copier"}  # what each attack must tell
NOT_PROVEN = (
    "These attacks found what they found, and a stronger one may find more: nobody tried shadow models, attacks on the "
    "weights, or attacks on one chosen patient. An AUC near 0.5 says that membership cannot be told on average; single "
    "unusual patients can still be exposed. Intervals are those of this sample, of one training and one seed. "
    "Copies that neither grey levels after a small shift nor these features can see are not counted. "
    "Passing is no proof of anonymity and settles no question of law."
)

SAME_ON_BOTH_SIDES = (
    f" At least {QUANTILE:.0%} of the held-out images are nearer to a training image than these copies, as where "
    "images of one patient, or copies of one image, lie on both sides of the split: say who the patients are, and "
    "split again."
)


def findings(section):
    """Sentences of one model's audit, each with its n and interval."""
    memory = section["memorisation"]
    sentences = []
    for kind, words in (("pixels", "by grey levels after registration"), ("features", "by features")):
        record = memory[kind]
        verdict = "more than chance" if _copied(record) else "no excess can be shown"
        sentences.append(
            f"Copies: {_share(record['copy_rate'])} of {record['n']} synthetic images lies nearer to a training image "
            f"than all but the nearest {QUANTILE:.0%} of {record['held_out']} held-out images "
            f"({record['held_out_patients']} patients) do, {words}; of fresh images {record['expected']:.3f} would "
            f"(p = {record['p_value']:.2g}): {verdict}; "
            f"{record['patients_copied']} training patient(s) concerned."
        )
    for attack, record in section["attacks"].items():
        sentences.append(
            f"{NAMES[attack][0].upper()}{NAMES[attack][1:]} reaches an AUC of {_number(record['auc'])} and finds "
            f"{_share(record['tpr'])} of {record['members']} members at {record['fpr']:.0%} false alarms "
            f"({record['others']} others): {_verdict(record)}."
        )
    for attack, controls in section["controls"].items():
        off = [name for name, record in controls.items() if not _covers_chance(record["auc"])]
        if off:
            sentences.append(
                f"Control of the {attack} attack off {CHANCE}: "
                + ", ".join(f"{name} {_number(controls[name]['auc'])}" for name in off)
                + ". One control in twenty is off by chance; more say that the attack's figure cannot be trusted."
            )
    return sentences


def blind(sections, ways=("pixels", "features")):
    """Sentences on planted controls that were not caught: there, that a model is not caught either says nothing.

    sections: {name: audit} of one run, as `results.privacy` reads them; controls are found by their names. ways: of
    looking for copies.
    """
    sentences = []
    copies = sections.get("copier", {}).get("memorisation", {})
    for kind in ways:
        if kind in copies and not _copied(copies[kind]):
            words = {"pixels": "grey levels"}.get(kind, kind)
            sentences.append(
                f"The planted copies are not told by {words} ({_share(copies[kind]['copy_rate'])}): so on these data a "
                f"copy rate by {words} says nothing." + (SAME_ON_BOTH_SIDES if kind == "pixels" else "")
            )
    for attack, control in PLANTED.items():
        record = sections.get(control, {}).get("attacks", {}).get(attack)
        if record and record["auc"]["low"] <= CHANCE:
            sentences.append(
                f"The {control} control is not told by {NAMES[attack]} ({_number(record['auc'])}): so a model that is "
                "not told either says nothing."
            )
    return sentences


def statement(sections, name):
    """What a model card says of one model of a run's audits (as in `blind`)."""
    section = sections.get(name)
    if not section:
        return "Memorisation and membership were not audited: do not take these images for anonymous."
    copies = section["memorisation"]["pixels"]["copy_rate"]
    attacks = " and ".join(f"{_number(record['auc'])} ({name})" for name, record in section["attacks"].items())
    said = [
        f"Privacy audit: {_share(copies)} of {section['n']} images is nearer to a training image than all but "
        f"{QUANTILE:.0%} of held-out ones; membership attacks reach an AUC of {attacks}, 95% intervals over patients. "
        "That bounds these attacks and no others: do not take these images for anonymous.",
        *blind(sections, ("pixels",)),
    ]
    return " ".join(said)


def _copied(record):
    return record["p_value"] < LEVEL


def _verdict(record):
    if record["auc"]["low"] > CHANCE:
        return "members can be told from others"
    return "below chance" if record["auc"]["high"] < CHANCE else "not distinguishable from chance at this n"


def _covers_chance(interval):
    return interval["low"] <= CHANCE <= interval["high"]


def _number(interval):
    return f"{interval['value']:.2f} [{interval['low']:.2f}, {interval['high']:.2f}]"


def _share(interval):
    return f"a share of {interval['value']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"
