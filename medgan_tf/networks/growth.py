"""Progressive growing: networks that start with small images (Karras et al. 2018, arXiv 1710.10196, section 2).

A network that grows has one layer named "growing", a `Growth`, by which the trainer finds it. That layer owns the
variables of all stages from the start: optimizer state and checkpoints keep their shapes while the network grows.
"""

import keras
import tensorflow as tf
from keras import ops

from medgan_tf.networks.attention import SelfAttention
from medgan_tf.networks.layers import ConfiguredLayer
from medgan_tf.networks.resampling import count_doublings


def schedule(kimg, fade_kimg, stable_kimg, stages):
    """The (stage, alpha) after kimg thousand images.

    Stage 0 lasts stable_kimg; each later stage lasts fade_kimg, in which alpha goes from 0 to 1, and then stable_kimg
    with alpha 1. The last of the `stages` stages has no end.
    """
    if kimg < stable_kimg:
        return 0, 1.0
    grown, since = divmod(kimg - stable_kimg, fade_kimg + stable_kimg)
    if grown + 1 >= stages:
        return stages - 1, 1.0
    return int(grown) + 1, min(since / fade_kimg, 1.0) if fade_kimg else 1.0


def set_stage(network, stage, alpha):
    """Set the stage (0 to stages - 1) of a generator or critic, and the weight alpha (0 to 1) of its newest layers.

    A traced function keeps the stage at which it was traced. `predict` is traced again; other functions are up to the
    caller.
    """
    growing = network.get_layer("growing")
    growing.alpha.assign(alpha)
    if growing.stage != stage:
        growing.stage = stage
        network.predict_function = None


class Growth(ConfiguredLayer):
    """Base of the growing layers: the stage (int) and alpha (float32), as variables, and the widths of the stages.

    At stage s the shorter side has first_size * 2**s px, up to that of the images at the last stage. Weight files and
    checkpoints contain stage and alpha. The stage decides during tracing which layers exist; variables of later stages
    have no gradient. Raises ValueError if first_size, 4 or 8 px, cannot be doubled to the image size.
    """

    def __init__(
        self,
        image_size,
        base_filters,
        first_size,
        wide_size,
        fade_kimg,
        stable_kimg,
        attention,
        channels=1,
        **settings,
    ):
        super().__init__(**settings)
        self.image_size, self.first_size, self.attention = tuple(image_size), first_size, attention
        self.base_filters, self.wide_size, self.channels = base_filters, wide_size, channels
        self.fade_kimg, self.stable_kimg = fade_kimg, stable_kimg
        if first_size not in (4, 8):
            raise ValueError(f"first_size is 4 or 8 px, not {first_size}.")
        last = count_doublings(image_size, first_size)
        if fade_kimg < 0 or stable_kimg <= 0:
            raise ValueError(
                f"Growing needs stable_kimg above 0, not {stable_kimg}, and fade_kimg of 0 or more, not {fade_kimg}."
            )
        self.stages = last + 1
        self.coarse = tuple(side // 2**last for side in self.image_size)
        resolutions = [first_size * 2**stage for stage in range(self.stages)]
        self.widths = [max(min(base_filters, base_filters * wide_size // resolution), 1) for resolution in resolutions]
        if attention not in (None, *resolutions):
            raise ValueError(f"attention is None or one of {resolutions} px, not {attention}.")
        self.attention_stage = resolutions.index(attention) if attention else None

    def _add_growth(self):
        last = keras.initializers.Constant(self.stages - 1)
        fixed = {"shape": (), "trainable": False, "autocast": False, "aggregation": "only_first_replica"}
        self.stage_weight = self.add_weight(name="stage", initializer=last, dtype="int32", **fixed)
        self.alpha = self.add_weight(name="alpha", initializer="ones", dtype="float32", **fixed)
        if self.attention:
            self.self_attention = SelfAttention(dtype=self.dtype_policy)
            side = self.attention // self.first_size
            self.self_attention.build((None, *(c * side for c in self.coarse), self.widths[self.attention_stage]))

    @property
    def stage(self):
        """The stage as a Python integer, also while a function is traced."""
        with tf.init_scope():
            return int(ops.convert_to_numpy(self.stage_weight.value))

    @stage.setter
    def stage(self, stage):
        self.stage_weight.assign(stage)

    def fade(self, images_seen):
        """Set alpha by `schedule` within the current stage; images_seen: () int64, also in a graph."""
        fade_start = self.stable_kimg + (self.stage - 1) * (self.fade_kimg + self.stable_kimg)
        since = tf.cast(images_seen, tf.float32) / 1000.0 - fade_start
        fading = self.stage > 0 and self.fade_kimg > 0
        self.alpha.assign(tf.clip_by_value(since / self.fade_kimg, 0.0, 1.0) if fading else 1.0)

    def _faded(self, old, new):
        """The mixture of both: exactly the old at alpha 0 and exactly the new at alpha 1."""
        alpha = ops.cast(self.alpha, new.dtype)
        return (1.0 - alpha) * old + alpha * new

    def _attended(self, x, stage):
        return self.self_attention(x) if stage == self.attention_stage else x
