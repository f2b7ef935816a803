"""Runs the parts of the benchmark one after the other and gathers them in benchmarks/results.json.

python -m benchmarks [--only PART ...] [--rounds N] [--torch-python VENV/bin/python]

Each part is a process of its own. What it has measured is kept even where it fails later, and parts that are not run
now stay as they were: so a run that was stopped goes on with --only. PyTorch lives in an environment of its own
(python3 -m venv VENV; VENV/bin/pip install torch==2.13.0 torch-fidelity); what needs it, or dcmtk, says "not run"
without.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import interleaved_timing, table
from benchmarks.table import PARTS, RESULTS


def main():
    """Run the parts, print the goals, write the pages' tables anew."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{name:16} {table.title(name)}" for name in PARTS),
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--rounds", type=int, help="of each comparison (default: the part's own)")
    parser.add_argument(
        "--torch-python", type=Path, help=f"interpreter with PyTorch (or in {interleaved_timing.TORCH_VARIABLE})"
    )
    options = parser.parse_args()
    failed = []
    for name in options.only:
        print(f"{name}: {table.title(name)}", flush=True)
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            found = Path(folder) / "part.json"
            code = run(name, found, options)
            if found.exists():
                keep(name, json.loads(found.read_text()), time.perf_counter() - started, not code)
        if code:
            failed.append(name)
    print("\n".join(table.summary(json.loads(RESULTS.read_text()))))
    table.write()
    if failed:
        sys.exit(f"Failed, with what it measured before: {', '.join(failed)}. Run it again with --only.")


def run(name, found, options):
    """The exit status of one part."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(found)]
    command += ["--rounds", str(options.rounds)] if options.rounds else []
    command += ["--torch-python", str(options.torch_python)] if options.torch_python else []
    # As after an ordinary installation: Python finds compiled modules, wherever this one was told to keep them.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "medgan_tf_benchmark_bytecode")
    environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
    return subprocess.run(command, cwd=interleaved_timing.ROOT, env=environment).returncode


def keep(name, part, seconds, complete):
    """Put a part into results.json with where and when it was measured; the other parts keep theirs."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"parts": {}}
    where = interleaved_timing.machine_and_versions()
    where["versions"] |= part.pop("versions", {})
    results["parts"][name] = part | where | {"took_seconds": round(seconds), "complete": complete}
    results["parts"] = {name: results["parts"][name] for name in PARTS if name in results["parts"]}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
