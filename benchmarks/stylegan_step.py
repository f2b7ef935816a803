"""Seconds for a thousand images and peak memory of StyleGAN2 and StyleGAN3 by configuration.

python benchmarks/stylegan_step.py [--size 64] [--steps 16] [--threads 2] [--only TEXT] [--json FILE]

Each configuration trains in a process of its own, so that its peak of memory is its own. The first 16 steps, one turn
of the lazy penalties, compile and are not timed. "authors" is the setting of a run of the authors' PyTorch code on two
cores: channel_base 4096, two mapping layers, batches of 16, R1 every 16th step, no path lengths. On a GPU the
configurations of the full profile are added, and the memory is that of the GPU.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

TURN = 16  # steps between two R1 penalties


def configurations(gpu):
    """{name: config.Training}."""
    from medgan_tf import config

    quick, full = (config.PROFILES[name] for name in ("quick", "full"))
    small, small3 = (quick.training(name, steps_per_execution=1) for name in ("stylegan2", "stylegan3"))
    authors = replace(small, network={"channel_base": 4096, "mapping_layers": 2})
    found = {
        "StyleGAN2, authors": authors,
        "StyleGAN2, authors, path lengths": replace(authors, path_length_weight=2.0),
        "StyleGAN2, authors, bfloat16": replace(authors, precision="mixed_bfloat16"),
        "StyleGAN2, authors, XLA": replace(authors, jit_compile=True),
        "StyleGAN2, quick": small,
        "StyleGAN3-T, quick": small3,
        "StyleGAN3-R, quick": quick.training("stylegan3_r", steps_per_execution=1),
        "DCGAN, quick": quick.training("dcgan", steps_per_execution=1),
    }
    if gpu:
        for name, title in (("stylegan2", "StyleGAN2"), ("stylegan3", "StyleGAN3-T"), ("stylegan3_r", "StyleGAN3-R")):
            found[f"{title}, full"] = full.training(name, steps_per_execution=1)
    return found


def measure(name, size, steps, threads):
    """One configuration, in this process."""
    import numpy as np
    import tensorflow as tf

    from medgan_tf import fitting

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    gpus = tf.config.list_physical_devices("GPU")
    settings = configurations(gpus)[name]
    gan = fitting.build(settings, size)
    batch = settings.batch_size * settings.discriminator_steps
    images = np.random.default_rng(0).uniform(-1, 1, (batch, size, size, 1)).astype(np.float32)
    data = tf.data.Dataset.from_tensors((images, np.zeros(batch, np.int32))).repeat()
    gan.fit(data, steps_per_epoch=TURN, epochs=1, verbose=0, shuffle=False)
    started, worked = time.perf_counter(), time.process_time()
    gan.fit(data, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False)
    seconds, work = time.perf_counter() - started, time.process_time() - worked
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if gpus:
        memory = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**30
    return {
        "seconds_per_kimg": seconds / (steps * batch) * 1000,
        "processor_seconds_per_kimg": work / (steps * batch) * 1000,
        "peak_gib": memory,
        "batch": batch,
        "parameters": [gan.generator.count_params(), gan.discriminator.count_params()],
        "device": tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "CPU",
        "version": tf.__version__,
    }


def main():
    """Measure all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=TURN)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps % TURN:
        parser.error(f"--steps is a multiple of {TURN}, so that each run has its share of lazy penalties")
    if options.one:
        print(json.dumps(measure(options.one, options.size, options.steps, options.threads)))
        return
    import tensorflow as tf

    found = {}
    for name in configurations(tf.config.list_physical_devices("GPU")):
        if options.only.lower() not in name.lower():
            continue
        command = [sys.executable, __file__, "--one", name]
        command += [f"--{key}={getattr(options, key)}" for key in ("size", "steps", "threads")]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        found[name] = json.loads(output.stdout.splitlines()[-1])
        line = found[name]
        print(
            f"{name:34} {line['seconds_per_kimg']:8.1f} s/kimg  {line['peak_gib']:5.2f} GiB  {line['device']}",
            flush=True,
        )
    if options.json:
        record = {"size": options.size, "steps": options.steps, "threads": options.threads, "configurations": found}
        options.json.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
