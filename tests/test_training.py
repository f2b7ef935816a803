import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from train_process import SETTINGS, STYLED, TRAININGS, images, main

from medgan_tf import generators, metrics, training
from medgan_tf.networks import sampling
from medgan_tf.training import NonSaturatingGAN, callbacks, optimizers
from medgan_tf.training.gan import REAL

pytestmark = pytest.mark.usefixtures("float32_again")

SCRIPT = Path(__file__).with_name("train_process.py")


def build(**changes):
    return training.build(replace(SETTINGS, **changes), 16)


def batch(count=8):
    split = images().train
    return split.images[:count].astype(np.float32) / 127.5 - 1, split.labels[:count]


def values(gan):
    return {name: variable.numpy() for name, variable in gan._state().items()}


def same_numbers(gan):
    """XLA lays out its random stream in another order; give both steps the same numbers to compare the rest."""
    table = {
        tf.random.stateless_normal: np.random.default_rng(0).normal(size=(8, 8, 64, 8)).astype(np.float32),
        tf.random.stateless_uniform: np.random.default_rng(1).uniform(size=(8, 8, 64, 1)).astype(np.float32),
    }

    def draw(stream, batch, size, draw=tf.random.stateless_normal):
        return tf.gather(tf.constant(table[draw]), gan.step.value)[stream][:batch, :size]

    gan.random_numbers = draw
    return gan


@pytest.mark.parametrize(
    ("loss", "penalty", "critics"),
    [
        ("non_saturating", "none", 1),
        ("non_saturating", "r1", 1),
        ("non_saturating", "r1", 2),
        ("wasserstein", "wgan_gp", 2),
    ],
)
def test_a_step_through_xla_equals_the_uncompiled_step(loss, penalty, critics):
    results = []
    for compiled in (False, True):
        interval = 1 if penalty == "wgan_gp" else 3
        settings = {"loss": loss, "penalty": penalty, "penalty_interval": interval}
        gan = same_numbers(build(discriminator_steps=critics, **settings))
        # Adam would turn the rounding of a gradient near zero into a step of the whole learning rate
        gan.compile(keras.optimizers.SGD(0.01, momentum=0.5), keras.optimizers.SGD(0.01, momentum=0.5))
        before = values(gan)
        step = tf.function(gan.train_step, jit_compile=compiled)
        data = tuple(tf.constant(part) for part in batch(8))
        logs = [step(data) for _ in range(4)]  # with interval 3 two of these are penalised
        results.append((values(gan), {name: float(value) for name, value in logs[-1].items()}))
    (plain, plain_logs), (fused, fused_logs) = results
    assert plain_logs == pytest.approx(fused_logs, rel=1e-3, abs=1e-4)
    assert_moved_alike(before, plain, fused)
    assert plain["training/0000"] == fused["training/0000"] == 4


def assert_moved_alike(before, plain, fused):
    """Counters agree, and each network and optimizer moved by the same vector, to a hundredth of its length.

    Not weight by weight: rounding on one processor can carry an activation across the bend of a leaky ReLU that it
    does not reach on another, and a bias that hardly moved then differs by a visible part of its own movement.
    """
    counters = [name for name, value in plain.items() if value.ndim == 0]
    np.testing.assert_allclose([fused[name] for name in counters], [plain[name] for name in counters], rtol=1e-6)
    arrays = sorted(set(plain) - set(counters))
    for part in {name.rpartition("/")[0] for name in arrays}:
        names = [name for name in arrays if name.startswith(part + "/")]
        expected, found = (
            np.concatenate([np.ravel(state[name] - before[name]) for name in names]) for state in (plain, fused)
        )
        assert np.linalg.norm(found - expected) <= 0.01 * np.linalg.norm(expected), part


def test_adam_steps_through_xla_keep_the_same_moments():
    moments = []
    for compiled in (False, True):
        gan = same_numbers(build())
        before = values(gan)
        tf.function(gan.train_step, jit_compile=compiled)(tuple(tf.constant(part) for part in batch(8)))
        moments.append({name: value for name, value in values(gan).items() if "optimizer" in name})
    assert_moved_alike(before, *moments)


