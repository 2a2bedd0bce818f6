"""Preprocessors: each does what it says, draws from its own generator, and leaves what it was given alone."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import DataError, UserCodeError
from deeptrain.loading.batch import Batch
from deeptrain.loading.noise import Noise
from deeptrain.loading.one_hot import OneHot
from deeptrain.loading.preprocessing import preprocessors, processed, remembering
from deeptrain.loading.random_crop import RandomCrop
from deeptrain.loading.random_flip import RandomFlip
from deeptrain.settings import Use

DATA: Any = None
"""The ready-made ones here ask nothing of the data."""


def batch(x: Any, y: Any = None) -> Batch:
    count = len(next(iter(x.values()))) if isinstance(x, dict) else len(x)
    return Batch(x, np.zeros(count) if y is None else y, np.arange(count), np.zeros(count, np.int64), 0)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def images(count: int = 8) -> np.ndarray:
    return np.arange(count * 6 * 5 * 2, dtype=np.uint8).reshape(count, 6, 5, 2)


ALL: list[Callable[[], Any]] = [
    lambda: Noise(DATA, 0.5),
    lambda: RandomCrop(DATA, [3, 4]),
    lambda: RandomFlip(DATA),
    lambda: OneHot(DATA, 256),
]


@pytest.mark.parametrize("make", ALL, ids=["noise", "crop", "flip", "one_hot"])
def test_one_generator_gives_one_result_and_the_batch_is_not_changed(make: Callable[[], Any]) -> None:
    given_batch = batch(images())
    before = given_batch.x.copy()
    one, two = make().process(given_batch, rng()), make().process(given_batch, rng())
    np.testing.assert_array_equal(one.x, two.x)
    np.testing.assert_array_equal(given_batch.x, before)
    still = make().process(given_batch, None)
    assert still.x.shape == one.x.shape
    assert still.x.dtype == one.x.dtype


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 100))
def test_a_crop_is_a_part_of_its_own_image_and_the_middle_without_chance(height: int, width: int, seed: int) -> None:
    x = images()
    crop = RandomCrop(DATA, [height, width])
    found = crop.process(batch(x), rng(seed)).x
    views = np.lib.stride_tricks.sliding_window_view(x, (height, width), axis=(1, 2))
    for row in range(len(x)):
        parts = np.moveaxis(views[row], 2, -1).reshape(-1, height, width, 2)
        assert (parts == found[row]).all(axis=(1, 2, 3)).any()
    top, left = (6 - height) // 2, (5 - width) // 2
    np.testing.assert_array_equal(crop.process(batch(x), None).x, x[:, top : top + height, left : left + width])


def test_crops_and_flips_are_not_the_same_for_all_samples_and_reach_every_place() -> None:
    x = np.tile(np.arange(36).reshape(1, 6, 6), (2000, 1, 1))
    corners = RandomCrop(DATA, [2, 2]).process(batch(x), rng()).x[:, 0, 0]
    counts = np.unique(corners, return_counts=True)[1]
    assert len(counts) == 25
    assert counts.min() > 80 - 5 * np.sqrt(80)
    flipped = RandomFlip(DATA, axis=1, probability=0.25).process(batch(x), rng()).x
    mirrored = (flipped[:, 0, 0] == 5).mean()
    assert 0.2 < mirrored < 0.3
    np.testing.assert_array_equal(np.unique(flipped, axis=0), [x[0], x[0][:, ::-1]])


def test_noise_has_the_asked_deviation_and_is_absent_when_validating() -> None:
    x = np.full((50, 400), 7, np.int16)
    noisy = Noise(DATA, 0.5).process(batch(x), rng()).x
    assert noisy.dtype == np.float32
    assert abs(float(noisy.mean()) - 7) < 0.02
    assert abs(float(noisy.std()) - 0.5) < 0.01
    np.testing.assert_array_equal(Noise(DATA, 0.5).process(batch(x), None).x, x)


def test_one_hot_gives_one_axis_more_with_a_single_one() -> None:
    x = np.array([[0, 2], [1, 1]], np.int16)
    found = OneHot(DATA, 3).process(batch(x), None).x
    np.testing.assert_array_equal(found, np.eye(3)[x])
    assert found.dtype == np.float32


def test_labels_that_are_the_inputs_follow_them_but_are_never_noisy() -> None:
    x = images()
    own = batch(x, x)
    chain = [RandomCrop(DATA, [3, 3]), RandomFlip(DATA), Noise(DATA, 1.0)]
    found = processed(own, chain, rng)
    clean = processed(own, chain[:2], rng)
    np.testing.assert_array_equal(clean.x, clean.y)
    np.testing.assert_array_equal(found.y, clean.y)
    assert not np.array_equal(found.x, found.y)


def test_one_of_several_inputs_can_be_chosen() -> None:
    several = batch({"left": images(), "right": images()})
    found = RandomCrop(DATA, [2, 2], input="left").process(several, None).x
    assert {name: part.shape for name, part in found.items()} == {"left": (8, 2, 2, 2), "right": (8, 6, 5, 2)}
    with pytest.raises(DataError, match="there is no input 'middle'; there are left, right"):
        RandomCrop(DATA, [2, 2], input="middle").process(several, None)
    with pytest.raises(DataError, match="there is one input, which has no name, got input = 'left'"):
        RandomFlip(DATA, input="left").process(batch(images()), None)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Noise(DATA, 0), "noise: std must be a number above 0, got 0"),
        (lambda: OneHot(DATA, 1), "one_hot: depth must be a whole number of at least 2, got 1"),
        (lambda: RandomCrop(DATA, []), r"random_crop: size must be a list of whole numbers of at least 1, got \[\]"),
        (lambda: RandomFlip(DATA, axis=-1), "random_flip: axis must be a whole number from 0, got -1"),
        (lambda: RandomFlip(DATA, probability=2), "random_flip: probability must be between 0 and 1, got 2"),
        (
            lambda: RandomCrop(DATA, [9]).process(batch(images()), None),
            r"size \[9\] does not fit in samples of \[6, 5, 2\]",
        ),
        (lambda: RandomFlip(DATA, axis=3).process(batch(images()), None), r"samples of \[6, 5, 2\] have no axis 3"),
        (
            lambda: OneHot(DATA, 3).process(batch(np.array([[0.0], [1.5]])), None),
            "one_hot: expected whole numbers from 0 to 2, got 1.5 in sample 1 of a batch",
        ),
    ],
)
def test_what_a_preprocessor_cannot_do_is_told(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()


def test_a_chain_gives_each_its_place_and_names_who_loses_samples() -> None:
    places: list[int] = []

    class Half:
        def process(self, given_batch: Batch, _: Any) -> Batch:
            return dataclasses.replace(given_batch, x=given_batch.x[:3])

    def generator(place: int) -> None:
        places.append(place)

    with pytest.raises(
        DataError, match=re.escape("Half.process must return as many samples as it got: expected 8, got 3")
    ):
        processed(batch(images()), [RandomFlip(DATA), Half()], generator)
    assert places == [0, 1]


def test_ready_made_ones_are_found_by_name_with_their_arguments_and_mistakes_are_told() -> None:
    names: list[Any] = [Use(use="noise", arguments={"std": 0.1}), Use(use="random_crop", arguments={"size": [2, 2]})]
    made = preprocessors(names, DATA, None)
    assert [type(one).__name__ for one in made] == ["Noise", "RandomCrop"]
    assert remembering(made) == {}
    with pytest.raises(
        UserCodeError, match=r"noize: not ready-made \(noise, normalise, one_hot, random_crop, random_flip\)"
    ):
        preprocessors(["noize"], DATA, None)
    with pytest.raises(UserCodeError, match="noise: raised TypeError"):
        preprocessors(["noise"], DATA, None)
