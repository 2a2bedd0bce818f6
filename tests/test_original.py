"""All 250 recorded answers of DeepTrain 0.6.0: each stands once, as right, as wrong, or as one without a counterpart.

Its functions ran unmodified (github.com/OverLordGoldDragon/deeptrain, commit e010e3b, MIT licence), and what they gave
has the number of the record. Most is held to where its room is tested; here are the few that belong to two rooms.
"""

from collections import Counter

import numpy as np
import sklearn.metrics

from deeptrain.metrics import names
from tests.calibration import test_original as calibration
from tests.formats import test_original as formats
from tests.introspection import test_original as introspection
from tests.loading import test_original as loading
from tests.metrics import test_original as metrics
from tests.shards import test_original as shards

RIGHT = {149, 164}
WITHOUT = dict.fromkeys(
    range(153, 157),
    ("_unroll_into_samples", "outputs are rows from the first batch on; of windows they are the mean of each series"),
)


def test_every_answer_stands_once():
    told = Counter(case["number"] for room in (calibration, metrics) for case in room.CASES)
    tables = [RIGHT, WITHOUT, introspection.WITHOUT]
    tables += [table for room in (formats, introspection, loading, shards) for table in (room.RIGHT, room.WRONG)]
    for table in tables:
        told.update(list(table))
    assert told == Counter(range(250))


def test_so_many_are_right_wrong_and_without_a_counterpart():
    wrong = {room.CASES[place]["number"] for room in (calibration, metrics) for place in room.WRONG}
    wrong |= {number for room in (formats, introspection, loading, shards) for number in room.WRONG}
    without = {*WITHOUT, *introspection.WITHOUT}
    assert (250 - len(wrong) - len(without), len(wrong), len(without)) == (173, 59, 18)


def test_a_metric_that_no_room_knows_is_scikit_learns():
    labels, values = np.array([0.5, 1.0, 4.0]), np.array([0.25, 1.5, 3.0])
    assert names.get("r2_score")(labels, values) == sklearn.metrics.r2_score(labels, values)  # 149


def test_the_error_of_each_batch_of_a_validation_is_that_of_the_original():
    labels, scores = (np.reshape(one, (5, -1)) for one in calibration.CASES[37]["args"])
    errors = [names.get("mean_squared_error")(*batch) for batch in zip(labels, scores, strict=True)]
    theirs = [0.041924875, 0.0925765, 0.047793875, 0.165675375, 0.25620625]  # 164
    np.testing.assert_allclose(errors, theirs, rtol=1e-12)
