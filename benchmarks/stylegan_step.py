"""Seconds for a thousand images and peak memory of StyleGAN2 and StyleGAN3 by configuration.

Each configuration trains in a process of its own, so that its peak of memory is its own. The first two steps compile
both branches of the lazy penalty and are not timed. The authors' setting is that of a run of their PyTorch code on
two cores: channel_base 4096, two mapping layers, batches of 16, R1 every 16th step, no path lengths.
On a GPU the configurations of the full profile are added, and the memory is that of the GPU.
"""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np

from benchmarks import interleaved_timing

TURN = 16  # steps between two R1 penalties
USUAL = ("StyleGAN2, ours at the authors' setting", "StyleGAN2, quick", "StyleGAN3-T, quick")
AUTHORS = "the authors' PyTorch code took 454 s/kimg in an earlier measurement on two cores"


def configurations(gpu):
    """{name: config.TrainingConfig}."""
    from medgan_tf import config

    quick, full = (config.PROFILES[name] for name in ("quick", "full"))
    small, small3 = (quick.training(name, steps_per_execution=1) for name in ("stylegan2", "stylegan3"))
    authors = replace(small, network={"channel_base": 4096, "mapping_layers": 2})
    found = {
        "StyleGAN2, ours at the authors' setting": authors,
        "StyleGAN2, ours at the authors' setting, path lengths": replace(authors, path_length_weight=2.0),
        "StyleGAN2, ours at the authors' setting, bfloat16": replace(authors, precision="mixed_bfloat16"),
        "StyleGAN2, ours at the authors' setting, XLA": replace(authors, jit_compile=True),
        "StyleGAN2, quick": small,
        "StyleGAN3-T, quick": small3,
        "StyleGAN3-R, quick": quick.training("stylegan3_r", steps_per_execution=1),
        "DCGAN, quick": quick.training("dcgan", steps_per_execution=1),
    }
    if gpu:
        for name, title in (("stylegan2", "StyleGAN2"), ("stylegan3", "StyleGAN3-T"), ("stylegan3_r", "StyleGAN3-R")):
            found[f"{title}, full"] = full.training(name, steps_per_execution=1)
    return found


def measure(name, size, rounds, threads):
    """One configuration, in this process."""
    import tensorflow as tf

    from medgan_tf import training
    from medgan_tf.datasets import input_pipeline

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    gpus = tf.config.list_physical_devices("GPU")
    settings = configurations(gpus)[name]
    gan = training.build(settings, size)
    batch = settings.batch_size * settings.discriminator_steps
    images = np.random.default_rng(0).uniform(-1, 1, (batch, size, size, 1)).astype(np.float32)
    data = input_pipeline.without_autotune(tf.data.Dataset.from_tensors((images, np.zeros(batch, np.int32))).repeat())

    def train(steps):
        gan.fit(data, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False)

    train(2)
    found = [interleaved_timing.timed(train, TURN)[1] for _ in range(rounds)]
    memory = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20 if gpus else interleaved_timing.peak_mib()
    seconds = {kind: [turn[kind] / (TURN * batch) * 1000 for turn in found] for kind in found[0]}
    return interleaved_timing.measured(
        f"{name}, {size} px, batch {batch}",
        np.median(seconds["seconds"]),
        "s/kimg",
        [min(seconds["seconds"]), max(seconds["seconds"])],
        rounds,
        ours_processor=float(np.median(seconds["processor_seconds"])),
        peak_mib=[memory, None],
        parameters=[gan.generator.count_params(), gan.discriminator.count_params()],
        device=tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "CPU",
        **({"note": AUTHORS} if name == USUAL[0] and size == 64 else {}),
    )


def main():
    """Measure all and print the table."""
    parser = interleaved_timing.parser(__doc__, rounds=2)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--configurations", nargs="+", metavar="NAME", help=f"default: {'; '.join(USUAL)}")
    parser.add_argument("--list", action="store_true", help="name the configurations")
    parser.add_argument("--one", help="measure this one here")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.size, options.rounds, options.threads)))
        return
    import tensorflow as tf

    every = configurations(tf.config.list_physical_devices("GPU"))
    if options.list:
        print("\n".join(every))
        return
    rows = []
    for name in options.configurations or [name for name in every if name in USUAL or name.endswith("full")]:
        command = [sys.executable, "-m", "benchmarks.stylegan_step", "--one", name]
        command += [f"--{key}={getattr(options, key)}" for key in ("size", "rounds", "threads")]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        rows.append(json.loads(output.stdout.splitlines()[-1]))
        interleaved_timing.save(options.json, rows)
    interleaved_timing.show(rows)


if __name__ == "__main__":
    main()
