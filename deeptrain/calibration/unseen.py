"""What is scored has chosen nothing: the rule that keeps an evaluation honest."""

from collections.abc import Mapping

from deeptrain.errors import SettingsError, did_you_mean

SCORED = "test"
"""The split that is scored."""


def check(split: str, chose: Mapping[str, str]) -> None:
    """Check that a split may be scored.

    Args:
        split: its name.
        chose: what each split of the run was used for, in words, "" for nothing: {"calibration": "chose threshold"}.

    Raises:
        SettingsError: when it was used for anything, or is no split of the run.
    """
    if split not in chose:
        hint = did_you_mean(split, chose, f"splits are {', '.join(chose)}")
        raise SettingsError(f"split to score: expected one of this run's, got {split!r}; {hint}")
    if chose[split]:
        cure = f"score {SCORED!r}" if SCORED in chose else f"give [data.splits] a {SCORED} split"
        raise SettingsError(
            f"split to score: expected one that chose nothing, got {split!r}: it {chose[split]}; {cure}"
        )