def test_compilers_cannot_tell_that_waiting_changes_nothing():
    """Else they would begin with the next pass while what the last one keeps for its derivatives is in memory."""
    images, gradients = tf.constant(batch(2)[0]), [None, tf.constant([[np.nan, 2.0]]), tf.constant([3.0])]
    waiting = tf.function(lambda images, one, other: optimizers.barrier(images, [None, one, other]), jit_compile=True)
    np.testing.assert_array_equal(waiting(images, *gradients[1:]), images)
    np.testing.assert_array_equal(optimizers.barrier(images, gradients), images)
    compiled = waiting.experimental_get_compiler_ir(images, *gradients[1:])("optimized_hlo")
    assert "compare(" in compiled
    for jit_compile in (False, True):  # uncompiled, several cores work on passes side by side
        waits = build(jit_compile=jit_compile).after_gradients(images, gradients[1:]) is not images
        assert waits == jit_compile


def test_random_numbers_differ_between_steps_and_streams_and_have_their_moments():
    gan = build()
    first, other = gan.random_numbers(0, 5000, 4), gan.random_numbers(1, 5000, 4)
    gan.step.assign(1)
    later = gan.random_numbers(0, 5000, 4)
    for one, two in ((first, other), (first, later), (other, later)):
        assert abs(np.corrcoef(np.ravel(one), np.ravel(two))[0, 1]) < 0.03
    assert float(tf.reduce_mean(first)) == pytest.approx(0, abs=0.03)
    assert float(tf.math.reduce_std(first)) == pytest.approx(1, abs=0.03)


def test_generator_is_updated_once_for_n_critic_updates_with_fresh_real_batches():
    gan = build(discriminator_steps=3, penalty="wgan_gp", loss="wasserstein", penalty_interval=1)
    seen = []
    update = gan.update_critic
    gan.update_critic = lambda real, *rest: (seen.append(real.numpy()), update(real, *rest))[1]
    data = tuple(tf.constant(part) for part in batch(24))
    gan.train_step(data)
    assert int(gan.generator_optimizer.iterations) == 1
    assert int(gan.discriminator_optimizer.iterations) == 3
    np.testing.assert_array_equal(np.concatenate(seen), data[0])
    assert int(gan.images_seen.numpy()) == 24


def test_a_lazy_penalty_has_the_same_mean_strength():
    """Over six steps with an optimizer that does not move, interval 3 must log the mean that interval 1 logs."""
    logged = {}
    for interval in (1, 3):
        gan = build(penalty_interval=interval, generator_learning_rate=0.0, discriminator_learning_rate=0.0)
        for _ in range(6):
            logs = gan.train_step(tuple(tf.constant(part) for part in batch()))
        logged[interval] = float(logs["penalty"])
    assert logged[3] == pytest.approx(logged[1], rel=1e-4)


def test_average_of_the_generator_follows_its_formula_with_its_batch_norm_statistics():
    gan = build(ema_kimg=0.05)
    before = [w.numpy() for w in gan.generator_ema.variables]
    gan.images_seen.assign(2000)
    gan.train_step(tuple(tf.constant(part) for part in batch()))
    decay = 0.5 ** (8 / 50)  # half-life: 50 images, less than a twentieth of those seen
    for old, new, average in zip(before, gan.generator.variables, gan.generator_ema.variables, strict=True):
        np.testing.assert_allclose(average, decay * old + (1 - decay) * new.numpy(), rtol=1e-4, atol=1e-6)
    moving = [i for i, w in enumerate(gan.generator.variables) if "moving" in w.path]
    assert moving
    assert any((before[i] != gan.generator_ema.variables[i].numpy()).any() for i in moving)


