"""The record of one metric, and its interpretation in words.

A record has value, low, high (95%), the same of real against real images (real_vs_real, real_vs_real_low,
real_vs_real_high), interpretation, better ("lower", "higher" or "closer to real"), n (images a side in each
comparison), repeats, patients (how many, None if unknown), image_size ("height x width"), extractor, weights_sha256 and
jpg_quality (of both sides, None for lossless). `intervals.draw_halves` explains the resampling. For MS-SSIM and
Inception score, which describe a single set, real_vs_real is the value of real images.
"""

import numpy as np

from medgan_tf.intervals import half_split_interval, repeat_interval

METRICS = {  # name: (better, lowest possible value, highest possible value)
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
    """The part of a record that follows from values, of one metric.

    values, others: {metric: float} of the first and second halves of each repeat (`intervals.half_split_interval`);
    real_vs_real: the same of real against real images.
    """
    better, *limits = METRICS[metric]
    values, others, real_vs_real = ([each[metric] for each in side] for side in (values, others, real_vs_real))
    names = ("value", "low", "high", "real_vs_real", "real_vs_real_low", "real_vs_real_high")
    numbers = *half_split_interval(values, others, *limits), *repeat_interval(real_vs_real, *limits)
    found = dict(zip(names, numbers, strict=True)) | {"better": better}
    return found | {"interpretation": interpret(metric, found)}


def interpret(metric, record):
    """A record in words: its interval compared with the interval of real against real images at the same n.

    "worse than real by more than chance"  the intervals are apart on the bad side; for metrics that should be close to
                                           real, ": too high" or ": too low" follows
    "memorised"                            the same for `copies`
    "closer than real images are to each other"
                                           apart on the good side. This is no merit: look at recall and copies. An
                                           honest generator gets there if patients have several similar images (see
                                           intervals.draw_halves), another through what the metric does not see
    "as close as real images are to each other"
                                           no part of the interval is worse than the worst of real against real
    "not distinguishable at this n"        the intervals overlap, but part of this one is worse: neither a difference
                                           nor its absence is shown
    "n is too small to extrapolate"        for `frechet_distance_infinity`: real against real is 0 in truth, but its
                                           interval does not contain 0, so the distance does not fall along a line
    "not measured"                         fewer than two repeats have a value
    "the classifier does not recognise real images"
                                           for `label_agreement`: on real images the classifier is not shown to be
                                           better than chance, so its answers say nothing
    "better than chance", "worse than chance", "not distinguishable from chance"
                                           for `label_agreement` without real images of these classes

    Two 95% intervals that are apart are stronger evidence than p < 0.05. Each metric is interpreted by itself: among
    many interpretations some are wrong by chance.
    """
    if metric == "label_agreement":
        chance = record["chance"]
        if "real_vs_real" not in record:
            if record["low"] > chance:
                return "better than chance"
            return "worse than chance" if record["high"] < chance else "not distinguishable from chance"
        if record["real_vs_real_low"] <= chance:
            return "the classifier does not recognise real images"
    low, high, real_low, real_high = (record[name] for name in ("low", "high", "real_vs_real_low", "real_vs_real_high"))
    if not np.isfinite([low, real_low]).all():
        return "not measured"
    if metric == "frechet_distance_infinity" and not real_low <= 0 <= real_high:
        return "n is too small to extrapolate"
    above, below = low > real_high, high < real_low
    worse = {"lower": above, "higher": below, "closer to real": above or below}[record["better"]]
    if worse and metric == "copies":
        return "memorised"
    if worse:
        side = f": too {'high' if above else 'low'}" if record["better"] == "closer to real" else ""
        return f"worse than real by more than chance{side}"
    if above or below:
        return "closer than real images are to each other"
    no_higher, no_lower = high <= real_high, low >= real_low
    as_close = {"lower": no_higher, "higher": no_lower, "closer to real": no_higher and no_lower}[record["better"]]
    return "as close as real images are to each other" if as_close else "not distinguishable at this n"
