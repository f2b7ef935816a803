"""Training steps at 64 px: ours, the same networks in eager PyTorch, and the same in the manner of keras.io's examples.

Before anything is timed the networks are held against PyTorch's: same weights, same outputs, same number of parameters.
WGAN-GP: the conditional GAN, 160 images a step (batch 32, n_critic 5, lambda 10, Adam 1e-4 with 0.5 and 0.9). DCGAN:
the paper's network, batch 64, Adam 2e-4 with 0.5 and 0.999. The others are the quick profile's, since a turn holds
whole periods of the lazy R1 penalty, 16 steps, which at the authors' widths would take a minute: the dense GAN,
StyleGAN2 with the full profile's path lengths at every fourth step, the progressive GAN fully grown and without
attention, StyleGAN3-T. StyleGAN2's mixing and noise are off while outputs are compared. Ours and PyTorch's also keep
the generator's running average; the examples, for the first two, do not. Memory is the most that each process held,
libraries included; what these alone take is kept beside it.
"""

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import interleaved_timing

BATCHES = {"cgan": 5 * 32, "dcgan": 64, "gan": 64, "stylegan2": 16, "pggan": 2 * 16, "stylegan3": 16}  # images a step
OURS = {  # jit_compile, steps_per_execution
    "ours": (False, 1),
    "ours, 2 steps an execution": (False, 2),
    "ours, XLA": (True, 1),
    "keras.io": (False, 1),
}
TORCH = {
    "cgan": {"PyTorch": ["torch_wgan_gp.py", "plain"], "PyTorch with our savings": ["torch_wgan_gp.py", "savings"]},
    "dcgan": {"PyTorch": ["torch_dcgan.py"]},
    "gan": {"PyTorch": ["torch_gan.py"]},
    "stylegan2": {"PyTorch": ["torch_stylegan2.py"]},
    "pggan": {"PyTorch": ["torch_pggan.py"]},
    "stylegan3": {"PyTorch": ["torch_stylegan3.py"]},
}
TITLES = {
    "cgan": "WGAN-GP",
    "dcgan": "DCGAN",
    "gan": "dense GAN",
    "stylegan2": "StyleGAN2",
    "pggan": "progressive GAN",
    "stylegan3": "StyleGAN3-T",
}


def recipe(architecture):
    """config.TrainingConfig of an architecture."""
    from medgan_tf import config

    grown = {"fade_kimg": 0.0, "attention": None}
    quick, full = (config.PROFILES[name].models for name in ("quick", "full"))
    return {
        "cgan": replace(config.CGAN_PAPER, network={}, balanced=False),
        "dcgan": replace(full["dcgan"], network={}),
        "gan": quick["gan"],
        "stylegan2": replace(quick["stylegan2"], path_length_weight=full["stylegan2"].path_length_weight),
        "pggan": replace(quick["pggan"], network=quick["pggan"].network | grown),
        "stylegan3": quick["stylegan3"],
    }[architecture]


def ours(architecture, jit_compile=False, steps_per_execution=1):
    """The GAN that the trainer builds, and a data set of random images."""
    import tensorflow as tf

    from medgan_tf import training
    from medgan_tf.datasets import input_pipeline

    generator, count = np.random.default_rng(0), BATCHES[architecture]
    images = generator.uniform(-1, 1, (count, 64, 64, 1)).astype(np.float32)
    labels = generator.integers(0, 3, count).astype(np.int32)
    execution = {"jit_compile": jit_compile, "steps_per_execution": steps_per_execution}
    gan = training.build(replace(recipe(architecture), **execution), 64, 3 if architecture in ("cgan", "pggan") else 0)
    return gan, input_pipeline.without_autotune(tf.data.Dataset.from_tensors((images, labels)).repeat())


