"""Time and memory of all distance and coverage metrics on two large sets of features, on the CPU.

Features are correlated Gaussians, the fakes shifted and stretched, as in metrics.py. Where seconds and processor
seconds differ by more than the threads explain, other programs had the machine. Memory is the most that the process
held so far, libraries and both sets included.
"""

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import interleaved_timing
from benchmarks.metrics import features
from medgan_tf import metrics

MEASURES = {
    "Frechet distance": metrics.frechet_distance,
    "Frechet distance at n, n/2, n/3 and infinite n": metrics.frechet_distance_infinity,
    "kernel distance": metrics.kernel_distance,
    "precision, recall, density, coverage": metrics.precision_recall,
}


def main():
    """Each once more than it counts."""
    parser = interleaved_timing.parser(__doc__, rounds=1)
    parser.add_argument("--count", type=int, default=10_000, help="features a side")
    parser.add_argument("--width", type=int, default=2048, help="of the features")
    options, rows = parser.parse_args(), []
    real, fake, _ = features(options.count, options.width)
    with threadpool_limits(options.threads):
        for name, measure in MEASURES.items():
            sides = {name: lambda measure=measure: measure(real, fake)}
            _, found = interleaved_timing.interleave(sides, options.rounds)[name]
            seconds, processor = ([turn[kind] for turn in found] for kind in ("seconds", "processor_seconds"))
            more = {"ours_processor": float(np.median(processor)), "peak_mib": [interleaved_timing.peak_mib(), None]}
            spread = np.percentile(seconds, [25, 75]).tolist() if len(found) > 1 else None
            what = f"{name}, {options.count} x {options.width}"
            rows.append(interleaved_timing.measured(what, np.median(seconds), "s", spread, len(found), **more))
            interleaved_timing.save(options.json, rows)
    interleaved_timing.show(rows)


if __name__ == "__main__":
    main()