def test_recomputed_batch_norm_statistics_are_those_of_the_averaged_weights():
    gan = build()
    for _ in range(3):
        gan.train_step(tuple(tf.constant(part) for part in batch()))
    labels = np.zeros(256, np.int32)
    settling = callbacks.RecomputeBatchNorm(labels, batches=4)
    settling.set_model(gan)
    settling.on_epoch_end(0)
    z = sampling.latents(256, gan.latent_dim, gan.seed)
    dense, _, normalisation = gan.generator_ema.layers[1:4]
    hidden = (z @ dense.kernel.numpy()).reshape(4, 64, -1, normalisation.moving_mean.shape[0])
    np.testing.assert_allclose(normalisation.moving_mean, hidden.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(normalisation.moving_variance, hidden.var(axis=(1, 2)).mean(0), rtol=1e-3)
    assert normalisation.momentum == 0.9


def test_a_training_on_a_dozen_images_has_statistics_of_whole_batches(tmp_path):
    few = images()
    few.__dict__["train"] = few.train.take(slice(12))
    short = replace(SETTINGS, kimg=0.2)
    gan = training.build(short, 16)
    training.fit(gan, short, few, tmp_path)
    assert all(np.isfinite(variable.numpy()).all() for variable in gan.generator_ema.variables)
    shown = EventAccumulator(str(tmp_path / "tensorboard" / "samples")).Reload().Tensors("samples")
    assert [event.step for event in shown] == [0, 1]
    moving = [variable for variable in gan.generator_ema.variables if "moving_variance" in variable.path]
    assert moving and all((variable.numpy() > 0).any() for variable in moving)


def test_average_ramps_up_with_a_twentieth_of_the_images_seen():
    gan = build(ema_kimg=10.0)
    before = gan.generator_ema.variables[0].numpy()
    gan.images_seen.assign(160 - 8)
    gan.train_step(tuple(tf.constant(part) for part in batch()))
    decay = 0.5 ** (8 / (160 / 20))
    expected = decay * before + (1 - decay) * gan.generator.variables[0].numpy()
    np.testing.assert_allclose(gan.generator_ema.variables[0], expected, rtol=1e-4, atol=1e-6)


def test_stylegan3_has_no_path_lengths_in_half_precision():
    with pytest.raises(ValueError, match="precision float32 or path_length_weight 0"):
        build(architecture="stylegan3", precision="mixed_float16", path_length_weight=2.0)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_scales_losses_and_trains(precision):
    gan = build(precision=precision)
    scaled = isinstance(gan.generator_optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (precision == "mixed_float16")
    before = values(gan)
    for _ in range(3):
        logs = gan.train_step(tuple(tf.constant(part) for part in batch()))
    after = values(gan)
    assert all(np.isfinite(float(value)) for value in logs.values())
    assert np.abs(after["generator/0000"] - before["generator/0000"]).max() > 1e-5
    exact = build()
    for _ in range(3):
        exact_logs = exact.train_step(tuple(tf.constant(part) for part in batch()))
    assert float(logs["discriminator_loss"]) == pytest.approx(float(exact_logs["discriminator_loss"]), abs=0.02)
    moved, moved_exactly = (x["discriminator/0000"] - before["discriminator/0000"] for x in (after, values(exact)))
    assert np.corrcoef(moved.ravel(), moved_exactly.ravel())[0, 1] > 0.9  # unscaled gradients point the same way


def test_no_batch_norm_in_a_discriminator_with_gradient_penalty():
    with pytest.raises(ValueError, match="without BatchNorm"):
        build(network={"base_filters": 4, "discriminator_norm": "batch"})


@pytest.mark.parametrize("chosen", [{"loss": "lsgan"}, {"penalty": "dragan"}, {"loss": "wasserstein"}])
def test_a_loss_and_penalty_without_a_training_step_are_refused(chosen):
    with pytest.raises(ValueError, match="There is no training step with loss"):
        build(**chosen)


def test_adaptive_augmentation_needs_a_loss_whose_scores_have_a_sign():
    with pytest.raises(ValueError, match="the sign of the scores"):
        build(loss="wasserstein", penalty="wgan_gp", penalty_interval=1, augmentation={"target": 0.6})


def test_labels_reach_conditional_networks():
    """The trainer hands labels to any network that has a second input."""
    latents, labels = keras.Input((4,)), keras.Input((), dtype="int32")
    x = keras.layers.Concatenate()([latents, keras.layers.Embedding(2, 3)(labels)])
    made = keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64, activation="tanh")(x))
    pictures, targets = keras.Input((8, 8, 1)), keras.Input((), dtype="int32")
    y = keras.layers.Dense(3)(keras.layers.Flatten()(pictures))
    score = keras.layers.Dot(1)([y, keras.layers.Embedding(2, 3)(targets)])
    gan = NonSaturatingGAN(
        keras.Model([latents, labels], made), keras.Model([pictures, targets], score), r1_weight=10.0
    )
    gan.compile(keras.optimizers.Adam(), keras.optimizers.Adam())
    before = [v.numpy() for v in (*gan.generator.trainable_variables, *gan.discriminator.trainable_variables)]
    gan.train_step((tf.zeros((4, 8, 8, 1)) + 0.5, tf.constant([0, 1, 0, 1])))
    after = [v.numpy() for v in (*gan.generator.trainable_variables, *gan.discriminator.trainable_variables)]
    assert all((old != new).any() for old, new in zip(before, after, strict=True))
    assert gan.sample(3, labels=[0, 1, 1]).shape == (3, 8, 8, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_killed_and_resumed_training_equals_an_uninterrupted_one_bit_for_bit(name, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    gan, command = main(whole, name), [sys.executable, SCRIPT, killed, name]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.time() + 300
    while not (killed / "log.csv").exists() or len(pd.read_csv(killed / "log.csv")) < 2:
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.time() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(pd.read_csv(killed / "log.csv")) < 6
    subprocess.run(command, check=True, capture_output=True)
    with np.load(whole / "state.npz") as one, np.load(killed / "state.npz") as other:
        assert one.files == other.files
        assert sum("optimizer" in name for name in one.files) > 20
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    logs = [pd.read_csv(folder / "log.csv").drop(columns=["seconds", "peak_memory_mib"]) for folder in (whole, killed)]
    pd.testing.assert_frame_equal(*logs, check_exact=True)
    names = [sorted(path.name for path in (folder / "samples").iterdir()) for folder in (whole, killed)]
    assert names[0] == names[1]
    assert all((whole / "samples" / n).read_bytes() == (killed / "samples" / n).read_bytes() for n in names[0])
    if name == "stylegan2":  # what was compared did move
        assert float(gan.path_length_mean.numpy()) > 0
        assert np.abs(gan.generator.get_layer("styles").w_avg).max() > 0
        assert logs[0]["augmentation_probability"].nunique() > 1
        assert (logs[0]["path_length_penalty"] > 0).all()


def test_a_longer_training_goes_on_and_other_settings_are_refused(tmp_path):
    short = replace(SETTINGS, kimg=0.4)
    gan = training.build(short, 16)
    training.fit(gan, short, images(), tmp_path)
    again = training.fit(training.build(short, 16), short, images(), tmp_path)
    assert again["kimg"] == 0.4
    peaks = pd.read_csv(tmp_path / "log.csv")["peak_memory_mib"]  # of the process, which has TensorFlow loaded
    assert again["peak_memory_mib"] == peaks.max() > 100
    assert (peaks / peaks.cummax()).min() > 0.99  # never falls, to within the kernel's error: see VmHWM in proc(5)
    longer = replace(SETTINGS, kimg=0.6)
    assert training.fit(training.build(longer, 16), longer, images(), tmp_path)["kimg"] == pytest.approx(0.6)
    other = replace(longer, beta_1=0.25)
    with pytest.raises(ValueError, match="trained with another beta_1"):
        training.fit(training.build(other, 16), other, images(), tmp_path)


def test_learning_rates_fall_at_the_end_as_if_the_training_had_been_that_long_from_the_start(tmp_path):
    falling = replace(SETTINGS, kimg=0.6, decay_kimg=0.4)
    whole = training.build(falling, 16)
    training.fit(whole, falling, images(), tmp_path / "whole")
    for settings in (replace(SETTINGS, kimg=0.2), falling):
        gan = training.build(settings, 16)
        training.fit(gan, settings, images(), tmp_path / "in parts")
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        updates = int(optimizer.iterations.numpy())
        rates = [float(optimizer._learning_rate(step)) for step in range(updates + 1)]
        assert rates[0] == rates[updates // 3] > rates[2 * updates // 3] > rates[-1] == 0
        assert rates[2 * updates // 3] == pytest.approx(rates[0] / 2, rel=0.1)
    ends = [np.load(tmp_path / name / "state.npz") for name in ("whole", "in parts")]
    for name in ends[0].files:
        np.testing.assert_array_equal(ends[0][name], ends[1][name], err_msg=name)


def test_a_training_whose_rates_fell_starts_anew_at_full_ones_and_its_record_says_so(tmp_path):
    falling = replace(SETTINGS, kimg=0.6, decay_kimg=0.4)
    trained = training.build(falling, 16)
    assert training.fit(trained, falling, images(), tmp_path)["restarts"] == []
    early = replace(falling, kimg=0.8)
    with pytest.raises(ValueError, match=r"trained for 0\.6 kimg, but its learning rates.*fall from 0\.4 kimg on"):
        training.fit(training.build(early, 16), early, images(), tmp_path)
    assert json.loads((tmp_path / "model.json").read_text())["settings"]["kimg"] == 0.6
    for kimg in (1.0, 1.2):  # what was only prolonged is no further restart
        longer = replace(falling, kimg=kimg, decay_kimg=0.2 * (kimg == 1.2))
        gan = training.build(longer, 16)
        record = training.fit(gan, longer, images(), tmp_path)
        assert record["restarts"] == [{"at_kimg": 0.6, "kimg": 0.6, "decay_kimg": 0.4}]
    assert json.loads((tmp_path / "model.json").read_text())["restarts"] == record["restarts"]
    assert record["kimg"] == pytest.approx(1.2)
    rate = gan.generator_optimizer._learning_rate
    half = int(trained.generator_optimizer.iterations)
    assert float(rate(half)) == float(rate(0)) > float(rate(2 * half)) == 0


def test_learning_rates_that_should_be_falling_already_are_refused(tmp_path):
    short = replace(SETTINGS, kimg=0.4)
    training.fit(training.build(short, 16), short, images(), tmp_path)
    late = replace(SETTINGS, kimg=0.6, decay_kimg=0.4)
    with pytest.raises(ValueError, match=r"trained for 0\.4 kimg.*fall from 0\.2 kimg on"):
        training.fit(training.build(late, 16), late, images(), tmp_path)
    assert json.loads((tmp_path / "model.json").read_text())["settings"]["decay_kimg"] == 0
    with pytest.raises(ValueError, match=r"between 0 and kimg, which is 0\.6; it is 0\.7"):
        training.build(replace(late, decay_kimg=0.7), 16)


def test_a_model_names_the_patients_it_learnt_from_and_goes_on_with_no_others(tmp_path):
    short = replace(SETTINGS, kimg=0.2)
    training.fit(training.build(short, 16), short, images(), tmp_path)
    record = json.loads((tmp_path / "model.json").read_text())
    assert record["training"] == images().train.record
    other = images()
    other.__dict__["train"] = other.train.take(slice(1, None))
    with pytest.raises(ValueError, match="trained with another training split"):
        training.fit(training.build(short, 16), short, other, tmp_path)
    del record["training"], record["restarts"]
    (tmp_path / "model.json").write_text(json.dumps(record))  # as older versions wrote it
    training.fit(training.build(short, 16), short, images(), tmp_path)
    rewritten = json.loads((tmp_path / "model.json").read_text())
    assert "training" not in rewritten and rewritten["restarts"] == []
    record["settings"]["schedule"] = "constant"  # a setting that is no more
    (tmp_path / "model.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="trained with another schedule; use another run name"):
        training.fit(training.build(short, 16), short, images(), tmp_path)


def test_epochs_are_counted_alike_when_executions_do_not_divide_them(tmp_path):
    """Keras runs whole executions: six steps where three are one execution and an epoch would have four.

    The images seen are then as near to those asked for as whole epochs come.
    """
    epoch = 4 * SETTINGS.batch_size / 1000
    for epochs in (3, 7):
        settings = replace(SETTINGS, steps_per_execution=3, kimg_per_epoch=epoch, kimg=epochs * epoch)
        training.fit(training.build(settings, 16), settings, images(), tmp_path)
    log = pd.read_csv(tmp_path / "log.csv")
    assert log["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert log["step"].tolist() == [6, 12, 18, 24, 30]  # of 28


def test_mlflow_has_every_epoch_of_a_training_that_went_on_in_one_run(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    folder = tmp_path / "knees" / "models" / "dcgan"
    for kimg in (0.1, 0.2):
        settings = replace(SETTINGS, kimg=kimg)
        training.fit(training.build(settings, 16), settings, images(), folder)
    (run,) = mlflow.search_runs(output_format="list")
    assert run.info.run_name == "knees/dcgan"
    assert run.data.params["batch_size"] == str(SETTINGS.batch_size)
    log = pd.read_csv(folder / "log.csv")
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "discriminator_loss")
    assert [each.step for each in history] == log["epoch"].tolist()
    assert [each.value for each in history] == pytest.approx(log["discriminator_loss"].tolist())


def test_mlflow_that_is_asked_for_and_missing_is_said_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ValueError, match=r"install medgan_tf\[mlflow\]"):
        training.fit(build(), SETTINGS, images(), tmp_path)


def test_a_damaged_or_foreign_state_is_said_and_changes_nothing(tmp_path):
    gan = build()
    gan.save_state(tmp_path / "state.npz")
    foreign = build(network={"base_filters": 8, "discriminator_norm": "none", "latent_dim": 8})
    with pytest.raises(ValueError, match="another model"):
        foreign.load_state(tmp_path / "state.npz")
    content = (tmp_path / "state.npz").read_bytes()
    (tmp_path / "state.npz").write_bytes(content[: len(content) // 2])
    before = values(gan)
    with pytest.raises(ValueError, match="damaged"):
        gan.load_state(tmp_path / "state.npz")
    assert all((before[name] == value).all() for name, value in values(gan).items())


def test_the_best_generator_is_kept_and_inference_draws_from_it(tmp_path):
    settings = replace(SETTINGS, kimg=0.6)
    gan = training.build(settings, 16)
    pixels = metrics.custom("pixels", lambda pictures: tf.reshape(pictures, (len(pictures), -1))[:, ::16], 16)
    training.fit(gan, settings, images(), tmp_path, pixels)
    log = pd.read_csv(tmp_path / "log.csv")
    assert float(gan.best_score.numpy()) == pytest.approx(log["kernel_distance"].min(), rel=1e-5)
    generator = generators.load(tmp_path)
    np.testing.assert_array_equal(generator.sample(4, seed=3), generators.load(tmp_path).sample(4, seed=3))
    with pytest.raises(ValueError, match="knows no classes"):
        generator.sample(4, label="low")
    (tmp_path / "generator.weights.h5").unlink()
    with pytest.raises(ValueError, match="holds no trained model"):
        generators.load(tmp_path)
    with pytest.raises(ValueError, match="holds no trained model"):
        generators.load(tmp_path / "nowhere")


def test_a_collapse_is_told_in_the_log_and_a_healthy_generator_is_not_accused(tmp_path):
    train = images().train
    gan = build()
    pixels = metrics.custom("pixels", lambda pictures: tf.reshape(pictures, (len(pictures), -1)), 16)
    watch = callbacks.EvaluationCallback(pixels, train, train, tmp_path / "generator.weights.h5")
    watch.set_model(gan)
    watch.set_params({"epochs": 10})
    watch.on_train_begin()
    one, all_of_them = np.repeat(train.images[:1], len(train), axis=0), train.images[::-1]

    def logged(epoch, drawn):
        gan.sample = lambda count, labels, seed: drawn
        watch.on_epoch_end(epoch, logs := {})
        return logs

    early, late = logged(0, one), logged(5, one)  # one picture from the start: not yet, and then for good
    assert early["coverage"] < 0.1 and early["ms_ssim"] > 0.99 and (early["collapsed"], late["collapsed"]) == (0.0, 1.0)
    healthy = logged(1, all_of_them)
    assert healthy["coverage"] == 1.0 and healthy["collapsed"] == logged(5, all_of_them)["collapsed"] == 0.0
    assert logged(2, one)["collapsed"] == 1.0  # early, but it had more


def test_overfitting_is_0_for_a_fair_discriminator_and_1_for_one_that_knows_its_images_by_heart(tmp_path):
    train, unseen = images().train, images().validation
    gan = build()
    pixels = metrics.custom("pixels", lambda pictures: tf.reshape(pictures, (len(pictures), -1)), 16)
    watch = callbacks.EvaluationCallback(pixels, train, unseen, tmp_path / "generator.weights.h5")
    watch.set_model(gan)
    generated = np.full_like(train.images, 255)
    gan.sample = lambda count, labels, seed: generated
    watch.set_params({"epochs": 1})
    watch.on_train_begin()
    by_heart = {image.tobytes() for image in train.images}
    judges = {
        "fair": lambda shown, labels: 3.0 if shown.mean() < 250 else -1.0,
        "by heart": lambda shown, labels: 3.0 if {image.tobytes() for image in shown} <= by_heart else -1.0,
    }
    found = {}
    for name, label_classifier in judges.items():
        gan.scores = label_classifier
        watch.on_epoch_end(0, logs := {})
        found[name] = logs["overfitting"]
        assert logs["validation_distance"] > 0
    assert found == {"fair": 0.0, "by heart": 1.0}


def test_scores_are_those_of_the_images_as_training_sees_them():
    gan, train = build(), images().train
    seen = next(iter(tf.data.Dataset.from_tensor_slices(train.images / np.float32(127.5) - 1).batch(len(train))))
    expected = gan.discriminator(seen, training=False)[:, 0]
    np.testing.assert_allclose(gan.scores(train.images, train.labels), expected, rtol=1e-4, atol=1e-7)


def test_augmentation_is_seen_by_the_discriminator_and_steered_and_checkpointed(tmp_path):
    gan = build(augmentation={"target": 0.6, "adjust_kimg": 0.1, "interval": 1})
    seen = []
    gan.augmentation.call = lambda pictures, seed: (seen.append(seed.numpy()), pictures)[1]
    for _ in range(4):
        logs = gan.train_step(tuple(tf.constant(part) for part in batch()))
    assert len({tuple(seed) for seed in seen}) == len(seen) - 2  # the penalty of step 0 and 3 sees what the loss saw
    assert float(logs["augmentation_probability"]) in np.float32([0.0, 0.08, 0.16, 0.24, 0.32]).tolist()
    gan.augmentation.probability.assign(0.25)
    gan.save_state(tmp_path / "state.npz")
    other = build(augmentation={"target": 0.6})
    other.load_state(tmp_path / "state.npz")
    assert float(other.augmentation.probability) == 0.25


def test_the_discriminator_sees_blurred_images_at_first_and_sharp_ones_later():
    gan = build(architecture="stylegan2", network=STYLED.network, blur_kimg=0.1)
    real, labels = (tf.constant(part) for part in batch())
    early = gan.score(real, labels, 0, REAL).numpy()
    gan.images_seen.assign(200)
    late = gan.score(real, labels, 0, REAL).numpy()
    np.testing.assert_array_equal(late, gan.discriminator(real, training=True))
    assert (np.abs(early - late) > 0.03 * np.abs(late)).all()  # scores of an untrained network are small


GROWING = replace(
    SETTINGS,
    architecture="pggan",
    kimg=0.8,
    kimg_per_epoch=0.08,
    penalty="wgan_gp",
    loss="wasserstein",
    penalty_interval=1,
    steps_per_execution=1,
    network={"base_filters": 4, "latent_dim": 8, "first_size": 4, "fade_kimg": 0.16, "stable_kimg": 0.16},
)


def test_growing_keeps_optimizer_state_and_resumes_in_the_middle_of_a_fade(tmp_path):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    gan = training.build(GROWING, 16)
    slots = []
    apply = gan.generator_optimizer.apply
    gan.generator_optimizer.apply = lambda gradients, variables: (
        slots.append(len(variables)),
        apply(gradients, variables),
    )
    training.fit(gan, GROWING, images(), whole)
    assert slots == sorted(slots) and len(set(slots)) == 3  # more variables at each of three stages
    middle = replace(GROWING, kimg=0.24)  # half of the fade to 8 px, which lasts from 0.16 to 0.32
    training.fit(training.build(middle, 16), middle, images(), parted)
    with np.load(parted / "state.npz") as state:
        momenta = [name for name in state.files if name.startswith("generator_optimizer")]
        assert any(np.abs(state[name]).max() > 0 for name in momenta)
    gan = training.build(GROWING, 16)
    gan.load_state(parted / "state.npz")
    assert gan.growing[0].stage == 1 and 0.4 < float(gan.growing[0].alpha) < 0.6
    training.fit(training.build(GROWING, 16), GROWING, images(), parted)
    with np.load(whole / "state.npz") as one, np.load(parted / "state.npz") as other:
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_the_path_length_penalty_moves_the_generator_alone():
    steps = {}
    for weight in (0.0, 50.0):
        gan = build(architecture="stylegan2", network=STYLED.network, path_length_weight=weight, path_length_interval=1)
        before = values(gan)
        gan.train_step(tuple(tf.constant(part) for part in batch()))
        steps[weight] = {name: value - before[name] for name, value in values(gan).items() if "optimizer" not in name}
    generator, discriminator = (
        [name for name in steps[0.0] if name.startswith(part)] for part in ("generator/", "discriminator/")
    )
    assert any((steps[0.0][name] != steps[50.0][name]).any() for name in generator)
    assert all((steps[0.0][name] == steps[50.0][name]).all() for name in discriminator)


def test_the_distance_at_the_end_is_forecast_from_the_power_law_of_the_second_half():
    rows = [{"kimg": kimg, "kernel_distance": 2 * kimg**-0.5} for kimg in range(1, 9)]
    rows[:4] = [row | {"kernel_distance": 9.0} for row in rows[:4]]  # what came first does not count
    forecast = callbacks.Forecast(SimpleNamespace(rows=rows), 100)
    logs = {}
    forecast.on_epoch_end(7, logs)
    assert logs == {"expected_at_end": "0.2 (0.2 to 0.2)"}
    rows[-1]["kernel_distance"] *= 1.5
    forecast.on_epoch_end(7, logs)
    middle, low, high = (float(part.strip("()")) for part in logs["expected_at_end"].replace("to", "").split())
    assert middle > 0.2 and low < middle < high
    for few in (rows[:5], [*rows, {"kimg": 100, "kernel_distance": 0.1}], [{"kimg": 3}] * 9):
        logs = {}
        callbacks.Forecast(SimpleNamespace(rows=few), 100).on_epoch_end(0, logs)
        assert not logs
