"""How long things take to start: the import, the command line, the app, and either's first picture.

Every start is a process of its own. The import must not bring TensorFlow, which alone takes seconds. The pictures are
of a model that comes along: one drawn by the command line, up to its end with the file there; and one that the app
drew, from its start until the PNG was fetched over HTTP.
"""

import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np

from benchmarks import interleaved_timing

STARTS = {
    "python, nothing imported": ["-c", "pass"],
    "import medgan_tf": ["-c", "import sys, medgan_tf; sys.exit('tensorflow' in sys.modules)"],
    "import medgan_tf.dicom": ["-c", "import sys, medgan_tf.dicom; sys.exit('tensorflow' in sys.modules)"],
    "python -m medgan_tf --help": ["-m", "medgan_tf", "--help"],
    "import tensorflow": ["-c", "import tensorflow"],
}
MODEL = "pretrained/chest_xray_cgan"
PATIENCE = 300  # seconds for the app; a busy machine needs them


def start(arguments):
    """Run to the end. Raises CalledProcessError, also where TensorFlow was imported by what should not."""
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=interleaved_timing.ROOT)


def sample():
    """Draw a picture by the command line. Raises RuntimeError where there is none."""
    with tempfile.TemporaryDirectory() as folder:
        start(["-m", "medgan_tf", "sample", MODEL, "--out", folder, "--count", "1"])
        if not any(Path(folder).rglob("*.png")):
            raise RuntimeError(f"sample {MODEL} wrote no picture.")


def app(draw=False):
    """Start the app, wait until it says that it is well, fetch a drawn picture where asked, end it."""
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, command = f"http://127.0.0.1:{port}", [sys.executable, "-m", "medgan_tf", "serve", "--port", str(port)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=interleaved_timing.ROOT
    )
    end = time.monotonic() + PATIENCE
    try:
        while not well(url):
            if time.monotonic() > end or process.poll() is not None:
                raise RuntimeError(f"The app gave no answer in {PATIENCE} s; run {' '.join(command)} to see why.")
            time.sleep(0.02)
        if draw:
            fetch(url)
    finally:
        process.terminate()
        process.wait()


def well(url):
    """Whether the app answers."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/healthz") as answer:
        return answer.status == 200
    return False


def fetch(url):
    """The bytes of a picture that the app draws. Raises ValueError where they are none, HTTPError."""
    asked = json.dumps({"model": MODEL}).encode()
    request = urllib.request.Request(f"{url}/api/generate", asked, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        picture = base64.b64decode(json.load(answer)["images"][0]["png"])
    if not picture.startswith(b"\x89PNG"):
        raise ValueError("The app sent no PNG.")
    return picture


def main():
    """Measure all in turns."""
    options = interleaved_timing.parser(__doc__, rounds=5).parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    functions = {name: lambda arguments=arguments: start(arguments) for name, arguments in STARTS.items()}
    functions |= {
        "app, to its first answer": app,
        "medgan_tf sample, to its first picture": sample,
        "app, to its first picture": lambda: app(draw=True),
    }
    rows = []
    for name, (_, found) in interleaved_timing.interleave(functions, options.rounds).items():
        seconds = [turn["seconds"] for turn in found]
        processor = float(np.median([turn["processor_seconds"] for turn in found]))
        spread = np.percentile(seconds, [25, 75]).tolist()
        rows.append(
            interleaved_timing.measured(name, np.median(seconds), "s", spread, len(found), ours_processor=processor)
        )
    interleaved_timing.save(options.json, rows)
    interleaved_timing.show(rows)


if __name__ == "__main__":
    main()
