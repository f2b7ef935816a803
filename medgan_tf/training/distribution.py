"""Which devices train together: one, all GPUs of this machine, or those of every machine that TF_CONFIG names.

A batch is the batch of all devices together: device r of R takes the images r, r + R, r + 2R, ... of it and the random
numbers at these places, so that R devices train the model that one device would. What is drawn, measured and written
at the end of an epoch is the chief's work: worker 0's, or that of the only process.
"""

import functools
import json
import os

import tensorflow as tf


def strategy():
    """The tf.distribute.Strategy that this process trains with: that of the scope it is in, or its own.

    Raises ValueError where TF_CONFIG is set and cannot be followed.
    """
    return tf.distribute.get_strategy() if tf.distribute.has_strategy() else _own()


@functools.cache
def _own():
    if "TF_CONFIG" in os.environ:
        return _of_all_machines()
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _of_all_machines():
    try:
        workers = json.loads(os.environ["TF_CONFIG"])["cluster"]["worker"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"TF_CONFIG does not name the cluster's workers ({error!r}); see docs/scaling.md.") from error
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, ValueError, tf.errors.OpError) as error:
        raise ValueError(
            f"The {len(workers)} workers that TF_CONFIG names do not come together ({error}); start "
            "`medgan_tf train` on each of them, and unset TF_CONFIG for notebooks."
        ) from error


def is_chief(strategy):
    """True in the one process that writes."""
    resolver = strategy.cluster_resolver
    return resolver is None or resolver.task_type in (None, "", "chief") or resolver.task_id == 0


def per_replica_batch_size(batch_size, strategy):
    """Images of a batch on each device. Raises ValueError where the devices cannot share it evenly."""
    devices = strategy.num_replicas_in_sync
    if batch_size % devices:
        raise ValueError(
            f"A batch of {batch_size} cannot be shared evenly by {devices} devices: change batch_size, or use fewer "
            "(CUDA_VISIBLE_DEVICES names the GPUs to use)."
        )
    return batch_size // devices


def feed(strategy, batches):
    """What `fit` takes: batches(), or on several devices those of batches(of, mine), see `ImageSet.batches`."""
    if strategy.num_replicas_in_sync == 1:
        return batches()

    def of_this_process(context):
        here = context.num_replicas_in_sync // context.num_input_pipelines
        first = context.input_pipeline_id * here
        return batches(context.num_replicas_in_sync, slice(first, first + here))

    return strategy.distribute_datasets_from_function(of_this_process)


def agree(strategy, step, folder):
    """Raise ValueError unless all workers stand at the same step: one that does not has read another folder."""
    if strategy.num_replicas_in_sync == 1:
        return
    steps = strategy.run(lambda: tf.constant(step, tf.float64))
    mean = float(strategy.reduce("MEAN", steps, axis=None))
    if mean != step:
        raise ValueError(
            f"{folder} stands at step {step} here and elsewhere on other workers: all need the same folder; let "
            "MEDGAN_TF_OUTPUTS name one that they share."
        )
