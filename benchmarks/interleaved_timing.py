"""Times several programs in turns; a ratio is the median of the ratios within a round.

Other load on the machine then affects all of them alike. Wall-clock and processor seconds are measured, over all
threads and all child processes that ended meanwhile: processor seconds depend less on what else the machine does.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
NOT_RUN = "not run"
TORCH_VARIABLE = "MEDGAN_TF_TORCH_PYTHON"


def processor_seconds():
    """Processor seconds of this process with all its threads, and of its children that ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def peak_mib():
    """Peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(function, *arguments):
    """Call a function; return (its value, {"seconds", "processor_seconds"})."""
    clock, worked = time.perf_counter(), processor_seconds()
    value = function(*arguments)
    return value, {"seconds": time.perf_counter() - clock, "processor_seconds": processor_seconds() - worked}


def interleave(functions, rounds):
    """Time {name: function} in turns; return {name: (last value, timings)}. The first round, a warm-up, is left out."""
    values, timings = {}, {name: [] for name in functions}
    for number in tqdm(range(rounds + 1), leave=False):
        for name, function in functions.items():
            values[name], timing = timed(function)
            if number:
                timings[name].append(timing)
    return {name: (values[name], timings[name]) for name in functions}


def compared(what, reference, amount, unit, ours, theirs, **more):
    """A row of results: our and their rate (amount per second, medians) and their ratio with its quartiles.

    Both by wall-clock time and by processor time. ours, theirs: timings of the same rounds; theirs is None where the
    other program is not installed. A ratio above 1 means that ours is faster.
    """
    row = {"what": what, "reference": reference, "unit": f"{unit}/s", "n": len(ours)}
    for kind, suffix in (("seconds", ""), ("processor_seconds", "_processor")):
        own = amount / np.array([timing[kind] for timing in ours])
        row[f"ours{suffix}"] = float(np.median(own))
        if theirs:
            other = amount / np.array([timing[kind] for timing in theirs])
            row[f"theirs{suffix}"] = float(np.median(other))
            row[f"ratio{suffix}"] = float(np.median(own / other))
            row[f"spread{suffix}"] = np.percentile(own / other, [25, 75]).tolist()
    for kind in ("peak_mib", "libraries_mib"):
        most = [max((timing[kind] for timing in side or [] if kind in timing), default=None) for side in (ours, theirs)]
        if any(most):
            row[kind] = most
    return row | more | ({} if theirs else {"status": NOT_RUN})


def measured(what, value, unit, spread=None, n=1, **more):
    """A row of results without another program to compare with."""
    return {"what": what, "unit": unit, "ours": float(value), "spread_ours": spread, "n": n} | more


def save(path, rows, **more):
    """Write the rows measured so far, so that run.py can read them even if the part fails later."""
    if path:
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps({"rows": rows} | more, indent=2) + "\n")
        partial.replace(path)


def machine_and_versions():
    """Machine, versions, date and the load of the last 15 minutes; call it at the end, to include the measuring."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [
            line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = named[0] if named else model
    memory = round(psutil.virtual_memory().total / 2**30)
    packages = ("tensorflow", "keras", "numpy", "scipy", "pydicom")
    return {
        "date": datetime.date.today().isoformat(),
        "load": os.getloadavg()[2],
        "machine": {"processor": model, "cores": os.cpu_count(), "memory_gib": memory, "system": platform.system()},
        "versions": {name: version(name) for name in packages} | {"Python": platform.python_version()},
    }


def parser(doc, rounds):
    """A parser with the options that every part has and `run.py` sets."""
    options = argparse.ArgumentParser(description=doc.splitlines()[0])
    options.add_argument(
        "--rounds", type=int, default=rounds, help=f"number of rounds, after one for warm-up (default {rounds})"
    )
    options.add_argument("--threads", type=int, default=os.cpu_count())
    options.add_argument(
        "--torch-python",
        type=Path,
        default=os.environ.get(TORCH_VARIABLE) or None,
        help=f"interpreter of an environment with torch and torch-fidelity (or in {TORCH_VARIABLE})",
    )
    options.add_argument("--json", type=Path)
    return options


def show(rows):
    """Print a part's rows as a table."""
    table = pd.DataFrame(rows).drop(columns=["n", "status"], errors="ignore")
    print(table.to_string(index=False, float_format=lambda number: f"{number:.3g}", na_rep=""))


class TimedProcess:
    """A process that times steps: it answers each line of its standard input with a line of JSON."""

    def __init__(self, name, command):
        self.name, self.timings = name, []
        # Threads that spin while they wait would hurt PyTorch, and only PyTorch, where other processes run too.
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_WAIT_POLICY": "PASSIVE"}
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
            cwd=ROOT,
        )

    def ask(self, line):
        """Send a line and return the answer. Raises RuntimeError if the process died."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"'{self.name}' stopped; run {' '.join(map(str, self.process.args))} to see why.")
        return json.loads(answer)


def interleave_steps(processes, steps, rounds):
    """Time `steps` training steps of each process in turns; the first round, which compiles, is left out."""
    for number in tqdm(range(rounds + 1), leave=False):
        for process in processes:
            timing = process.ask(f"steps {steps}")
            if number:
                process.timings.append(timing)


def same_networks(us, other, path):
    """Raise ValueError unless both processes compute the same with the same number of weights."""
    counts = us.ask(f"write {path}")["parameters"]
    found = other.ask(f"check {path}")
    if found["parameters"] != counts:
        raise ValueError(f"{other.name} has {found['parameters']} parameters, ours {counts}.")
    if found["images"] > 1e-3 or found["scores"] > 1e-3 * max(found["largest_score"], 1):
        raise ValueError(f"{other.name} does not compute the same: {found}.")
    return counts
