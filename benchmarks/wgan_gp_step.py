"""Throughput of the conditional WGAN-GP step at 64 px, ours against the same networks in eager PyTorch, on the CPU.

python benchmarks/wgan_gp_step.py --torch-python VENV/bin/python [--rounds 7] [--threads 2] [--json FILE]

PyTorch lives in an environment of its own (pip install torch==2.13.0 numpy). Every contestant is a process that waits
for its turn; the turns go round, so that other load on the machine meets all of them alike. First the networks are held
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

    settings = config.Training(
        "cgan",
        kimg=1,
        epoch_kimg=1,
        loss="wasserstein",
        penalty="wgan_gp",
        discriminator_steps=5,
        generator_learning_rate=1e-4,
        discriminator_learning_rate=1e-4,
        beta_2=0.9,
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
            started = time.perf_counter()
            gan.fit(data, steps_per_epoch=int(argument), epochs=1, verbose=0, shuffle=False)
            seconds = time.perf_counter() - started
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            answer = {"seconds": seconds, "peak_mib": peak, "version": tf.__version__}
        print(json.dumps(answer), flush=True)


def write(gan, path):
    """Weights, inputs and outputs of both networks, for "check" on the other side; returns the parameter counts."""
    latents = np.random.default_rng(1).standard_normal((8, 100)).astype(np.float32)
    labels = (np.arange(8) % 3).astype(np.int32)
    images = gan.generator([latents, labels], training=True)
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

    def __init__(self, name, command, threads):
        self.name, self.rates = name, []
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": str(threads)}
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
        """Time some steps; the first turn of each process, which compiles, is the caller's to leave out."""
        self.answer = self.ask(f"steps {steps}")
        self.rates.append(steps * IMAGES_A_STEP / self.answer["seconds"])


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
    """Let everyone take turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", type=Path, required=True, help="interpreter of the environment with PyTorch")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=2, help="in a turn; even")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    here = Path(__file__).resolve()
    commands = {name: [sys.executable, here, "--serve", name, str(settings.threads)] for name in OURS}
    script = here.with_name("torch_wgan_gp.py")
    commands |= {name: [settings.torch_python, script, kind, str(settings.threads)] for name, kind in TORCH.items()}
    contestants = [Contestant(name, command, settings.threads) for name, command in commands.items()]
    try:
        counts = [same_networks(contestants[0], other) for other in contestants if other.name in TORCH][0]
        for turn in range(settings.rounds + 1):
            for contestant in contestants:
                contestant.turn(settings.steps)
                print(f"round {turn}: {contestant.name} {contestant.rates[-1]:.2f} images/s", file=sys.stderr)
    finally:
        for contestant in contestants:
            contestant.process.kill()
    report(contestants, counts, settings)


def report(contestants, counts, settings):
    """Medians over the rounds after the first, and medians of the ratios within a round."""
    rates = {contestant.name: np.array(contestant.rates[1:]) for contestant in contestants}
    rows = {}
    for contestant in contestants:
        low, middle, high = np.percentile(rates[contestant.name], [25, 50, 75])
        row = {"images_per_second": middle, "quartiles": [low, high]}
        row |= {"peak_mib": contestant.answer["peak_mib"], "version": contestant.answer["version"]}
        for other in TORCH:
            row[f"times {other}"] = float(np.median(rates[contestant.name] / rates[other]))
        rows[contestant.name] = row
        ratios = "  ".join(f"x{row[f'times {other}']:.2f}" for other in TORCH)
        spread = f"{middle:7.2f} ({low:.2f} to {high:.2f})"
        print(f"{contestant.name:32} {spread:28} {ratios}  {row['peak_mib']:6.0f} MiB")
    print(f"images/s: median (quartiles) of {settings.rounds} rounds, times {' and '.join(TORCH)}, peak memory;")
    print(f"{settings.threads} threads; parameters of generator and critic {counts}")
    if settings.json:
        settings.json.write_text(
            json.dumps({"threads": settings.threads, "parameters": counts, "rows": rows}, indent=2)
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        main()
