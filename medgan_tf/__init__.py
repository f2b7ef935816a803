"""From folders of DICOM files to synthetic medical images that can be evaluated.

dicom, datasets and phantoms prepare images; networks and training make generators, which `generators` loads and
samples; metrics and studies evaluate them; figures, reporting, app and cli show the results. CONTRIBUTING.md has a map.
"""

import os

# TensorFlow's C++ log would repeat at every import what `medgan_tf.results.environment` records once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"
