"""Which devices train together: one, all GPUs of this machine, or those of every machine that TF_CONFIG names.

A batch is that of all devices together: device r of R takes its images r, r + R, r + 2R, ... and the random numbers of
these positions, so that R devices train the model that one device would train. Samples, measurements and files at the
end of an epoch are the work of the chief: worker 0, or the only process.
"""

import functools
import json
import os

import tensorflow as tf


def strategy():
    """The tf.distribute.Strategy of this process: that of the current scope, or one for the devices there are.

    Raises ValueError where TF_CONFIG is set but unusable.
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
            f"The {len(workers)} workers that TF_CONFIG names could not connect ({error}); start "
            "`medgan_tf train` on each of them, and unset TF_CONFIG for notebooks."
        ) from error


def is_chief(strategy):
    """Whether this is the one process that writes files."""
    resolver = strategy.cluster_resolver
    return resolver is None or resolver.task_type in (None, "", "chief") or resolver.task_id == 0


def check_batch_size(batch_size, strategy):
    """Raise ValueError where the devices cannot share a batch evenly."""
    devices = strategy.num_replicas_in_sync
    if batch_size % devices:
        raise ValueError(
            f"A batch of {batch_size} cannot be shared evenly by {devices} devices: change batch_size, or use fewer "
            "(CUDA_VISIBLE_DEVICES names the GPUs to use)."
        )


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
    """Raise ValueError unless all workers are at the same step; otherwise they have read different folders."""
    if strategy.num_replicas_in_sync == 1:
        return
    steps = strategy.run(lambda: tf.constant(step, tf.float64))
    mean = float(strategy.reduce("MEAN", steps, axis=None))
    if mean != step:
        raise ValueError(
            f"{folder} is at step {step} here but not on other workers, which need the same folder: set "
            "MEDGAN_TF_OUTPUTS to one that all of them share."
        )
