"""How everything here is measured: contestants take turns, and a ratio is the median of the ratios within a round.

So other load on the machine meets all of them alike. Time is taken by the clock and of the processor, over all threads
and all child processes that ended in the turn: the second depends less on what else the machine does.
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
    """Of this process, all its threads, and its children that ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def peak_mib():
    """The most memory that this process held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(function, *arguments):
    """(what it returns, {seconds, processor_seconds})."""
    clock, worked = time.perf_counter(), processor_seconds()
    value = function(*arguments)
    return value, {"seconds": time.perf_counter() - clock, "processor_seconds": processor_seconds() - worked}


def alternate(functions, rounds):
    """{name: (last value, turns)} of {name: function}; the first round, which warms up, does not count."""
    values, turns = {}, {name: [] for name in functions}
    for number in tqdm(range(rounds + 1), leave=False):
        for name, function in functions.items():
            values[name], turn = timed(function)
            if number:
                turns[name].append(turn)
    return {name: (values[name], turns[name]) for name in functions}


def compared(what, reference, amount, unit, ours, theirs, **more):
    """A row: our and their rate (amount a second, medians), ratio with quartiles by the clock and by the processor.

    ours, theirs: turns, in the same rounds; theirs is None where the other is not here. A ratio above 1 says that we
    are faster.
    """
    row = {"what": what, "reference": reference, "unit": f"{unit}/s", "n": len(ours)}
    for kind, suffix in (("seconds", ""), ("processor_seconds", "_processor")):
        own = amount / np.array([turn[kind] for turn in ours])
        row[f"ours{suffix}"] = float(np.median(own))
        if theirs:
            other = amount / np.array([turn[kind] for turn in theirs])
            row[f"theirs{suffix}"] = float(np.median(other))
            row[f"ratio{suffix}"] = float(np.median(own / other))
            row[f"spread{suffix}"] = np.percentile(own / other, [25, 75]).tolist()
    for kind in ("peak_mib", "libraries_mib"):
        most = [max((turn[kind] for turn in side or [] if kind in turn), default=None) for side in (ours, theirs)]
        if any(most):
            row[kind] = most
    return row | more | ({} if theirs else {"status": NOT_RUN})


def measured(what, value, unit, spread=None, n=1, **more):
    """A row without another side."""
    return {"what": what, "unit": unit, "ours": float(value), "spread_ours": spread, "n": n} | more


def save(path, rows, **more):
    """Write what a part has measured so far; run.py reads it even where the part fails later."""
    if path:
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps({"rows": rows} | more, indent=2) + "\n")
        partial.replace(path)


def circumstances():
    """Where and when, with the load of the last 15 minutes: call it at the end, so what was measured is in the load."""
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
    """The options that every part has; `run.py` gives them."""
    options = argparse.ArgumentParser(description=doc.splitlines()[0])
    options.add_argument("--rounds", type=int, default=rounds, help=f"that count, after one more (default {rounds})")
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


class Contestant:
    """A process that answers each line with a line of JSON."""

    def __init__(self, name, command):
        self.name, self.turns = name, []
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
        """Raises RuntimeError if the process died."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"'{self.name}' stopped; run {' '.join(map(str, self.process.args))} to see why.")
        return json.loads(answer)


def race(contestants, steps, rounds):
    """Let all take turns of `steps`; the first of each compiles, and is left out."""
    for number in tqdm(range(rounds + 1), leave=False):
        for contestant in contestants:
            turn = contestant.ask(f"steps {steps}")
            if number:
                contestant.turns.append(turn)


def same_networks(us, other, path):
    """Raise ValueError unless both sides compute the same with the same number of weights."""
    counts = us.ask(f"write {path}")["parameters"]
    found = other.ask(f"check {path}")
    if found["parameters"] != counts:
        raise ValueError(f"{other.name} has {found['parameters']} parameters, ours {counts}.")
    if found["images"] > 1e-3 or found["scores"] > 1e-3 * max(found["largest_score"], 1):
        raise ValueError(f"{other.name} does not compute the same: {found}.")
    return counts
