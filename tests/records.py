"""A metric's record, for tests of tables, figures and reports."""


def measured(value, width=0.1, real_vs_real=(0.5, 0.4, 0.6), **changes):
    """A record as `metrics.evaluate` makes it. width: from the value to each end of its interval."""
    names = ("value", "low", "high", "real_vs_real", "real_vs_real_low", "real_vs_real_high")
    numbers = dict(zip(names, (value, value - width, value + width, *real_vs_real), strict=True))
    counts = {"n": 50, "repeats": 4, "patients": 30, "image_size": "64 x 64"}
    features = {"extractor": "feature_classifier", "weights_sha256": "ab" * 32}
    return numbers | {"better": "lower"} | counts | features | changes
