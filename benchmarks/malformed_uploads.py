"""Bad files for a running app: python -m benchmarks.malformed_uploads URL MODEL PID [--count 1000] [--json FILE].

Sends truncated and flipped files, bombs, polyglots, wrong types, lying headers and traversal names to POST /api/invert,
and reports statuses, the memory of the app's process PID and what is left in the temporary folder. Only for an app on
this machine, started with `serve --rate ""`.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from benchmarks import interleaved_timing

sys.path.append(str(interleaved_timing.ROOT / "tests"))
from malformed import malformed


def main():
    """Send, watch, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("model")
    parser.add_argument("pid", type=int)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if urlsplit(options.url).hostname not in ("127.0.0.1", "localhost", "::1"):
        raise SystemExit("This script sends bad files to apps on this machine only.")
    session, statuses, memory = requests.Session(), Counter(), [_mib(options.pid)]
    before = set(Path(tempfile.gettempdir()).iterdir())
    for number, (name, data) in enumerate(tqdm(malformed(options.count), total=options.count)):
        form = {"model": options.model}
        answer = session.post(f"{options.url}/api/invert", data=form, files={"file": (name, data)}, timeout=300)
        statuses[answer.status_code] += 1
        if number % 50 == 49:
            memory.append(_mib(options.pid))
    memory.append(_mib(options.pid))
    left = {path.name for path in set(Path(tempfile.gettempdir()).iterdir()) - before}
    rows = [
        *(
            interleaved_timing.measured(f"answers with status {status}", statuses[status], "")
            for status in sorted(statuses)
        ),
        interleaved_timing.measured("memory of the app, before", memory[0], "MiB", note=options.model),
        interleaved_timing.measured("memory of the app, at most", max(memory), "MiB", n=len(memory)),
        interleaved_timing.measured("memory of the app, after", memory[-1], "MiB"),
        interleaved_timing.measured("files left in the temporary folder", len(left), ""),
    ]
    interleaved_timing.save(options.json, rows, **interleaved_timing.machine_and_versions(), left=sorted(left))
    interleaved_timing.show(rows)


def _mib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


if __name__ == "__main__":
    main()
