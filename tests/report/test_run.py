"""What a report is made of is checked when it is made."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from deeptrain.errors import DataError
from deeptrain.report.run import Run, Scores


def test_a_run_without_an_epoch_is_refused(run: Run) -> None:
    with pytest.raises(DataError, match=r"^report: digits: a report needs at least 1 finished epoch, got 0; train"):
        dataclasses.replace(run, epochs=())


def test_epochs_out_of_order_are_refused(make_run: Callable[..., Run]) -> None:
    epochs = make_run(epochs=3).epochs
    with pytest.raises(DataError, match=r"epochs must ascend, got \[3, 2, 1\]"):
        dataclasses.replace(make_run(epochs=3), epochs=tuple(reversed(epochs)))


def test_losses_must_be_a_vector(run: Run) -> None:
    with pytest.raises(DataError, match=r"losses must be a vector, got shape \(2, 3\)"):
        dataclasses.replace(run, losses=np.zeros((2, 3)))


def test_labels_scores_and_sets_must_be_of_one_length() -> None:
    with pytest.raises(DataError, match=r"vectors of one length, got shapes \[\(3,\), \(2,\), \(3,\)\]"):
        Scores(np.zeros(3), np.zeros(2), np.zeros(3))


def test_an_epoch_that_is_not_there_is_empty(run: Run) -> None:
    assert run.epoch(2)["epoch"] == 2
    assert run.epoch(99) == {}
