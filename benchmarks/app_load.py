"""Load on a running app: python -m benchmarks.app_load URL MODEL... [--clients 50] [--seconds 60] [--json FILE].

Many clients ask POST /api/generate for one image each, again and again, every time with another seed, of one model
after the other; the pixels of every answer are held against what the model draws in this process afterwards. Only for
an app on this machine, started with `serve --rate ""`.
"""

import argparse
import base64
import threading
import time
from collections import Counter
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import requests
from PIL import Image
from tqdm import tqdm

from benchmarks import interleaved_timing
from medgan_tf import generators


def main():
    """Ask, check, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a name of generators.available")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if urlsplit(options.url).hostname not in ("127.0.0.1", "localhost", "::1"):
        raise SystemExit("This script loads apps on this machine only.")
    rows = [row for model in options.models for row in load(options, model)]
    interleaved_timing.save(options.json, rows, **interleaved_timing.machine_and_versions())
    interleaved_timing.show(rows)


def load(options, model):
    """The rows of one model."""
    (status, pixels), first = interleaved_timing.timed(_ask, requests.Session(), options.url, model, 0)
    if pixels is None:
        raise SystemExit(f"The app answered {status} to a request for an image of {model}.")
    answers, waits, statuses, lock = {0: pixels}, [], Counter([status]), threading.Lock()

    def client(number):
        session, seed = requests.Session(), 1 + number
        while time.perf_counter() < end:
            begun = time.perf_counter()
            status, pixels = _ask(session, options.url, model, seed)
            with lock:
                statuses[status] += 1
                if pixels is not None:  # a refusal is quick, and no image
                    waits.append(time.perf_counter() - begun)
                    answers[seed] = pixels
            seed += options.clients

    threads = [threading.Thread(target=client, args=(number,)) for number in range(options.clients)]
    begun = time.perf_counter()
    end = begun + options.seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - begun
    generator = generators.load(model)
    labels = generator.classes[:1] or [None]  # one image in turn is of the first class
    differences = [
        int(np.abs(generator.sample(1, labels[0], seed)[0, ..., 0].astype(int) - pixels).max())
        for seed, pixels in tqdm(answers.items(), "checking", leave=False)
    ]
    note = f"{options.clients} clients for {options.seconds:g} s"
    return [
        interleaved_timing.measured(f"{model}: first answer of all", first["seconds"], "s", note=note),
        *(
            interleaved_timing.measured(
                f"{model}: wait for an image, p{part}", np.percentile(waits, part), "s", n=len(waits)
            )
            for part in (50, 95)
            if waits
        ),
        interleaved_timing.measured(f"{model}: images a second", len(waits) / took, "", n=len(waits)),
        *(
            interleaved_timing.measured(f"{model}: answers with status {status}", statuses[status], "")
            for status in sorted(statuses)
        ),
        interleaved_timing.measured(
            f"{model}: images with other pixels than drawn alone", np.sum(np.array(differences) > 0), "", n=len(answers)
        ),
        interleaved_timing.measured(
            f"{model}: their largest difference", max(differences), "grey levels", n=len(answers)
        ),
    ]


def _ask(session, url, model, seed):
    """(status, pixels or None)."""
    answer = session.post(f"{url}/api/generate", json={"model": model, "seed": seed}, timeout=120)
    if answer.status_code != 200:
        return answer.status_code, None
    return 200, np.asarray(Image.open(BytesIO(base64.b64decode(answer.json()["images"][0]["png"]))))


if __name__ == "__main__":
    main()
