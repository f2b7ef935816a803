"""How long things take to start: the import, the command line, the app up to its first answer.

Every start is a process of its own. The import must not bring TensorFlow, which alone takes seconds.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np

from benchmarks import turns

STARTS = {
    "python, nothing imported": ["-c", "pass"],
    "import medgan_tf": ["-c", "import sys, medgan_tf; sys.exit('tensorflow' in sys.modules)"],
    "import medgan_tf.dicom": ["-c", "import sys, medgan_tf.dicom; sys.exit('tensorflow' in sys.modules)"],
    "python -m medgan_tf --help": ["-m", "medgan_tf", "--help"],
    "import tensorflow": ["-c", "import tensorflow"],
}
PATIENCE = 300  # seconds for the app; a busy machine needs them


def start(arguments):
    """Run to the end. Raises CalledProcessError, also where TensorFlow was imported by what should not."""
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=turns.ROOT)


def app():
    """Start the app, wait until it says that it is well, end it."""
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "medgan_tf", "serve", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=turns.ROOT)
    end = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
                if answer.status == 200:
                    return
            time.sleep(0.02)
        raise RuntimeError(f"The app gave no answer in {PATIENCE} s; run {' '.join(command)} to see why.")
    finally:
        process.terminate()
        process.wait()


def main():
    """Measure all in turns."""
    options = turns.parser(__doc__, rounds=5).parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    functions = {name: lambda arguments=arguments: start(arguments) for name, arguments in STARTS.items()}
    functions["app, to its first answer"] = app
    rows = []
    for name, (_, found) in turns.alternate(functions, options.rounds).items():
        seconds = [turn["seconds"] for turn in found]
        processor = float(np.median([turn["processor_seconds"] for turn in found]))
        spread = np.percentile(seconds, [25, 75]).tolist()
        rows.append(turns.measured(name, np.median(seconds), "s", spread, len(found), ours_processor=processor))
    turns.save(options.json, rows)
    turns.show(rows)


if __name__ == "__main__":
    main()
