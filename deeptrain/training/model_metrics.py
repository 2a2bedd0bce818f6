"""Metrics that a Keras model computes itself: those it was compiled with, or those of its own `compute_metrics`."""

from collections.abc import Mapping
from typing import Any

from deeptrain.errors import TrainingError, in_one_line
from deeptrain.metrics.metric import Kind
from deeptrain.training import keras_shapes
from deeptrain.training.keras_step import Given

Compiled = tuple[Any, Any]
"""The `metrics` and `weighted_metrics` of a model's `compile`."""


def compiled_of(model: Any) -> Compiled:
    """What a model was compiled with by its owner."""
    found = getattr(model, "_compile_metrics", None)  # Keras has no public door to these
    return (None, None) if found is None else (found._user_metrics, found._user_weighted_metrics)


def has_any(model: Any) -> bool:
    """Whether a model computes metrics itself: those it was compiled with, or by a `compute_metrics` of its own."""
    import keras

    return type(model).compute_metrics is not keras.Model.compute_metrics or any(compiled_of(model))


class ModelMetrics:
    """The states of a model's metrics, which a checkpoint holds, and what they tell.

    They begin anew with an epoch, and with a validation, and add up its batches as Keras does; what they told last is
    kept in variables of their own, so that an epoch that is resumed at its very end knows it. An iteration's own value
    is computed beside, of metrics that begin anew with it.

    Attributes:
        names: what they are called, as the model tells them.
        variables: their states, and what they told last.
    """

    def __init__(self, model: Any, kind: Kind | Mapping[str, Kind]) -> None:
        """Make the variables of a compiled model's metrics.

        Args:
            model: built and compiled.
            kind: of the labels.

        Raises:
            TrainingError: when Keras cannot make them, or one does not tell one number.
        """
        import keras
        from keras.src.backend import compute_output_spec

        self._model = model
        try:
            inputs = keras_shapes.inputs_of(model)
            shapes = keras_shapes.output_shapes(model, inputs)
            told = compute_output_spec(model.compute_metrics, inputs, *_labels_and_outputs(shapes, kind))
        except Exception as error:
            raise TrainingError(f"{model.name}: its metrics cannot be made: {in_one_line(error)}") from error
        several = [name for name, one in told.items() if tuple(one.shape) not in {(), (1,)}]
        if several:
            raise TrainingError(f"{model.name}: its metric {several[0]} must tell one number, got several")
        self.names = tuple(name for name in told if name != "loss")
        loss = model._loss_tracker
        own = {id(variable) for variable in ([] if loss is None else loss.variables)}
        states = [variable for variable in model.metrics_variables if id(variable) not in own]
        self._told = {name: keras.Variable(0.0, dtype="float32", trainable=False, name=name) for name in self.names}
        self.variables = [*states, *self._told.values()]
        self._unweighted = bool(compiled_of(model)[0])

    @classmethod
    def of(cls, model: Any, kind: Kind | Mapping[str, Kind]) -> "ModelMetrics | None":
        """The metrics of a compiled model, None where it has none that it computes itself."""
        return cls(model, kind) if has_any(model) else None

    def of_iteration(self, batch: Given, outputs: Any) -> dict[str, Any]:
        """What they tell of one batch alone, within a trace; they are left as they are."""
        import keras

        with keras.StatelessScope():
            for metric in self._model.metrics:
                metric.reset_state()
            return self._computed(batch, outputs)

    def add(self, batch: Given, outputs: Any) -> None:
        """Add a batch, within a trace."""
        for name, value in self._computed(batch, outputs).items():
            self._told[name].assign(value)

    def reset(self) -> None:
        """Begin anew."""
        for metric in self._model.metrics:
            metric.reset_state()
        for variable in self._told.values():
            variable.assign(0.0)

    def results(self) -> dict[str, float]:
        """What they told last, of all batches since they began anew."""
        return {name: float(variable.numpy()) for name, variable in self._told.items()}

    def check_weights(self, weights: Any) -> None:
        """Refuse what metrics without weights would count though it weighs nothing.

        Raises:
            TrainingError: for weights of 0, which padding of windows has, with metrics that are given no weights.
        """
        if self._unweighted and weights is not None and not weights.all():
            raise TrainingError(
                f"{self._model.name}: compile(metrics=...) would count samples of weight 0, which is what padding of "
                "windows has: give the metrics as compile(weighted_metrics=...)"
            )

    def _computed(self, batch: Given, outputs: Any) -> dict[str, Any]:
        import keras

        found = self._model.compute_metrics(batch.x, batch.y, outputs, sample_weight=batch.weights)
        return {name: keras.ops.reshape(keras.ops.cast(found[name], "float32"), ()) for name in self.names}


def _labels_and_outputs(shapes: Any, kind: Kind | Mapping[str, Kind]) -> tuple[Any, Any]:
    """Stand-ins for labels as the loss takes them, and for outputs."""
    if isinstance(shapes, Mapping):
        kinds = kind if isinstance(kind, Mapping) else dict.fromkeys(shapes, kind)
        pairs = {name: _labels_and_outputs(shape, kinds[name]) for name, shape in shapes.items()}
        return {name: pair[0] for name, pair in pairs.items()}, {name: pair[1] for name, pair in pairs.items()}
    outputs = keras_shapes.symbols(tuple(shapes), "float32")
    labels = keras_shapes.symbols(tuple(shapes)[:-1], "int32") if kind == "classes" else outputs
    return labels, outputs
