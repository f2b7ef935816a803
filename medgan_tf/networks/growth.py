"""Networks that begin with small images and grow (Karras et al. 2018, arXiv 1710.10196, section 2).

A network that grows has one layer named "growing", a `Growth`, by which the trainer finds it. All variables are there
from the start: optimizer slots and checkpoints keep their shapes while it grows.
"""

import keras
import tensorflow as tf
from keras import layers, ops

from medgan_tf.networks.resampling import downsample, upsample


def schedule(kimg, fade_kimg, stable_kimg, stages):
    """(stage, alpha) after kimg thousand images: stage 0 for stable_kimg, then fade_kimg + stable_kimg for each next.

    alpha goes from 0 to 1 while a stage is faded in and is 1 otherwise. The last of the `stages` stages stays.
    """
    if kimg < stable_kimg:
        return 0, 1.0
    grown, since = divmod(kimg - stable_kimg, fade_kimg + stable_kimg)
    if grown + 1 >= stages:
        return stages - 1, 1.0
    return int(grown) + 1, min(since / fade_kimg, 1.0) if fade_kimg else 1.0


def set_stage(network, stage, alpha):
    """Set the stage (0 to stages - 1) and the weight of its new layers (0 to 1) of a generator or critic.

    A traced function keeps the stage that it was traced at: `predict` is traced anew here, others are the caller's.
    """
    growing = network.get_layer("growing")
    if not (0 <= stage < growing.stages and 0.0 <= alpha <= 1.0):
        raise ValueError(f"There are stages 0 to {growing.stages - 1} with alpha in [0, 1], no {stage} with {alpha}.")
    growing.alpha.assign(alpha)
    if growing.stage != stage:
        growing.stage = stage
        network.predict_function = None


class Growth(layers.Layer):
    """The stage (int) and alpha (float32), the weight of what is new in it, in weights that are not trained.

    At stage s the shorter side has first_size * 2**s px; at the last one it is that of the images. Weight files and
    checkpoints carry both. Raises ValueError for a size that first_size, 4 or 8 px, does not double to.
    """

    def __init__(self, image_size, first_size, fade_kimg, stable_kimg, **settings):
        super().__init__(**settings)
        self.image_size, self.first_size = tuple(image_size), first_size
        self.fade_kimg, self.stable_kimg = fade_kimg, stable_kimg
        last = (min(image_size) // first_size).bit_length() - 1
        if first_size not in (4, 8) or min(image_size) != first_size * 2**last or max(image_size) % 2**last or not last:
            raise ValueError(
                f"Growing doubles {first_size} px (4 or 8), which does not give {self.image_size} pixels; "
                "use 32, 64, 128 or 256."
            )
        if fade_kimg < 0 or stable_kimg <= 0:
            raise ValueError(f"Stages need stable_kimg above 0 ({stable_kimg}) and fade_kimg not below ({fade_kimg}).")
        self.stages = last + 1
        self.coarse = tuple(side // 2**last for side in self.image_size)

    def _add_growth(self):
        last = keras.initializers.Constant(self.stages - 1)
        fixed = {"shape": (), "trainable": False, "autocast": False, "aggregation": "only_first_replica"}
        self.stage_weight = self.add_weight(name="stage", initializer=last, dtype="int32", **fixed)
        self.alpha = self.add_weight(name="alpha", initializer="ones", dtype="float32", **fixed)

    @property
    def stage(self):
        """The stage as a Python number, also while a function is traced."""
        with tf.init_scope():
            return int(ops.convert_to_numpy(self.stage_weight.value))

    @stage.setter
    def stage(self, stage):
        self.stage_weight.assign(stage)

    def fade(self, images_seen):
        """Set alpha as `schedule` gives it within the stage that is set; images_seen: () int64, also in a graph."""
        began = self.stable_kimg + (self.stage - 1) * (self.fade_kimg + self.stable_kimg)
        since = tf.cast(images_seen, tf.float32) / 1000.0 - began
        fading = self.stage > 0 and self.fade_kimg > 0
        self.alpha.assign(tf.clip_by_value(since / self.fade_kimg, 0.0, 1.0) if fading else 1.0)

    def _mixed(self, old, new):
        """Exactly the old at alpha 0 and exactly the new at alpha 1."""
        alpha = ops.cast(self.alpha, new.dtype)
        return (1.0 - alpha) * old + alpha * new

    def get_config(self):
        """All arguments."""
        names = ("image_size", "first_size", "fade_kimg", "stable_kimg")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("medgan_tf")
class GrowingImages(Growth):
    """Images (B, H, W, 1) as sharp as the stage has pixels, at full size: for networks whose layers are always there.

    Behind a generator and before a discriminator it hides what the stage does not show yet. It saves no time: it is for
    asking whether growing helps.
    """

    def build(self, input_shape):
        """Stage and alpha alone."""
        self._add_growth()

    def call(self, images):
        """The images themselves at the last stage, with alpha 1."""
        hidden = self.stages - 1 - self.stage
        shown = _blurred(images, hidden)
        return self._mixed(_blurred(images, hidden + 1), shown) if self.stage else shown

    def compute_output_shape(self, input_shape):
        """As the input."""
        return input_shape


def _blurred(images, times):
    """Halved and doubled again `times` times through the low-pass filter."""
    for change in (downsample, upsample):
        for _ in range(times):
            images = change(images)
    return images
