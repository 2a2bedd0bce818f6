"""What is scored has chosen nothing."""

import pytest

from deeptrain.calibration import unseen
from deeptrain.errors import SettingsError

USED = {"train": "was trained on", "val": "chose the epoch", "calibration": "chose threshold, members", "test": ""}


def test_the_test_split_may_be_scored():
    unseen.check("test", USED)


@pytest.mark.parametrize(
    ("split", "used", "message"),
    [
        ("calibration", USED, "got 'calibration': it chose threshold, members; score 'test'"),
        ("val", USED, "got 'val': it chose the epoch; score 'test'"),
        ("train", {"train": "was trained on"}, r"got 'train': it was trained on; give \[data\.splits\] a test split"),
    ],
)
def test_a_split_that_chose_anything_is_refused(split, used, message):
    with pytest.raises(SettingsError, match=rf"^split to score: expected one that chose nothing, {message}$"):
        unseen.check(split, used)


@pytest.mark.parametrize(
    ("split", "hint"), [("tets", "did you mean test?"), ("everything", "splits are train, val, calibration, test")]
)
def test_a_split_that_is_none_is_told(split, hint):
    with pytest.raises(SettingsError) as told:
        unseen.check(split, USED)
    assert str(told.value) == f"split to score: expected one of this run's, got {split!r}; {hint}"
