"""Memory that XLA plans for our training step on a GPU, which need not be there.

python -m benchmarks.gpu_plan VENV/bin/python [--models stylegan2 stylegan3] [--json FILE]

VENV has JAX and its compiler for CUDA, and nothing else (pip install jax==0.10.2; pip install --no-deps
jax-cuda12-plugin==0.10.2 jax-cuda12-pjrt==0.10.2 nvidia-cuda-nvcc-cu12 nvidia-cuda-runtime-cu12 nvidia-cublas-cu12
nvidia-cudnn-cu12). TensorFlow gives the step of the full profile as XLA takes it, and JAX's compiler plans it for the
description of an H100 in gpu_compile.py. The figure is the state between steps, with batch and results, and the largest
that all buffers of a step take at one time. What CUDA, and cuDNN for its convolutions, take besides is not in it, and
nothing has run on a GPU.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

from tqdm import tqdm

from benchmarks import interleaved_timing

SIZE, BATCH = 256, 16  # the authors' batch for this size on one GPU
PUBLISHED = {
    "stylegan2": "the authors state 5.0 GB for their code on one V100",
    "stylegan3": "the authors state 9.5 GB for their code on one A100",
}
COMPILER = Path(__file__).with_name("gpu_compile.py")


def main():
    """Plan one model after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jax_python", type=Path, help="interpreter of the environment with JAX")
    parser.add_argument("--models", nargs="+", default=["stylegan2", "stylegan3"], metavar="MODEL")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for name in tqdm(options.models, unit="model"):
        rows.append(plan(name, options.jax_python))
        interleaved_timing.save(options.json, rows, **interleaved_timing.machine_and_versions())
    interleaved_timing.show(rows)


def plan(name, jax_python):
    """The row of one model of the full profile."""
    from medgan_tf import config

    settings = config.PROFILES["full"].training(name, batch_size=BATCH, steps_per_execution=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step.hlo"
        path.write_bytes(exported(settings, SIZE))
        # The plugin looks for a GPU as it is loaded, and would refuse; Triton's products choose their tiles by trying.
        environment = os.environ | {"JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
        environment["XLA_FLAGS"] = "--xla_gpu_enable_triton_gemm=false"
        command = [jax_python, COMPILER, path]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    found = json.loads(answer.splitlines()[-1])
    return interleaved_timing.measured(
        f"{name}, full profile, {SIZE} px, batch {BATCH}, {settings.precision}",
        (found["held"] + found["buffers"]) / 1e9,
        "GB",
        held_gb=found["held"] / 1e9,
        buffers_gb=found["buffers"] / 1e9,
        device=found["device"],
        jax=found["jax"],
        note=f"planned for {found['device']}; {PUBLISHED.get(name, 'nothing published beside it')}",
    )


def exported(settings, size):
    """The step of a config.TrainingConfig on square images as a serialised HLO module."""
    import tensorflow as tf

    from medgan_tf import training

    gan = training.build(settings, (size, size))
    count = settings.batch_size * settings.discriminator_steps
    step = tf.function(lambda *batch: gan.train_step(batch), jit_compile=True, autograph=False)
    batch = tf.zeros((count, size, size, 1)), tf.zeros(count, tf.int32)
    return step.experimental_get_compiler_ir(*batch)(stage="hlo_serialized")


if __name__ == "__main__":
    main()
