"""Bad files for a running app: python benchmarks/malformed_uploads.py URL MODEL PID [--count 1000].

Sends truncated and flipped files, bombs, polyglots, wrong types, lying headers and traversal names to POST /api/invert,
and reports statuses, the memory of the app's process PID and what is left in the temporary folder. Only for an app on
this machine, started with `serve --rate ""`.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from malformed import malformed


def main():
    """Send, watch, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("model")
    parser.add_argument("pid", type=int)
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    if urlsplit(options.url).hostname not in ("127.0.0.1", "localhost", "::1"):
        raise SystemExit("This script sends bad files to apps on this machine only.")
    session, statuses, memory = requests.Session(), Counter(), []
    before = set(Path(tempfile.gettempdir()).iterdir())
    for number, (name, data) in enumerate(tqdm(malformed(options.count), total=options.count)):
        form = {"model": options.model}
        answer = session.post(f"{options.url}/api/invert", data=form, files={"file": (name, data)}, timeout=300)
        statuses[answer.status_code] += 1
        if number % 50 == 49:
            memory.append(_megabytes(options.pid))
    left = {path.name for path in set(Path(tempfile.gettempdir()).iterdir()) - before}
    report = {"statuses": dict(sorted(statuses.items())), "memory_mb": memory, "new_in_tmp": sorted(left)}
    print(json.dumps(report, indent=2))


def _megabytes(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


if __name__ == "__main__":
    main()
