"""Loads the parts of tensorflow-gan 2.1.0 that need no TF1 Estimator.

`import tensorflow_gan` fails on current TensorFlow because its `estimator` and `train` subpackages import
`tf.estimator`, which was removed. Empty stand-ins for these two let `losses` and `eval` load as published.

    from medgan_tf.tfgan import tfgan
    tfgan.eval.frechet_classifier_distance_from_activations(real, fake)
"""

import sys
import types


def _load():
    for name in ("tensorflow_gan.python.estimator", "tensorflow_gan.python.train"):
        stand_in = types.ModuleType(name)
        stand_in.__all__ = []
        sys.modules.setdefault(name, stand_in)
    import tensorflow_gan

    return tensorflow_gan


tfgan = _load()
