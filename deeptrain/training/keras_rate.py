"""The learning rate of an optimizer, settable between iterations also where a schedule gives it."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

log = logging.getLogger("deeptrain")

OVERRIDE = "learning_rate/override"
"""The variable that holds a rate set by hand where there is a schedule."""


class LearningRate:
    """Reads and sets an optimizer's rate.

    Without a schedule it is a variable of the optimizer. A schedule that is set aside is remembered, and the rate that
    holds instead is a variable of its own, so that a checkpoint holds it.
    """

    def __init__(self, optimizer: Any) -> None:
        """Take an optimizer as it was made."""
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        self._optimizer = inner
        given = inner._learning_rate
        self._schedule = given if callable(given) and not hasattr(given, "assign") else None
        self.override: Any = None

    @property
    def value(self) -> float:
        """Of the next iteration."""
        from keras import ops

        return float(ops.convert_to_tensor(self._optimizer.learning_rate))

    def set(self, value: float | None) -> bool:
        """Set the rate; None goes back to the schedule. Returns whether traces made before are of no use any more."""
        if self._schedule is None:
            if value is not None:
                self._optimizer.learning_rate = value
            return False
        if value is None:
            changed, self.override = self.override is not None, None
            self._optimizer.learning_rate = self._schedule
            return changed
        if self.override is not None:
            self.override.assign(value)
            return False
        import keras

        self.override = keras.Variable(value, dtype="float32", trainable=False, name="override")
        log.info("the learning rate is %g from now on, and %s no longer counts", value, type(self._schedule).__name__)
        # Keras asks a callable without arguments for the rate of each update.
        self._optimizer.learning_rate = lambda: self.override
        return True


@contextlib.contextmanager
def overridden(optimizer: Any, value: Any) -> Iterator[None]:
    """Let an optimizer's stateless updates take a rate set by hand, whose variable they do not know.

    Args:
        optimizer: with a schedule, where a rate was set.
        value: of the variable `OVERRIDE`; None where there is none.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    held = inner._learning_rate
    if value is not None:
        inner.learning_rate = lambda: value
    try:
        yield
    finally:
        if value is not None:
            inner.learning_rate = held
