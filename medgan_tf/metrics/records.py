"""What a record of a metric holds, and how it reads in words."""

import numpy as np

from medgan_tf.intervals import half_split_interval, repeat_interval

METRICS = {  # name: (which direction is better, lowest and highest possible value)
    "frechet_distance": ("lower", 0, np.inf),
    "frechet_distance_infinity": ("lower", -np.inf, np.inf),  # a line's intercept, so it may be negative
    "kernel_distance": ("lower", -np.inf, np.inf),  # unbiased, so it may be negative
    "precision": ("higher", 0, 1),
    "recall": ("higher", 0, 1),
    "density": ("closer to real", 0, np.inf),  # above 1 where fakes crowd into the densest real places
    "coverage": ("higher", 0, 1),
    "inception_score": ("higher", 1, np.inf),
    "ms_ssim": ("closer to real", 0, 1),
    "power_spectrum_distance": ("lower", 0, np.inf),
    "autocorrelation_distance": ("lower", 0, 2),
    "intensity_distance": ("lower", 0, 255),
    "copies": ("lower", 0, 1),
}


def record(metric, values, others, real_vs_real):
    """The record of one metric from its values in the halves of each repeat, see `intervals.half_split_interval`, and
    those of real against real, {metric: float} each.

    Returns value, low, high (95%), floor, floor_low, floor_high, better and reading.
    """
    better, *limits = METRICS[metric]
    of = lambda measured: [each[metric] for each in measured]  # noqa: E731
    value, low, high = half_split_interval(of(values), of(others), *limits)
    real_vs_real, real_vs_real_low, real_vs_real_high = repeat_interval(of(real_vs_real), *limits)
    found = {
        "value": value,
        "low": low,
        "high": high,
        "real_vs_real": real_vs_real,
        "real_vs_real_low": real_vs_real_low,
        "real_vs_real_high": real_vs_real_high,
        "better": better,
    }
    return found | {"interpretation": interpret(metric, found)}


def interpret(metric, record):
    """A record in words: its interval held against that of its floor, real against real at the same n.

    "worse than real by more than chance"  the two are apart on the bad side; where only nearness to the floor is
                                           good, ": too high" or ": too low" follows
    "memorised"                            the same of `copies`
    "beyond the floor"                     apart on the good side. This is no merit: look at recall and copies. An
                                           honest generator gets there where patients have several images alike (see
                                           intervals.draw_halves), another by what the metric does not see
    "within the floor"                     nowhere in its interval worse than the worst of the floor's: as near to the
                                           real images as they are to each other
    "not distinguishable at this n"        the two overlap, but the interval reaches beyond: neither a difference nor
                                           its absence is shown
    "n is too small to extrapolate"        of `frechet_distance_infinity`: its floor is 0 in truth, but the floor's
                                           interval leaves 0 out, so the distance does not fall along a line
    "not measured"                         too few repeats have a value
    "the judge does not know real ones"    of `label_agreement`: on real images the classifier is not shown to be better
                                           than chance, so that its answers say nothing
    "better than chance", "worse than chance", "not distinguishable from chance"
                                           of `label_agreement` where there are no real images of these classes

    Two 95% intervals that are apart are stronger evidence than p < 0.05. Each metric is read by itself: of many
    readings some are wrong by chance.
    """
    if metric == "label_agreement":
        chance = record["chance"]
        if "real_vs_real" not in record:
            sides = {"better than chance": record["low"] > chance, "worse than chance": record["high"] < chance}
            return next((words for words, so in sides.items() if so), "not distinguishable from chance")
        if record["real_vs_real_low"] <= chance:
            return "the judge does not know real ones"
    low, high, real_vs_real_low, real_vs_real_high = (
        record[name] for name in ("low", "high", "real_vs_real_low", "real_vs_real_high")
    )
    if not np.isfinite([low, real_vs_real_low]).all():
        return "not measured"
    if metric == "frechet_distance_infinity" and not real_vs_real_low <= 0 <= real_vs_real_high:
        return "n is too small to extrapolate"
    above, below = low > real_vs_real_high, high < real_vs_real_low
    worst = {"lower": above, "higher": below, "closer to real": above or below}[record["better"]]
    if worst and metric == "copies":
        return "memorised"
    if worst:
        side = f": too {'high' if above else 'low'}" if record["better"] == "closer to real" else ""
        return f"worse than real by more than chance{side}"
    if above or below:
        return "beyond the floor"
    no_higher, no_lower = high <= real_vs_real_high, low >= real_vs_real_low
    within = {"lower": no_higher, "higher": no_lower, "closer to real": no_higher and no_lower}[record["better"]]
    return "within the floor" if within else "not distinguishable at this n"
