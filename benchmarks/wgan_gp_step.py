"""Throughput of the conditional WGAN-GP step at 64 px, ours against the same networks in eager PyTorch, on the CPU.

python benchmarks/wgan_gp_step.py --torch-python VENV/bin/python [--rounds 7] [--threads 2] [--json FILE]

PyTorch lives in an environment of its own (pip install torch==2.13.0 numpy). Every contestant is a process that waits
for its turn; the turns go round, so that other load on the machine meets all of them alike. Images per second are what
counts on a quiet machine; images per processor second depend less on what else runs. First the networks are held
against each other: same weights, same outputs, same number of parameters. Images are real ones shown to the critic:
160 a step (batch 32, n_critic 5, lambda 10, Adam 1e-4 with 0.5 and 0.9).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

OURS = {  # jit_compile, steps_per_execution
    "ours": (False, 1),
    "ours, 2 steps an execution": (False, 2),
    "ours, XLA": (True, 1),
}
TORCH = {"PyTorch": "plain", "PyTorch with the same savings": "savings"}
IMAGES_A_STEP = 5 * 32


def ours(jit_compile, steps_per_execution):
    """The GAN that the trainer builds, and a data set of random images."""
    import tensorflow as tf

    from medgan_tf import config, fitting

    settings = replace(
        config.CGAN_PAPER,
        network={},
        balanced=False,
        jit_compile=jit_compile,
        steps_per_execution=steps_per_execution,
    )
    generator = np.random.default_rng(0)
    images = generator.uniform(-1, 1, (IMAGES_A_STEP, 64, 64, 1)).astype(np.float32)
    labels = generator.integers(0, 3, IMAGES_A_STEP).astype(np.int32)
    return fitting.build(settings, 64, 3), tf.data.Dataset.from_tensors((images, labels)).repeat()


def serve(name, threads):
    """Our side of the protocol in torch_wgan_gp.py: "write FILE", "steps N"."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    gan, data = ours(*OURS[name])
    for line in sys.stdin:
        order, argument = line.split()
        if order == "write":
            answer = write(gan, argument)
        else:
            started, worked = time.perf_counter(), time.process_time()
            gan.fit(data, steps_per_epoch=int(argument), epochs=1, verbose=0, shuffle=False)
            seconds, work = time.perf_counter() - started, time.process_time() - worked
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            answer = {"seconds": seconds, "processor_seconds": work, "peak_mib": peak, "version": tf.__version__}
        print(json.dumps(answer), flush=True)


def write(gan, path):
    """Weights, inputs and outputs of both networks, for "check" on the other side; returns the parameter counts."""
    latents = np.random.default_rng(1).standard_normal((8, 100)).astype(np.float32)
    labels = (np.arange(8) % 3).astype(np.int32)
    images = np.asarray(gan.generator([latents, labels], training=True))
    values = {"latents": latents, "labels": labels, "images": images, "scores": gan.discriminator([images, labels])}
    parameters = []
    for name, network in (("generator", gan.generator), ("critic", gan.discriminator)):
        weights = network.trainable_variables
        parameters.append(sum(int(np.prod(weight.shape)) for weight in weights))
        values |= {f"{name}/{index:02d}": weight.numpy() for index, weight in enumerate(weights)}
    np.savez(path, **{name: np.asarray(value) for name, value in values.items()})
    return {"parameters": parameters}


class Contestant:
    """A process that answers each line with a line of JSON."""

    def __init__(self, name, command):
        self.name, self.turns = name, []
        # Threads that spin while they wait would hurt PyTorch, and only PyTorch, where other processes run too.
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_WAIT_POLICY": "PASSIVE"}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def ask(self, line):
        """Raises RuntimeError if the process died."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"'{self.name}' stopped; run {' '.join(map(str, self.process.args))} to see why.")
        return json.loads(answer)

    def turn(self, steps):
        """Time some steps; the first turn of each process compiles, and the report leaves it out."""
        self.turns.append(self.ask(f"steps {steps}"))


def same_networks(us, other):
    """Raise ValueError unless both sides compute the same with the same number of weights."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "networks.npz"
        counts = us.ask(f"write {path}")["parameters"]
        found = other.ask(f"check {path}")
    if found["parameters"] != counts:
        raise ValueError(f"{other.name} has {found['parameters']} parameters, ours {counts}.")
    if found["images"] > 1e-3 or found["scores"] > 1e-3 * found["largest_score"]:
        raise ValueError(f"{other.name} does not compute the same: {found}.")
    return counts


def main():
    """Let everyone take turns, print the table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", type=Path, required=True, help="interpreter of the environment with PyTorch")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=2, help="in a turn; an even number")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    here = Path(__file__).resolve()
    commands = {name: [sys.executable, here, "--serve", name, str(settings.threads)] for name in OURS}
    script = here.with_name("torch_wgan_gp.py")
    commands |= {name: [settings.torch_python, script, kind, str(settings.threads)] for name, kind in TORCH.items()}
    contestants = [Contestant(name, command) for name, command in commands.items()]
    try:
        for other in contestants[len(OURS) :]:
            counts = same_networks(contestants[0], other)
        for turn in range(settings.rounds + 1):
            for contestant in contestants:
                contestant.turn(settings.steps)
                print(f"round {turn}: {contestant.name}: {contestant.turns[-1]['seconds']:.2f} s", file=sys.stderr)
    finally:
        for contestant in contestants:
            contestant.process.kill()
    report(contestants, counts, settings)


def report(contestants, counts, settings):
    """Medians over the rounds after the first; ratios are medians of the ratios within a round."""
    turns = {contestant.name: contestant.turns[1:] for contestant in contestants}
    images = settings.steps * IMAGES_A_STEP
    rates = {
        kind: {name: np.array([images / turn[kind] for turn in rounds]) for name, rounds in turns.items()}
        for kind in ("seconds", "processor_seconds")
    }
    rows = []
    for name, rounds in turns.items():
        row = {"name": name, "version": rounds[-1]["version"], "peak_mib": rounds[-1]["peak_mib"]}
        for kind, label in (("seconds", "images/s"), ("processor_seconds", "images/processor s")):
            row[label] = float(np.median(rates[kind][name]))
            row[f"{label} quartiles"] = np.percentile(rates[kind][name], [25, 75]).tolist()
            row |= {f"{label} x {t}": float(np.median(rates[kind][name] / rates[kind][t])) for t in TORCH}
        rows.append(row)
    table = {"threads": settings.threads, "rounds": settings.rounds, "parameters": counts, "rows": rows}
    if settings.json:
        settings.json.write_text(json.dumps(table, indent=2))
    print(json.dumps(table, indent=2))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        main()
