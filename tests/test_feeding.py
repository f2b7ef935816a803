"""Arrays reach networks without TensorFlow's tuner, for whose thread `fit` and `predict` would wait."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from medgan_tf.datasets import ImageSet, input_pipeline


def test_training_batches_have_no_autotuning():
    names = np.arange(8).astype(str)
    split = ImageSet(np.zeros((8, 4, 4, 1), np.uint8), np.zeros(8, np.int32), names, names)
    assert split.batches(4).options().autotune.enabled is False
    assert split.batches(4, of=2, mine=slice(0, 1)).options().autotune.enabled is False


@pytest.mark.parametrize("several", [False, True])
def test_predict_runs_in_batches_without_autotuning(monkeypatch, several):
    one, two = keras.Input((3,)), keras.Input((), dtype="int32")
    dense = keras.layers.Dense(2)(one)
    model = keras.Model([one, two], dense + keras.layers.Embedding(4, 2)(two)) if several else keras.Model(one, dense)
    numbers = np.random.default_rng(0).standard_normal((10, 3)).astype(np.float32)
    inputs = [numbers, np.arange(10, dtype=np.int32) % 4] if several else numbers
    fed, predict = [], model.predict
    monkeypatch.setattr(model, "predict", lambda data, **settings: fed.append(data) or predict(data, **settings))
    found = input_pipeline.predict(model, inputs, 4)
    np.testing.assert_allclose(found, tf.convert_to_tensor(model(inputs)), rtol=1e-6)
    assert fed[0].options().autotune.enabled is False and len(list(fed[0])) == 3
