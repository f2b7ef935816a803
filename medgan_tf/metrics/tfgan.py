"""Loads parts of tensorflow-gan 2.1.0, which as a whole does not load on current TensorFlow.

Its `__init__` files import `tf.estimator`, which was removed, and TensorFlow Probability and Hub, which take seconds
and only `eval` needs. So its packages are entered without them.
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
