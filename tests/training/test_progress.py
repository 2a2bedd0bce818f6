"""The meter against arithmetic, and numbers as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.training.progress import Meter, Progress, in_digits, in_hours


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@given(st.floats(0.01, 1e4), st.lists(st.integers(1, 200), min_size=1, max_size=30), st.floats(0.1, 1e3))
def test_a_constant_rate_is_told_exactly(rate, groups, memory):
    clock = Clock()
    meter = Meter(clock, memory)
    done = 0
    for group in groups:
        done += group
        clock.now += group / rate
        meter.tell(done)
        assert meter.rate == pytest.approx(rate, rel=1e-6)
    assert meter.seconds_left(100) == pytest.approx(100 / rate, rel=1e-6)


@given(st.lists(st.tuples(st.integers(0, 50), st.just(0.0) | st.floats(1e-6, 100)), max_size=30))
def test_the_rate_stays_between_the_slowest_and_the_fastest_interval(intervals):
    clock = Clock()
    meter = Meter(clock)
    done = 0
    for group, seconds in intervals:
        done += group
        clock.now += seconds
        meter.tell(done)
    rates = [group / seconds if seconds else math.inf for group, seconds in intervals]
    assert meter.rate is None or min(rates) * 0.999 <= meter.rate <= max(rates) * 1.001


def test_what_passes_before_a_start_does_not_lower_the_rate():
    clock = Clock()
    meter = Meter(clock)
    for epoch in range(3):
        meter.start()
        for done in (10, 20, 30):
            clock.now += 2
            meter.tell(done)
        clock.now += 1000 * epoch  # validating, saving, a pause
    assert meter.rate == pytest.approx(5)


def test_fewer_iterations_than_before_begin_a_new_epoch():
    clock = Clock()
    meter = Meter(clock)
    clock.now += 2
    meter.tell(10)
    clock.now += 60
    meter.tell(0)
    clock.now += 2
    meter.tell(10)
    assert meter.rate == pytest.approx(5)


def test_a_changed_rate_is_followed():
    clock = Clock()
    meter = Meter(clock, memory_seconds=10)
    for done in range(1, 401):
        clock.now += 0.1 if done <= 200 else 0.5
        meter.tell(done)
    assert meter.rate == pytest.approx(2, rel=0.01)


def test_without_iterations_there_is_no_rate():
    clock = Clock()
    meter = Meter(clock)
    assert meter.rate is None
    assert meter.seconds_left(5) is None
    clock.now += 5
    meter.tell(0)
    assert meter.rate is None
    clock.now -= 100  # a clock that runs backwards
    meter.tell(3)
    assert meter.rate is not None


@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9))
def test_an_epoch_is_finished_when_the_next_one_runs_or_all_is_done(epoch, iteration, iterations):
    inside = Progress(phase="fit", epoch=epoch, epochs=9, iteration=iteration, iterations=iterations)
    assert inside.finished == epoch - 1
    assert 0 <= inside.fraction <= 1
    end = Progress(phase="done", epoch=epoch, epochs=9, iteration=iteration, iterations=iterations)
    assert end.finished == (epoch if iteration >= iterations else epoch - 1)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"), (0.2, "0:01"), (12, "0:12"), (99.5, "1:40"), (7509, "2:05:09"), (86399.5, "1 d 00 h"),
        (273600, "3 d 04 h"), (-3, "0:00"), (math.inf, "?"), (math.nan, "?"),
    ],
)  # fmt: skip
def test_durations_as_people_say_them(seconds, text):
    assert in_hours(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.12344, "0.1234"), (0.001, "0.0010"), (0.00012, "1.20e-04"), (1, "1.000"), (412, "412.0"),
        (41234, "41234"), (1234567, "1.23e+06"), (-0.5, "-0.5000"), (math.nan, "nan"), (-math.inf, "-inf"),
    ],
)  # fmt: skip
def test_numbers_in_few_digits(value, text):
    assert in_digits(value) == text


@given(st.floats(-1e308, 1e308) | st.sampled_from([math.inf, -math.inf, math.nan]))
def test_numbers_are_short_and_near(value):
    text = in_digits(value)
    assert len(text) <= 10
    if math.isfinite(value):
        assert float(text) == pytest.approx(value, rel=0.05)
