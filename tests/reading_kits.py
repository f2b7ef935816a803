"""Small kits of a reader study, made without a model."""

import numpy as np
import pandas as pd

from medgan_tf.studies.readers import kit


def small_kit(folder, count=12, size=16, seed=0):
    """A kit of random images, half of them called real; as `kit.make` writes it."""
    random = np.random.default_rng(seed)
    kinds = random.permutation(np.repeat(kit.KINDS, count // 2))
    key = pd.DataFrame({"image": np.arange(count), "kind": kinds, "class": np.resize(["normal", "nodule"], count)})
    key["repeated"] = np.isin(key["image"], kit.choose_repeated(key["kind"], random))
    shown = kit.presentation_orders(key["repeated"].to_numpy(), random).tolist()
    settings = {"run": "r", "model": "dcgan", "count": count, "seed": seed, "weights_sha256": "ab" * 32}
    settings |= {"study": f"study{seed}", "jpg_quality": None, "orders": shown, "classes": ["normal", "nodule"]}
    images = random.integers(0, 256, (count, size, size), np.uint8)
    kit._write_kit(kit.Kit(folder, settings, key, images))
    return kit.open_kit(folder)
