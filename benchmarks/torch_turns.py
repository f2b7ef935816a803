"""The PyTorch side of train_step.py: answers each line of the standard input with a line of JSON.

"check FILE" compares both networks with weights and outputs that were written there; "steps N" times N steps. Runs in
an environment that has PyTorch and NumPy alone.
"""

import json
import resource
import sys
import time

import numpy as np
import torch


def serve(trainer, threads):
    """trainer: `generator`, `critic` (modules), `score(images, labels)`, `draw(latents, labels)`, `step()`."""
    torch.set_num_threads(int(threads))
    for line in sys.stdin:
        order, argument = line.split()
        if order == "check":
            answer = check(trainer, argument)
        else:
            started, worked = time.perf_counter(), time.process_time()
            for _ in range(int(argument)):
                loss = trainer.step()
            answer = {
                "seconds": time.perf_counter() - started,
                "processor_seconds": time.process_time() - worked,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "loss": loss,
                "version": torch.__version__,
            }
        print(json.dumps(answer), flush=True)


def check(trainer, path):
    """Greatest differences of both networks' outputs from those in the file, with the weights in the file."""
    stored = {name: torch.from_numpy(value) for name, value in np.load(path).items()}
    with torch.no_grad():
        for name, network in (("generator", trainer.generator), ("critic", trainer.critic)):
            for index, weight in enumerate(network.parameters()):
                value = stored[f"{name}/{index:02d}"]
                weight.copy_(value if weight.shape == value.shape else _as_torch(value))
        labels = stored["labels"].long()
        images = trainer.draw(stored["latents"], labels)
        scores = trainer.score(images, labels)
    return {
        "parameters": [sum(p.numel() for p in n.parameters()) for n in (trainer.generator, trainer.critic)],
        "images": float((images.permute(0, 2, 3, 1) - stored["images"]).abs().max()),
        "scores": float((scores - stored["scores"]).abs().max()),
        "largest_score": float(stored["scores"].abs().max()),
    }


def _as_torch(value):
    """Kernels (H, W, C, D) to (D, C, H, W), matrices transposed."""
    return value.permute(3, 2, 0, 1) if value.ndim == 4 else value.T
