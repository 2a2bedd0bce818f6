"""A Keras model as functions of its variables' values, which change none of them, on JAX and PyTorch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deeptrain.errors import TrainingError
from deeptrain.training import keras_forward, keras_parts
from deeptrain.training.keras_step import Given
from deeptrain.training.keras_variables import averages_of

State = dict[str, Any]
"""Values of variables by their names, as tensors; a variable that is not in it has the value it has."""


@dataclass(frozen=True, eq=False)
class Pure:
    """A model with its optimizer and its loss.

    Attributes:
        model: compiled with optimizer and loss.
        optimizer: built.
        loss: see `keras_forward.losses`.
        loss_weights: likewise.
        learnable: the variables that the optimizer was built for.
        seeds: the state of the generator of layers that have none of their own: a seed, and how often it was drawn.
        named: every variable by name.
    """

    model: Any
    optimizer: Any
    loss: Any
    loss_weights: Mapping[str, float]
    learnable: list[Any]
    seeds: Any
    named: Mapping[str, Any]

    @cached_property
    def trained(self) -> list[str]:
        """The names of `learnable`, in their order."""
        return [self._names[id(variable)] for variable in self.learnable]

    @cached_property
    def of_optimizer(self) -> list[str]:
        """The names of the optimizer's variables, in its order."""
        return [self._names[id(variable)] for variable in self.optimizer.variables]

    @cached_property
    def of_seeds(self) -> str:
        """The name of `seeds`."""
        return self._names[id(self.seeds)]

    @cached_property
    def recurrent(self) -> list[str]:
        """The names of the states of recurrent layers."""
        return [name for name in self.named if name.startswith("recurrent/")]

    def state(self) -> State:
        """The values of all variables."""
        return {name: variable.value for name, variable in self.named.items()}

    def fitted(self, state: State, one: Mapping[str, Any]) -> tuple[dict[str, Any], Any, State]:
        """The losses and outputs of an iteration before its update, and the values that it changes.

        Args:
            state: what it begins with, the weights that are trained among it.
            one: the parts of its batch; `begins` tells whether states of recurrent layers are zero before.
        """
        from keras import ops

        begun: State = {}
        if "begins" in one:
            values = {name: self.named[name].value for name in self.recurrent} | state
            begun = {
                name: ops.where(one["begins"], ops.zeros_like(values[name]), values[name]) for name in self.recurrent
            }
        batch = keras_parts.given(one)
        (losses, outputs), changed = self._within(state | begun, lambda: self._run(batch, training=True))
        return losses, outputs, begun | changed

    def scaled(self, state: State, loss: Any) -> Any:
        """A loss as gradients are taken of it: in half precision multiplied by the scale that a state holds."""
        return self._within(state, lambda: self.optimizer.scale_loss(loss))[0]

    def judged(self, state: State, given: Mapping[str, Any]) -> tuple[State, tuple[dict[str, Any], Any]]:
        """The states of recurrent layers after a forward pass, its losses where there are labels, and its outputs.

        The model judges with the optimizer's moving averages if it keeps some.
        """
        from keras import ops

        averages = [self._names[id(variable)] for variable in averages_of(self.optimizer)]
        if averages:
            # Before, they are zeros. What counts updates is no variable where gradients are accumulated.
            begun, _ = self._within(state, lambda: ops.not_equal(self.optimizer.iterations, 0))
            pairs = zip(self.trained, averages, strict=True)
            state = state | {name: ops.where(begun, state[average], state[name]) for name, average in pairs}
        batch = keras_parts.given(given)
        came, changed = self._within(state, lambda: self._run(batch, training=False))
        return {name: (state | changed)[name] for name in self.recurrent}, came

    @cached_property
    def _names(self) -> dict[int, str]:
        return {id(variable): name for name, variable in self.named.items()}

    def _run(self, batch: Given, *, training: bool) -> tuple[dict[str, Any], Any]:
        from keras import ops

        outputs = keras_forward.outputs(self.model, batch, ops.copy, training=training)
        if batch.y is None:
            return {}, outputs
        losses = keras_forward.losses(self.model, self.loss, self.loss_weights, batch, outputs, training=training)
        return losses, outputs

    def _within(self, state: State, run: Callable[[], Any]) -> tuple[Any, State]:
        """What a function returns where variables have the values of a state, and the values that it changes.

        Raises:
            TrainingError: when it writes a variable that no checkpoint holds.
        """
        import keras

        mapping = [(self.named[name], value) for name, value in state.items()]
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
            before = dict(scope.state_mapping)
            came = run()
        if scope.state_mapping.keys() - self._names.keys():
            raise TrainingError(
                f"{self.model.name}: training changes variables that no checkpoint holds: variables must belong to a "
                "layer of the model or to the optimizer, and random ones to a keras.random.SeedGenerator there"
            )
        changed = {key: value for key, value in scope.state_mapping.items() if value is not before.get(key)}
        return came, {self._names[key]: value for key, value in changed.items()}
