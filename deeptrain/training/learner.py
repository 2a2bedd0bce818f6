"""What the loop knows of a model: a small protocol, and nothing of the framework behind it."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from deeptrain.loading.arrays import Arrays


@dataclass(frozen=True)
class Fitted:
    """What came of iterations that were fit in one call.

    Attributes:
        losses: (iterations,) float32, each before its update.
        outputs: (iterations, batch, ...) of the same, by name where there are several; None where a step of the user's
            own does not tell them.
        metrics: by name, (iterations,) float32: what such a step told beside its loss, each of its iteration alone; of
            several outputs the loss of each, as "NAME.loss".
    """

    losses: np.ndarray
    outputs: Arrays | None
    metrics: Mapping[str, np.ndarray] = field(default_factory=dict)


class Learner(Protocol):
    """A model that learns, with all the state that a checkpoint must hold.

    Several inputs or outputs are mappings of arrays by name.
    """

    def fit(
        self,
        x: Arrays,
        y: Arrays,
        *,
        weights: np.ndarray | None = None,
        mask: Arrays | None = None,
        begins: np.ndarray | None = None,
    ) -> Fitted:
        """Fit batches one after the other in one call; the bytes are those of as many single calls.

        Args:
            x: (iterations, batch, *shape).
            y: (iterations, batch, ...), labels as the shards hold them.
            weights: (iterations, batch) or (iterations, batch, steps) float32, what each loss is multiplied with
                before the mean over the batch is taken.
            mask: (iterations, batch, steps) bool, False for steps that are padding and that the model must not see.
            begins: (iterations,) bool, whether the states of recurrent layers are reset before each; never if None.
        """
        ...

    def evaluate(
        self, x: Arrays, y: Arrays, *, weights: np.ndarray | None = None, mask: Arrays | None = None
    ) -> tuple[float | Mapping[str, float], Arrays]:
        """The loss of a batch, or its losses as `fit` names them, and the outputs for it.

        Changes nothing that training sees.
        """
        ...

    def predict(self, x: Arrays, *, mask: Arrays | None = None) -> Arrays:
        """The raw outputs for a batch; changes nothing."""
        ...

    def sequence(self) -> AbstractContextManager[None]:
        """Within it, `evaluate` and `predict` follow a series through its windows.

        The states of recurrent layers begin at zero, move from call to call, and are afterwards what they were.
        """
        ...

    def variables(self) -> dict[str, np.ndarray]:
        """Every variable by name, as snapshots: weights, optimizer, seed generators, recurrent states."""
        ...

    def restore(self, variables: Mapping[str, np.ndarray]) -> None:
        """Set every variable.

        Raises:
            TrainingError: when names, shapes or dtypes differ; nothing is set then.
        """
        ...

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next iteration."""
        ...

    @learning_rate.setter
    def learning_rate(self, value: float) -> None: ...


@runtime_checkable
class Measuring(Protocol):
    """What a learner has beside, when its model computes metrics itself; one that does not needs none of it.

    Their states are among `variables()`.
    """

    @property
    def metric_names(self) -> Sequence[str]:
        """What they are called; none where the model has none."""
        ...

    def metrics(self) -> Mapping[str, float]:
        """What they tell of all that was fit since they began anew."""
        ...

    def reset_metrics(self) -> None:
        """Let them begin anew, as they do with each epoch."""
        ...

    def measuring(self) -> AbstractContextManager[Callable[[], Mapping[str, float]]]:
        """Within it they begin anew and add up what is evaluated, which the function tells; then they are back."""
        ...


@runtime_checkable
class Naming(Protocol):
    """What a learner has beside whose changes by hand can be written down; one that does not needs none of it."""

    def said(self, key: str, value: Any) -> Any:
        """A "loss", "optimizer" or "frozen", as `change` takes it, as JSON says it by name; None where nothing does."""
        ...

    def meant(self, key: str, found: Any) -> Any:
        """What was said, as `change` takes it."""
        ...


@contextlib.contextmanager
def measured(learner: Learner) -> Iterator[Callable[[], Mapping[str, float]]]:
    """Within it a function tells the metrics that the model computes of what is evaluated; none of most learners."""
    if isinstance(learner, Measuring):
        with learner.measuring() as told:
            yield told
    else:
        yield dict
