"""Resampling by patient and intervals. The tests of each metric simulate how often its intervals contain the truth."""

import numpy as np
import pytest

from medgan_tf.intervals import (
    TooFewError,
    bootstrap,
    bootstrap_weights,
    draw_halves,
    half_split_interval,
    proportion,
    repeat_interval,
    split_halves,
    widen,
    wilson,
)


def test_halves_share_no_patient_and_all_sides_have_one_size():
    generator = np.random.default_rng(0)
    patients = generator.choice([f"patient {i}" for i in range(40)], 300, p=generator.dirichlet(np.ones(40)))
    draws = draw_halves(patients, fakes=1000, repeats=30, seed=3)
    n = len(draws[0].fake)
    assert n > 100
    for draw in draws:
        assert not set(patients[draw.reference]) & set(patients[draw.other])
        assert len(set(draw.reference)) == len(set(draw.other)) == len(set(draw.fake)) == len(set(draw.other_fake)) == n
        assert not set(draw.fake) & set(draw.other_fake)
    assert len(np.unique(np.concatenate([draw.fake for draw in draws]))) == 2 * n
    again = draw_halves(patients, fakes=1000, repeats=30, seed=3)
    assert all(
        (x.reference == y.reference).all() and (x.fake == y.fake).all() for x, y in zip(draws, again, strict=True)
    )
    assert len(draw_halves(patients, fakes=61, repeats=3)[0].reference) == 30


def test_halves_need_two_patients_and_two_fakes():
    with pytest.raises(TooFewError, match="at least 2 patients, 2 fakes and 2 repeats, not 1"):
        draw_halves(np.zeros(50), fakes=50)
    with pytest.raises(TooFewError, match="not 50, 1 and 20"):
        draw_halves(np.arange(50), fakes=1)
    with pytest.raises(TooFewError, match="at least 2 patients, not 1"):
        split_halves(["a", "a"])


def test_halves_of_patients_with_equally_many_images_are_equal():
    patients = np.repeat([f"p{number}" for number in range(30)], 4)
    first, second = split_halves(patients, 3)
    assert not set(patients[first]) & set(patients[second]) and len(first) == len(second) == 60


@pytest.mark.parametrize(
    "interval", [repeat_interval, lambda values, *limits: half_split_interval(values, [1.0, 0.9, 0.9, 1.0], *limits)]
)
def test_intervals_stay_within_the_range_of_the_metric(interval):
    value, low, high = interval([0.9, 1.0, 1.0, 0.95], 0, 1)
    assert low < value < high == 1
    assert interval([0.9, 1.0, 1.0, 0.95])[2] > 1


def test_repeats_without_a_value_are_left_out():
    assert repeat_interval([1.0, np.nan, 3.0])[0] == 2.0
    assert np.isnan(repeat_interval([1.0, np.nan])).all()
    assert half_split_interval([1.0, np.nan, 3.0], [2.0, 5.0, 6.0])[0] == 3.0
    assert np.isnan(half_split_interval([1.0, 2.0], [1.0, np.nan])).all()


def test_whole_patients_are_drawn_within_their_stratum():
    patients, strata = np.repeat(np.arange(40), 3), np.repeat([0] * 36 + [1] * 4, 3)
    weights = bootstrap_weights(patients, 200, strata=strata)
    assert (weights[0] == 1).all()
    by_patient = weights.reshape(201, 40, 3)
    assert (by_patient == by_patient[..., :1]).all()
    assert (weights[:, strata == 1].sum(axis=1) == 12).all()
    assert len(np.unique(weights[1:], axis=0)) > 150


def test_bootstrap_intervals_are_wider_when_patients_have_many_images():
    scores = np.repeat(np.random.default_rng(1).normal(size=50), 10)
    statistic = lambda index: scores[index].mean()  # noqa: E731
    by_image = bootstrap(statistic, (np.arange(500),))
    by_patient = bootstrap(statistic, (np.repeat(np.arange(50), 10),))
    assert by_image["value"] == by_patient["value"] == pytest.approx(scores.mean())
    assert by_patient["high"] - by_patient["low"] > 2 * (by_image["high"] - by_image["low"])


def test_a_proportion_has_wilsons_interval_and_at_zero_an_upper_bound():
    found = proportion([True] * 8 + [False] * 2)
    assert (found["k"], found["n"]) == (8, 10)
    assert (found["low"], found["high"]) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Wilson 1927
    assert proportion([])["value"] is None
    certain, wide = ({"value": 0.0, "low": 0.0, "high": 0.0}, {"value": 0.5, "low": 0.2, "high": 0.8})
    assert widen(certain, wilson(0, 500)) == {"value": 0.0, "low": 0.0, "high": pytest.approx(0.0076, abs=1e-4)}
    assert widen(wide, wilson(250, 500)) == wide
