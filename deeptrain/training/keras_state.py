"""What a learner of a Keras model goes on from, on any backend: every variable by name, and the learning rate."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from deeptrain.training.keras_rate import OVERRIDE, LearningRate
from deeptrain.training.keras_variables import check_fit, check_names, predicting


class KerasState(ABC):
    """Variables that are restored and a rate that is set, for learners that say how variables are set there."""

    _named: dict[str, Any]
    """Every variable by name."""
    _learnable: list[Any]
    """Those that the optimizer was built for."""
    _rate: LearningRate

    @abstractmethod
    def _set(self, values: Mapping[str, np.ndarray]) -> None:
        """Set variables by name."""

    @abstractmethod
    def _renew(self) -> None:
        """Forget what was compiled, and name the variables again."""

    def restore(self, variables: Mapping[str, np.ndarray]) -> None:
        """Set every variable: see `Learner.restore`. A learning rate that was set where there is a schedule is one."""
        overridden = variables.get(OVERRIDE)
        if overridden is None or overridden.shape == ():
            check_names(self._named, variables, {OVERRIDE})
            self.set_learning_rate(None if overridden is None else float(overridden))
        check_names(self._named, variables)
        check_fit(self._named, variables)
        self._set({name: variables[name] for name in self._named})

    def restore_weights(self, variables: Mapping[str, np.ndarray]) -> None:
        """Set the model's variables only: see `keras_variables.predicting`.

        Raises:
            TrainingError: when the model's variables are not all there in the same shapes.
        """
        self._set(predicting(self._named, self._learnable, variables))

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next iteration, from a schedule if there is one."""
        return self._rate.value

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.set_learning_rate(value)

    @property
    def schedule_overridden(self) -> bool:
        """Whether a rate that was set holds in place of the schedule."""
        return self._rate.override is not None

    def set_learning_rate(self, value: float | None) -> None:
        """Set the learning rate; where there is a schedule it holds instead, until None goes back to it."""
        if self._rate.set(value):
            self._renew()
