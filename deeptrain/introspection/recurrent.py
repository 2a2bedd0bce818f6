"""Recurrent layers: their weights by gate, their hidden states and the gradients by these along time.

Of LSTM, GRU, SimpleRNN and RNN of their cells, within Bidirectional and TimeDistributed too.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from deeptrain.errors import IntrospectionError
from deeptrain.introspection.arrays import as_array
from deeptrain.introspection.backward import Backward, tensors
from deeptrain.introspection.forward import called
from deeptrain.introspection.held import weights
from deeptrain.introspection.selection import Place, Selection, chosen_layers, keras_model, places
from deeptrain.introspection.still import held_still
from deeptrain.introspection.taps import replaced

GATES: Mapping[str, tuple[str, ...]] = {
    "LSTMCell": ("input", "forget", "cell", "output"),
    "ConvLSTMCell": ("input", "forget", "cell", "output"),
    "GRUCell": ("update", "reset", "candidate"),
    "SimpleRNNCell": ("hidden",),
}
"""The gates of each kind of cell, in the order in which Keras joins them along the last axis of its weights."""

ByGate = dict[str, dict[str, dict[str, np.ndarray]]]
"""By layer, by weight ("kernel", "recurrent_kernel", "bias"), by gate."""


def gates(model: Any, arrays: Mapping[str, Any] | None = None, select: Selection = "*") -> ByGate:
    """Weights of recurrent layers, or their gradients, by gate.

    Args:
        model: a built `keras.Model`, or a learner of one.
        arrays: what is taken apart, by the weights' names, as `weights` or `gradients` give it; by default the weights.
        select: layers; see `selection.Selection`. What is within one is chosen with it.

    Returns:
        By the layer's name ("bidirectional/forward_lstm"; of stacked cells each cell's), by weight ("kernel" (inputs,
        units), "recurrent_kernel" (units, units), "bias" (units,)), by gate in Keras' order: see `GATES`. The two
        biases of a GRU with `reset_after` are "input_bias" and "recurrent_bias".

    Raises:
        IntrospectionError: when none of the layers is recurrent, or as `weights` does.
    """
    model = keras_model(model)
    held = weights(model) if arrays is None else arrays
    found: ByGate = {}
    for name, cell in _cells(model, select):
        kind = next(one.__name__ for one in type(cell.layer).__mro__ if one.__name__ in GATES)
        taken: dict[str, dict[str, np.ndarray]] = {}
        for variable in cell.layer.weights:
            array = held.get(f"{cell.name}/{variable.name}")
            if array is None:
                continue
            if variable.name == "bias" and array.ndim == 2:  # a GRU that resets after its matrix product
                taken["input_bias"] = _by_gate(array[0], GATES[kind])
                taken["recurrent_bias"] = _by_gate(array[1], GATES[kind])
            else:
                taken[variable.name] = _by_gate(array, GATES[kind])
        if taken:
            found[name] = taken
    return found


def states(model: Any, x: Any, select: Selection = "*", *, training: bool = False) -> dict[str, np.ndarray]:
    """Hidden states of recurrent layers along time, whether or not the layer hands them all on.

    Args:
        model: a built `keras.Model` of any kind, or a learner of one.
        x: (batch, time, ...), or several of them as the model takes them.
        select: layers; what is within one, such as within Bidirectional, is chosen with it.
        training: whether layers act as in training.

    Returns:
        By the layer's name, (batch, time, units): the state after each step of its input, in the input's order of time,
        also where the layer goes backwards. Of stacked cells that of the last cell. They begin at zero. A second call
        of a layer is "layer@2"; within TimeDistributed they are (batch, steps, time, units).

    Raises:
        IntrospectionError: when none of the layers is recurrent, or as `outputs` does.
    """
    import keras

    model = keras_model(model)
    chosen = _recurrent(model, select)
    found = _Calls()

    def watching(place: Place) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def change(loop: Callable[..., Any]) -> Callable[..., Any]:
            def watched(*given: Any, **named: Any) -> Any:
                with _held(place.layer, "return_sequences", True):
                    last, sequence, after = loop(*given, **named)
                found.add(place, _in_time(sequence, place.layer))
                return last, sequence, after

            return watched

        return change

    with held_still(model), contextlib.ExitStack() as stack:
        for place, above in chosen:
            stack.enter_context(found.told_of(place, above))
            stack.enter_context(_by_step(place.layer))
            stack.enter_context(replaced(place.layer, "inner_loop", watching(place)))
        called(model, keras.tree.map_structure(keras.ops.convert_to_tensor, x), training)
    return found.arrays(found.tensors, chosen)


def state_gradients(
    model: Any,
    x: Any,
    y: Any,
    select: Selection = "*",
    *,
    training: bool = False,
    weights: Any = None,
    class_weights: Mapping[int, float] | None = None,
    penalties: bool = True,
    loss: Any = None,
) -> dict[str, np.ndarray]:
    """Gradients of the loss by hidden states along time: how far back a recurrent layer learns from.

    They are total: by a state as the steps after it see it and as it is handed on, which is what vanishes or explodes
    along time (Pascanu, Mikolov, Bengio, 2013).

    Args:
        model: as for `gradients`.
        x: as for `states`.
        y: labels.
        select: layers; what is within one is chosen with it.
        training: whether layers act as in training.
        weights: of samples; see `gradients`.
        class_weights: by class number.
        penalties: whether what layers add to the loss counts.
        loss: instead of the model's own.

    Returns:
        As `states` has them.

    Raises:
        IntrospectionError: when none of the layers is recurrent, or as `gradients` does.
    """
    model, given = keras_model(model), model
    chosen = _recurrent(model, select)
    backward = Backward.of(given, (), by="outputs", penalties=penalties, loss=loss, training=training)
    apart = _Calls()

    @contextlib.contextmanager
    def watched(watch: Callable[[Any], None]) -> Iterator[dict[str, Any]]:
        with contextlib.ExitStack() as stack:
            for place, above in chosen:
                stack.enter_context(apart.told_of(place, above))
                stack.enter_context(_by_step(place.layer))
                stack.enter_context(replaced(place.layer, "inner_loop", _nudged(place, apart, watch)))
            yield apart.tensors

    with held_still(model):
        _, found = backward.by(watched, *tensors(x, y, weights, class_weights))
    return apart.arrays(found, chosen)


class _Calls:
    """A tensor of each time that recurrent layers go over a sequence.

    Attributes:
        tensors: by the number of the time, as text, in the order in which they came.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.tensors: dict[str, Any] = {}
        self._of: dict[str, list[list[str]]] = {}  # by layer, by call, the times; several within TimeDistributed

    @contextlib.contextmanager
    def told_of(self, place: Place, above: Place | None) -> Iterator[None]:
        """Each call within begins a list, of the layer or of the TimeDistributed above, which calls it by steps."""
        calls = self._of.setdefault(place.name, [])

        def change(call: Callable[..., Any]) -> Callable[..., Any]:
            def beginning(*given: Any, **named: Any) -> Any:
                calls.append([])
                return call(*given, **named)

            return beginning

        with replaced((above or place).layer, "call", change):
            yield

    def add(self, place: Place, tensor: Any) -> None:
        """Take the tensor of a time."""
        name = str(len(self.tensors))
        self.tensors[name] = tensor
        self._of[place.name][-1].append(name)

    def arrays(self, found: Mapping[str, Any], chosen: list[tuple[Place, Place | None]]) -> dict[str, np.ndarray]:
        """What was found by the times, by the layers' names."""
        told = {}
        for place, above in chosen:
            for number, times in enumerate(self._of[place.name], 1):
                values = [as_array(found[name]) for name in times]
                if values:
                    name = place.name if number == 1 else f"{place.name}@{number}"
                    told[name] = values[0] if above is None else np.stack(values, axis=1)
        return told


