"""Compiles a serialised HLO module for a GPU that is only described, and prints the memory it plans as JSON.

Runs in an environment of its own, with JAX and its plugin for CUDA; gpu_plan.py calls it.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np
from jax._src.interpreters import mlir
from jax._src.lib import _jax, xla_client
from jax._src.lib.mlir import ir
from jax.experimental import topologies

H100 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: 2048
  shared_memory_per_block: 49152 shared_memory_per_block_optin: 232448 shared_memory_per_core: 233472
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  core_count: 132 fpus_per_core: 128 clock_rate_ghz: 1.98
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 device_memory_size: 84978434048
  cuda_compute_capability { major: 9 }
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 8 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


def main(path):
    """Compile and print."""
    jax.config.update("jax_enable_x64", True)
    topology = topologies.get_topology_desc(platform="cuda", topology_name="one", target_config=H100, topology="1x1x1")
    device = topology.devices[0]
    options = xla_client.CompileOptions()
    options.executable_build_options.num_replicas = options.executable_build_options.num_partitions = 1
    options.executable_build_options.device_assignment = xla_client.DeviceAssignment.create(np.array([[0]]))
    with mlir.make_ir_context():
        module = ir.Module.parse(_jax.mlir.hlo_to_stablehlo(Path(path).read_bytes()))
        without_copies(module)
        compiled = device.client.compile(module, xla_client.DeviceList((device,)), options)
    stats = compiled.get_compiled_memory_stats()
    held = stats.argument_size_in_bytes + stats.output_size_in_bytes - stats.alias_size_in_bytes
    found = {"held": held, "buffers": stats.temp_size_in_bytes, "device": device.device_kind, "jax": jax.__version__}
    print(json.dumps(found))


def without_copies(module):
    """Take out what the compiler does not know: TensorFlow copies results, which means nothing here."""
    found = []

    def walk(operation):
        for region in operation.regions:
            for block in region.blocks:
                for inner in block.operations:
                    if inner.operation.name == "mhlo.copy":
                        found.append(inner.operation)
                    walk(inner.operation)

    walk(module.operation)
    for copy in found:
        copy.results[0].replace_all_uses_with(copy.operands[0])
        copy.erase()


if __name__ == "__main__":
    main(sys.argv[1])
