"""A small segmentation network for phantoms: masks of lungs, heart and lesions, and the rules that they must satisfy.

network: the U-Net. truth: fresh phantoms and their true masks. rules: from masks to what an image shows. report: the
segmenter's errors, and `check_rules` of generated images. segmenter: train, save, load and apply it.
"""

from .segmenter import PhantomSegmenter, fit_segmenter, load_or_train_segmenter, load_segmenter, train_segmenter
