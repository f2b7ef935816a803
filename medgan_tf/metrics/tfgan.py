"""Loads parts of tensorflow-gan 2.1.0, whose `import tensorflow_gan` fails on current TensorFlow.

Its `__init__` files import `tf.estimator`, which was removed. So its modules are imported without running these.
"""

import importlib.util
import sys

PACKAGES = ("tensorflow_gan", "tensorflow_gan.python")


def part(name):
    """The module tensorflow_gan.python.`name`: "losses", "eval" or "features"."""
    for package in PACKAGES:
        if package not in sys.modules:
            sys.modules[package] = importlib.util.module_from_spec(importlib.util.find_spec(package))
    return importlib.import_module(f"{PACKAGES[-1]}.{name}")
