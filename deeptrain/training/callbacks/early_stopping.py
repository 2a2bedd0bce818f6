"""Stop when the key metric has not become better for some epochs."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deeptrain.errors import SettingsError

if TYPE_CHECKING:
    from deeptrain.training.results import Results
    from deeptrain.training.trainer import Trainer


class EarlyStopping:
    """Ends training after `patience` epochs in a row whose key metric is no better than the best by `min_delta`."""

    def __init__(self, patience: int = 5, min_delta: float = 0.0) -> None:
        """Set the rule.

        Args:
            patience: epochs to wait, at least 1.
            min_delta: by how much a value must be better to count, at least 0.

        Raises:
            SettingsError: when one of them is out of range.
        """
        if not isinstance(patience, int) or patience < 1:
            raise SettingsError(f"early_stopping: patience must be an integer of at least 1, got {patience!r}")
        if not isinstance(min_delta, int | float) or not 0 <= min_delta < math.inf:
            raise SettingsError(f"early_stopping: min_delta must be a number of at least 0, got {min_delta!r}")
        self._patience = patience
        self._min_delta = float(min_delta)
        self._best: float | None = None
        self._waited = 0

    def epoch_end(self, trainer: "Trainer", results: "Results") -> None:
        """Count an epoch that is no better, and stop at the last that is waited for."""
        if not results.validation and trainer.val_data is not None:
            return  # an epoch that was not validated is neither better nor worse
        value = results.key_value if trainer.maximize else -results.key_value
        if not math.isnan(value) and (self._best is None or value > self._best + self._min_delta):
            self._best, self._waited = value, 0
            return
        self._waited += 1
        if self._waited >= self._patience:
            epochs = "an epoch" if self._patience == 1 else f"{self._patience} epochs"
            trainer.stop(f"{trainer.key_metric} was no better for {epochs}")

    def state(self) -> Mapping[str, Any]:
        """The best value so far, greater being better, and how many epochs were waited."""
        return {"best": self._best, "waited": self._waited}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on waiting where `state` stood."""
        self._best = None if state["best"] is None else float(state["best"])
        self._waited = int(state["waited"])
