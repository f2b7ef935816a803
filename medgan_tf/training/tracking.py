"""Trainings in MLflow, beside their own log.csv and TensorBoard's files."""

import os
from dataclasses import asdict

import keras

from medgan_tf.files import atomic_write_text

SETTING = "MLFLOW_TRACKING_URI"  # MLflow's own: the address of a server, a database or a folder


class MLflowLog(keras.callbacks.Callback):
    """Logs the settings and every epoch's logs to MLflow; a training that goes on continues its run there.

    MLflow's own Keras callback asks the model for its one optimizer; a GAN has several.

    Args: settings: the TrainingConfig; model_dir: outputs/RUN/models/NAME, which keeps the identifier of MLflow's run.
    """

    def __init__(self, settings, model_dir):
        super().__init__()
        try:
            import mlflow
        except ImportError as error:
            message = f"{SETTING} is set, but MLflow is not installed: install medgan_tf[mlflow], or unset it."
            raise ValueError(message) from error
        self.settings, self.model_dir, self.mlflow = settings, model_dir, mlflow

    def on_train_begin(self, logs=None):
        """Begin a run, or go on with that of the checkpoint."""
        note = self.model_dir / "mlflow_run"
        known, name = note.exists(), f"{self.model_dir.parents[1].name}/{self.model_dir.name}"
        with self.mlflow.start_run(note.read_text(encoding="utf-8") if known else None, run_name=name) as run:
            self.run_id = run.info.run_id
            if not known:
                self.mlflow.log_params(asdict(self.settings))
                atomic_write_text(note, self.run_id)

    def on_epoch_end(self, epoch, logs=None):
        """Log what log.csv gets."""
        self.mlflow.log_metrics({name: float(value) for name, value in logs.items()}, epoch + 1, run_id=self.run_id)


def chosen(settings, model_dir):
    """The callbacks for the trackers that environment variables name. Raises ValueError for one not installed."""
    return [MLflowLog(settings, model_dir)] if os.environ.get(SETTING) else []