def serve(architecture, name, threads):
    """Our side of the protocol in torch_process.py: "write FILE", "steps N"."""
    import tensorflow as tf

    from medgan_tf import training  # noqa: F401 - what a training imports

    libraries = interleaved_timing.peak_mib()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    gan, data = ours(architecture, *OURS[name])
    if name == "keras.io":
        from benchmarks import keras_examples

        gan = keras_examples.EXAMPLES[architecture](gan.generator, gan.discriminator)
    for line in sys.stdin:
        order, argument = line.split()
        if order == "write":
            answer = write(gan, argument)
        else:
            settings = {"steps_per_epoch": int(argument), "epochs": 1, "verbose": 0, "shuffle": False}
            _, answer = interleaved_timing.timed(lambda settings=settings: gan.fit(data, **settings))
            answer |= {"peak_mib": interleaved_timing.peak_mib(), "libraries_mib": libraries, "version": tf.__version__}
        print(json.dumps(answer), flush=True)


def write(gan, path):
    """Weights, inputs and outputs of both networks, for "check" on the other side; returns the parameter counts."""
    latents = np.random.default_rng(1).standard_normal((8, gan.latent_dim)).astype(np.float32)
    labels = (np.arange(8) % 3).astype(np.int32)
    training = not any(layer.name == "styles" for layer in gan.generator.layers)  # in which these mix latents
    images = np.asarray(gan.generator(gan._inputs(latents, labels), training=training))
    scores = gan.discriminator(gan._inputs(images, labels), training=training)
    values = {"latents": latents, "labels": labels, "images": images, "scores": scores, "training": training}
    parameters = []
    for name, network in (("generator", gan.generator), ("critic", gan.discriminator)):
        weights = network.trainable_variables
        parameters.append(sum(int(np.prod(weight.shape)) for weight in weights))
        values |= {f"{name}/{index:02d}": weight.numpy() for index, weight in enumerate(weights)}
    sines = ("frequencies", "phases")  # StyleGAN3's, drawn once
    values |= {weight.name: weight for weight in gan.generator.non_trainable_variables if weight.name in sines}
    np.savez(path, **{name: np.asarray(value) for name, value in values.items()})
    return {"parameters": parameters}


def measure(architecture, options):
    """Rows of one architecture, and the version of PyTorch where it took part."""
    names = {"cgan": list(OURS), "dcgan": ["ours", "keras.io"]}.get(architecture, ["ours"])
    script = [sys.executable, "-m", "benchmarks.train_step", "--serve", architecture]
    commands = {name: [*script, name, options.threads] for name in names}
    if options.torch_python:
        here = Path(__file__).resolve().parent
        for name, (file, *variant) in TORCH[architecture].items():
            commands[name] = [options.torch_python, here / file, *variant, options.threads]
    steps = options.steps * recipe(architecture).penalty_interval
    contestants = {name: interleaved_timing.TimedProcess(name, command) for name, command in commands.items()}
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name in set(TORCH[architecture]) & set(contestants):
                interleaved_timing.same_networks(contestants["ours"], contestants[name], Path(folder) / "networks.npz")
        interleaved_timing.interleave_steps(contestants.values(), steps, options.rounds)
    finally:
        for contestant in contestants.values():
            contestant.process.kill()
    rows, own = [], [name for name in names if name.startswith("ours")]
    for name in own:
        for reference in (*TORCH[architecture], *names[len(own) :]):
            what = f"{TITLES[architecture]} step, 64 px" + name.removeprefix("ours")
            theirs = contestants[reference].timings if reference in contestants else None
            amount = steps * BATCHES[architecture]
            rows.append(
                interleaved_timing.compared(what, reference, amount, "images", contestants[name].timings, theirs)
            )
    return rows, {"torch": contestants["PyTorch"].timings[-1]["version"]} if "PyTorch" in contestants else {}


def main():
    """All architectures."""
    parser = interleaved_timing.parser(__doc__, rounds=3)
    parser.add_argument("--steps", type=int, default=2, help="in a turn, times the interval of R1; an even number")
    parser.add_argument("--architecture", choices=list(BATCHES), nargs="+", default=list(BATCHES))
    options, rows = parser.parse_args(), []
    for architecture in options.architecture:
        found, versions = measure(architecture, options)
        rows += found
        interleaved_timing.save(options.json, rows, versions=versions)
    interleaved_timing.show(rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
