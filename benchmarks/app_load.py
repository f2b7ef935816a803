"""Load on a running app: python benchmarks/app_load.py URL MODEL_DIR MODEL [--clients 50] [--seconds 60] [--json FILE].

Many clients ask POST /api/generate for one image each, again and again, every time with another seed; the pixels of
every answer are held against what the model in MODEL_DIR draws in this process afterwards. Only for an app on this
machine, started with `serve --rate ""`.
"""

import argparse
import base64
import json
import threading
import time
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import requests
from PIL import Image
from tqdm import tqdm

from medgan_tf import inference


def main():
    """Ask, check, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("model_dir", type=Path)
    parser.add_argument("model")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if urlsplit(options.url).hostname not in ("127.0.0.1", "localhost", "::1"):
        raise SystemExit("This script loads apps on this machine only.")
    started = time.perf_counter()
    first = _ask(requests.Session(), options, 0)
    cold = time.perf_counter() - started
    answers, latencies, statuses = {0: first[1]}, [], [first[0]]
    end, lock = time.perf_counter() + options.seconds, threading.Lock()

    def client(number):
        session, turn = requests.Session(), 0
        while time.perf_counter() < end:
            seed, begun = 1 + number + turn * options.clients, time.perf_counter()
            status, pixels = _ask(session, options, seed)
            with lock:
                latencies.append(time.perf_counter() - begun)
                statuses.append(status)
                if pixels is not None:
                    answers[seed] = pixels
            turn += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(options.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    generator = inference.load(options.model_dir)
    labels = generator.classes[:1] or [None]  # one image in turn is of the first class
    differences = [
        int(np.abs(generator.sample(1, labels[0], seed)[0, ..., 0].astype(int) - pixels).max())
        for seed, pixels in tqdm(answers.items(), "checking", leave=False)
    ]
    report = {
        "model": options.model,
        "clients": options.clients,
        "seconds": options.seconds,
        "answers": len(statuses),
        "images_per_second": round(len(latencies) / options.seconds, 1),
        "p50_seconds": round(float(np.percentile(latencies, 50)), 3),
        "p95_seconds": round(float(np.percentile(latencies, 95)), 3),
        "first_answer_seconds": round(cold, 3),
        "statuses": {str(status): statuses.count(status) for status in sorted(set(statuses))},
        "checked": len(answers),
        "not_the_same_pixels": sum(difference > 0 for difference in differences),
        "largest_difference_in_grey_levels": max(differences),
    }
    print(json.dumps(report, indent=2))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def _ask(session, options, seed):
    """(status, pixels or None)."""
    answer = session.post(f"{options.url}/api/generate", json={"model": options.model, "seed": seed}, timeout=120)
    if answer.status_code != 200:
        return answer.status_code, None
    return 200, np.asarray(Image.open(BytesIO(base64.b64decode(answer.json()["images"][0]["png"]))))


if __name__ == "__main__":
    main()