def _nudged(
    place: Place, apart: _Calls, watch: Callable[[Any], None]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A zero is added to the state after each step: the gradient by it is the one by the state.

    The zeros are fed with the inputs, so they are in the input's order of time.
    """
    from keras import ops

    cell = place.layer.cell

    def change(loop: Callable[..., Any]) -> Callable[..., Any]:
        def nudged(sequences: Any, *given: Any, **named: Any) -> Any:
            if len(sequences.shape) != 3:
                raise IntrospectionError(
                    f"{place.name}: gradients along time are of layers over (batch, time, features), got "
                    f"{len(sequences.shape)} axes"
                )
            units = _units(cell)
            zeros = ops.zeros((*ops.shape(sequences)[:2], units), sequences.dtype)
            watch(zeros)
            apart.add(place, zeros)

            def step(call: Callable[..., Any]) -> Callable[..., Any]:
                def with_nudge(inputs: Any, states: Any, **more: Any) -> Any:
                    output, after = call(inputs[..., :-units], states, **more)
                    nudge = inputs[..., -units:]
                    return output + nudge, _added(after, nudge)

                return with_nudge

            joined = ops.concatenate([sequences, zeros], axis=-1)
            with replaced(cell, "call", step):
                return loop(joined, *given, **named)

        return nudged

    return change


def _added(states: Any, nudge: Any) -> Any:
    """The states after a step with something added to the hidden one: the first, of stacked cells that of the last."""
    if not isinstance(states, list | tuple):
        return states + nudge
    if isinstance(states[-1], list | tuple):
        return [*states[:-1], _added(states[-1], nudge)]
    return [states[0] + nudge, *states[1:]]


def _units(cell: Any) -> int:
    size = getattr(cell, "output_size", None)
    size = cell.state_size if size is None else size
    return int(size if isinstance(size, int) else size[0])


def _in_time(sequence: Any, layer: Any) -> Any:
    from keras import ops

    return ops.flip(sequence, axis=1) if layer.go_backwards else sequence


def _recurrent(model: Any, select: Selection) -> list[tuple[Place, Place | None]]:
    """The chosen layers that are recurrent, each with the TimeDistributed that calls it once a step, if one does."""
    import keras

    all_places = {place.name: place for place in places(model)}
    found = []
    for place in _within(model, select):
        if isinstance(place.layer, keras.layers.RNN):
            above = _by_steps(place, all_places)
            if above is None or isinstance(above.layer, keras.layers.TimeDistributed):
                found.append((place, above))
    if not found:
        raise IntrospectionError(
            f"no layer of {model.name} that is chosen is recurrent: LSTM, GRU, SimpleRNN or RNN, within Bidirectional "
            "and TimeDistributed too"
        )
    return found


def _by_steps(place: Place, all_places: Mapping[str, Place]) -> Place | None:
    """The nearest layer above that calls what is within it once a step."""
    import keras

    name = place.name
    while "/" in name:
        name = name.rpartition("/")[0]
        if isinstance(all_places[name].layer, keras.layers.RNN | keras.layers.TimeDistributed):
            return all_places[name]
    return None


def _cells(model: Any, select: Selection) -> list[tuple[str, Place]]:
    """Cells with gates, by the name of the recurrent layer, or of stacked cells by their own."""
    import keras

    all_places = {place.name: place for place in places(model)}
    found = []
    for place in _within(model, select):
        if any(one.__name__ in GATES for one in type(place.layer).__mro__):
            above = all_places.get(place.name.rpartition("/")[0])
            alone = above is not None and isinstance(above.layer, keras.layers.RNN)
            found.append((above.name if above is not None and alone else place.name, place))
    if not found:
        kinds = ", ".join(kind.removesuffix("Cell") for kind in GATES)
        raise IntrospectionError(f"no layer of {model.name} that is chosen has gates; these have: {kinds}")
    return found


def _within(model: Any, select: Selection) -> list[Place]:
    """The chosen layers and all within them."""
    names = [place.name for place in chosen_layers(model, select)]
    return [
        place
        for place in places(model)
        if any(place.name == name or place.name.startswith(f"{name}/") for name in names)
    ]


def _by_gate(array: np.ndarray, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    return dict(zip(names, np.split(np.asarray(array), len(names), axis=-1), strict=True))


def _by_step(layer: Any) -> contextlib.AbstractContextManager[None]:
    """Within it the layer calls its cell at each step; a fused kernel would not, nor Bidirectional its layers."""
    return _held(layer, "use_cudnn", False)


@contextlib.contextmanager
def _held(layer: Any, attribute: str, value: Any) -> Iterator[None]:
    """Within it an attribute of a layer is another, if it has it."""
    attributes = vars(layer)
    if attribute not in attributes:
        yield
        return
    before, attributes[attribute] = attributes[attribute], value
    try:
        yield
    finally:
        attributes[attribute] = before
