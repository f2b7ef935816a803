"""Time and memory of all distance and coverage metrics on two large sets of features, on the CPU.

python -m benchmarks.metrics_scale [--count 10000] [--width 2048] [--threads 2] [--json FILE]

Features are correlated Gaussians, the fakes shifted and stretched, as in metrics.py. Seconds are of one call each, by
the clock and of the processor over all threads: where they differ by more than the threads explain, other programs had
the machine. Memory is the most that the process held, libraries and both sets included.
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmarks.metrics import features
from medgan_tf import metrics

MEASURES = {
    "Frechet distance": metrics.frechet_distance,
    "Frechet distance at n, n/2, n/3 and infinite n": metrics.frechet_distance_infinity,
    "kernel distance": metrics.kernel_distance,
    "precision, recall, density, coverage": metrics.precision_recall,
}


def main():
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="features a side")
    parser.add_argument("--width", type=int, default=2048, help="of the features")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    real, fake, _ = features(settings.count, settings.width)
    print(f"{settings.count} x {settings.width} features a side, {settings.threads} threads", flush=True)
    rows = []
    with threadpool_limits(settings.threads):
        for name, measure in tqdm(MEASURES.items()):
            clock, processor = time.perf_counter(), time.process_time()
            measure(real, fake)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            row = {"seconds": time.perf_counter() - clock, "processor seconds": time.process_time() - processor}
            rows.append({"measure": name} | row | {"peak GiB so far": peak})
    # the second already holds the first
    total = {column: sum(row[column] for row in rows[1:]) for column in ("seconds", "processor seconds")}
    rows.append({"measure": "all"} | total | {"peak GiB so far": rows[-1]["peak GiB so far"]})
    print(pd.DataFrame(rows).to_string(index=False, float_format=lambda number: f"{number:.2f}"))
    if settings.json:
        options = {name: getattr(settings, name) for name in ("count", "width", "threads")}
        load = {"load of the machine before": os.getloadavg()[2]}
        settings.json.write_text(json.dumps(options | load | {"rows": rows}, indent=2))


if __name__ == "__main__":
    main()
