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
from torch import nn

AXES = {0: (), 1: (0,), 2: (1, 0), 3: (2, 0, 1), 4: (3, 2, 0, 1)}  # of Keras's weights, in PyTorch's order


def peak_mib():
    """The most memory that this process held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


LIBRARIES = peak_mib()


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
                "peak_mib": peak_mib(),
                "libraries_mib": LIBRARIES,
                "loss": loss,
                "version": torch.__version__,
            }
        print(json.dumps(answer), flush=True)


def check(trainer, path):
    """Greatest differences of both networks' outputs from those in the file, with the weights in the file."""
    stored = {name: torch.from_numpy(value) for name, value in np.load(path).items()}
    networks = {"generator": trainer.generator, "critic": trainer.critic}
    with torch.no_grad():
        for name, network in networks.items():
            network.train(bool(stored["training"]))
            weights = [(module, weight) for module in network.modules() for weight in module.parameters(recurse=False)]
            for index, (module, weight) in enumerate(weights):
                value = stored[f"{name}/{index:02d}"]
                weight.copy_(value if isinstance(module, nn.Embedding) else value.permute(AXES[value.ndim]))
        for name, buffer in trainer.generator.named_buffers():
            buffer.copy_(stored.get(name.split(".")[-1], buffer))
        labels = stored["labels"].long()
        images = trainer.draw(stored["latents"], labels)
        scores = trainer.score(images, labels)
    for network in networks.values():
        network.train()
    return {
        "parameters": [sum(p.numel() for p in n.parameters()) for n in networks.values()],
        "images": float((images.permute(0, 2, 3, 1) - stored["images"]).abs().max()),
        "scores": float((scores - stored["scores"]).abs().max()),
        "largest_score": float(stored["scores"].abs().max()),
    }
