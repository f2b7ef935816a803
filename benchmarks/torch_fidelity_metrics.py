"""The other side of metrics.py: torch-fidelity on saved features. python torch_fidelity_metrics.py FILE ROUNDS

Prints {metric: {value, timings}} as JSON: seconds by the clock and of the processor of each round after the first.
"""

import json
import sys
import time

import numpy as np
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric


def frechet(real, fake):
    """Of the statistics of both."""
    statistics_of_both = (fid_features_to_statistics(side) for side in (real, fake))
    return fid_statistics_to_metric(*statistics_of_both, False)["frechet_inception_distance"]


def kernel(real, fake):
    """Over one subset that is the whole set; in float64, as subtracting means loses digits."""
    options = {"kid_subsets": 1, "kid_subset_size": len(real), "verbose": False}
    return kid_features_to_metric(real.double(), fake.double(), **options)["kernel_inception_distance_mean"]


def precision_and_recall(real, fake):
    """With k = 3, its own default; generated images come first there."""
    measured = prc_features_to_metric(fake, real, prc_neighborhood=3, verbose=False)
    return [float(measured["precision"]), float(measured["recall"])]


def main(path, rounds):
    """Measure everything on one thread, print JSON."""
    torch.set_num_threads(1)
    with np.load(path) as stored:
        real, fake = (torch.from_numpy(stored[name]) for name in ("real", "fake"))
    answers = {}
    for name, function in (("frechet", frechet), ("kernel", kernel), ("precision and recall", precision_and_recall)):
        timings = []
        for _ in range(rounds + 1):
            clock, worked = time.perf_counter(), time.process_time()
            value = function(real, fake)
            clock, worked = time.perf_counter() - clock, time.process_time() - worked
            timings.append({"seconds": clock, "processor_seconds": worked})
        answers[name] = {"value": value, "timings": timings[1:]}
    print(json.dumps(answers))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
