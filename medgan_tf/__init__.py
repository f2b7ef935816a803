"""DICOM folders to synthetic medical images one can check: prepare, train, measure, use."""

import os

# TensorFlow's C++ log repeats at every import what `medgan_tf.results.environment` says once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"
