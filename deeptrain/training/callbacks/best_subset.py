"""The validation sets on which the model does best."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deeptrain.calibration import subset
from deeptrain.errors import DataError, SettingsError
from deeptrain.metrics import names
from deeptrain.training.callbacks.original_names import either

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer


class BestSubset:
    """Finds after each validation the sets that together have the best value of a metric of counts.

    By the exact search of `deeptrain.calibration.subset` at `trainer.threshold`. The value is in-sample: other sets
    will not reach it. A sample of weight 2 in the data counts as two samples, as in the metrics. Nothing of training
    changes.

    Attributes:
        sets: numbers of the best sets of the newest validation, ascending; empty before the first, or where the metric
            is undefined for every choice.
        value: the metric over their samples together; None where there are none.
    """

    def __init__(
        self, size: int | None = None, metric: str | None = None, *, best_subset_size: int | None = None
    ) -> None:
        """Choose how many.

        Args:
            size: how many sets to choose, at least 1; must be given, by this name or the next.
            metric: a metric of counts; by default the trainer's key metric.
            best_subset_size: the same as `size`, as DeepTrain 0.6 called it.

        Raises:
            SettingsError: for no size, one below 1, or one by both names, for an unknown metric, or one that no
                threshold changes.
        """
        given = either("best_subset", "size", size, "best_subset_size", best_subset_size)
        if type(given) is not int or given < 1:
            raise SettingsError(
                f"best_subset: size (or best_subset_size) must be an integer of at least 1, got {given!r}"
            )
        self._size = given
        self._metric = None if metric is None else names.count_metric(metric).name
        self.sets: list[int] = []
        self.value: float | None = None

    @property
    def best_subset_nums(self) -> list[int]:
        """The same as `sets`, as DeepTrain 0.6 called it."""
        return self.sets

    def init(self, trainer: "Trainer") -> None:
        """Check that there are enough sets.

        Raises:
            SettingsError: when there are fewer sets, labels are not binary, or the key metric is none of counts.
        """
        if trainer.kind != "binary":
            raise SettingsError(f"best_subset: expected binary labels, these are {trainer.kind}")
        if self._metric is None and not getattr(names.find(trainer.key_metric), "of_counts", False):
            raise SettingsError(
                f"best_subset: {trainer.key_metric}, the key metric, is not made of counts; give one that is, such as "
                'metric = "f1_score"'
            )
        there = 0 if trainer.val_data is None else len(set(trainer.val_data.label_sets.tolist()))
        if self._size > there:
            raise SettingsError(
                f"best_subset: size must be at most the {there} sets of the validation split, got {self._size}"
            )

    def validation_end(self, trainer: "Trainer", metrics: Mapping[str, float]) -> None:  # noqa: ARG002 - the protocol's
        """Find them."""
        found = trainer.validated
        self.sets, self.value = [], None
        if found is None or not 0 < (found.labels > 0).sum() < found.labels.size:
            return
        metric, labels = self._metric or trainer.key_metric, found.labels.reshape(-1) > 0
        try:
            given = (labels, found.outputs.reshape(-1), found.sets, self._size, metric, trainer.threshold)
            best = subset.best(*given, weights=found.weights)
        except DataError:  # undefined for every choice
            return
        self.sets, self.value = list(best.sets), best.value

    def state(self) -> Mapping[str, Any]:
        """The sets and their value."""
        return {"sets": self.sets, "value": self.value}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Know them again."""
        self.sets, self.value = list(state["sets"]), state["value"]
