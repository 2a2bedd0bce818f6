"""From settings to a learner: the builder's model, the optimizer and the loss, checked against the data."""

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deeptrain import user_code
from deeptrain.errors import UserCodeError, in_one_line
from deeptrain.settings import Use
from deeptrain.shards.info import DataInfo
from deeptrain.shards.outputs import each, parts
from deeptrain.shards.settings import ONLY, Kind
from deeptrain.training import keras_names, keras_shapes
from deeptrain.training.backend_learner import BackendLearner
from deeptrain.training.keras_globals import fresh_names_and_seeds
from deeptrain.training.keras_learner import KerasLearner
from deeptrain.training.outputs import OutputKind
from deeptrain.training.settings import ModelSettings, PhaseSettings, TrainingSettings

AnyKerasLearner = KerasLearner | BackendLearner

LOSSES = {"binary": "BinaryCrossentropy", "classes": "SparseCategoricalCrossentropy", "values": "MeanSquaredError"}


def learner(
    model: ModelSettings, training: TrainingSettings, data: DataInfo, seed: int, beside: Path | None
) -> AnyKerasLearner:
    """The learner an experiment describes, with the weights its seed gives; its backend must be started.

    Args:
        model: who builds it.
        training: its optimizer, its loss and the backend.
        data: what the builder receives.
        seed: of its initial weights and of its random layers.
        beside: where user code is found first.

    Raises:
        UserCodeError: when a builder, loss, optimizer or schedule is not found, raises, returns the wrong thing, or
            the model's output does not fit the labels.
    """
    with fresh_names_and_seeds(seed, training.precision):

        def of_output(kind: Kind, output: str) -> Any:
            named = training.losses.get(output, training.losses.get(ONLY))
            return loss(named, model.outputs, kind, beside)

        made = _model(model, data, beside)
        trained = optimizer(training.optimizer, training.schedule, beside)
        losses = each(of_output, data.kind, {name: name for name in data.named} or ONLY)
        weights, precision = training.loss_weights, training.precision
        if training.backend != "tensorflow":
            return BackendLearner(made, trained, losses, data.kind, loss_weights=weights, precision=precision)
        return KerasLearner(
            made,
            trained,
            losses,
            data.kind,
            loss_weights=weights,
            jit=training.jit,
            precision=precision,
            fit=_function(training.fit, beside),
            evaluate=_function(training.evaluate, beside),
        )


def change(phase: PhaseSettings, model: ModelSettings, data: DataInfo, beside: Path | None) -> dict[str, Any]:
    """What a phase changes of a learner, by the names of `Phase`.

    Raises:
        UserCodeError: as `learner`.
    """
    found: dict[str, Any] = {"epoch": phase.epoch, "learning_rate": phase.learning_rate, "frozen": phase.frozen}
    if phase.optimizer is not None:
        found["optimizer"] = functools.partial(optimizer, phase.optimizer, phase.schedule, beside)
    if phase.loss is not None:
        found["loss"] = each(lambda kind: loss(phase.loss, model.outputs, kind, beside), data.kind)
    return found


def _model(settings: ModelSettings, data: DataInfo, beside: Path | None) -> Any:
    import keras

    use = settings.use
    built = user_code.call(use, user_code.find(use.use, beside), data)
    if not isinstance(built, keras.Model):
        raise UserCodeError(f"{use.use}: must return a keras.Model, got {type(built).__name__}")
    shapes: Any = {one.name: (None, *one.shape) for one in data.inputs}
    dtypes: Any = {one.name: one.dtype for one in data.inputs}
    told: Any = {one.name: list(one.shape) for one in data.inputs}
    if len(data.inputs) == 1:
        shapes, dtypes, told = (None, *data.shape), data.inputs[0].dtype, list(data.shape)
    inputs = keras_shapes.symbols(shapes, dtypes)
    if not built.built or not built.variables:
        try:
            keras_shapes.build(built, inputs)
        except Exception as error:
            raise UserCodeError(
                f"{use.use}: its model cannot be built for samples of {told}: {in_one_line(error)}"
            ) from error
    try:
        shape = keras_shapes.output_shapes(built, inputs)
    except Exception as error:
        first = str(error).strip().splitlines()[0]
        raise UserCodeError(f"{use.use}: its model does not take samples of shape {told}: {first}") from error
    _check_output(use.use, shape, data)
    return built


def _check_output(name: str, shape: Any, data: DataInfo) -> None:
    if not data.named:
        _check_shape(name, "output", shape, data, data.kind, data.classes)
        return
    names = ", ".join(data.named)
    if not isinstance(shape, Mapping):
        raise UserCodeError(
            f"{name}: the labels are of the outputs {names}: the model must give them by name, "
            f"keras.Model(inputs, {{{', '.join(f'{one!r}: ...' for one in data.named)}}}), its output is {shape}"
        )
    if set(shape) != set(data.named):
        without = [f"no labels for {one}" for one in sorted(set(shape) - set(data.named))]
        without += [f"no output for the labels {one}" for one in data.named if one not in shape]
        raise UserCodeError(
            f"{name}: the model's outputs ({', '.join(sorted(shape))}) must be those of the labels ({names}): "
            f"{', '.join(without)}"
        )
    for output in data.named:
        kind, classes = parts(data.kind)[output], parts(data.classes)[output]
        _check_shape(name, f"output {output}", shape[output], data, kind, classes)


def _check_shape(name: str, which: str, shape: Any, data: DataInfo, kind: Any, classes: Any) -> None:
    given = (
        list(shape)[1:]
        if isinstance(shape, tuple | list) and all(not isinstance(s, tuple | list) for s in shape)
        else None
    )
    fitting: list[list[int | None]] = [[len(classes)]] if kind == "classes" else [[1], []]
    what = f"{len(classes)} classes" if kind == "classes" else f"{kind} labels"
    what += ", one a sample"
    if data.labels_are_input:
        fitting, what = [list(data.shape)], "labels that are the input"
    elif data.per_step:
        steps = dict.fromkeys(one.shape[0] for one in data.inputs)  # of which only sequences' are those of the window
        fitting = [[size, *one] for size in steps for one in fitting]
        what = what.replace("a sample", "a step")
    if given not in fitting:
        raise UserCodeError(
            f"{name}: the model's {which} does not fit the labels: {what} need an output of shape "
            f"{[None, *fitting[0]]}, got {shape}"
        )


def optimizer(named: str | Use, schedule: Use | None, beside: Path | None) -> Any:
    """The optimizer that settings name; to be made within `fresh_names_and_seeds`.

    Args:
        named: from `keras.optimizers`, in any spelling, or "module:name".
        schedule: of its learning rate, from `keras.optimizers.schedules` or "module:name".
        beside: where user code is found first.

    Raises:
        UserCodeError: when one of them is not found, raises, or is none.
    """
    import keras

    use = Use.of(named)
    arguments = dict(use.arguments)
    if schedule is not None:
        found = _named(schedule, keras.optimizers.schedules, "LearningRateSchedule", beside)
        arguments["learning_rate"] = user_code.call(schedule, found)
    made = user_code.call(Use(use=use.use, arguments=arguments), _named(use, keras.optimizers, "Optimizer", beside))
    if not isinstance(made, keras.optimizers.Optimizer):
        raise UserCodeError(f"{use.use}: must return a keras.optimizers.Optimizer, got {type(made).__name__}")
    return made


def loss(named: str | Use | None, outputs: OutputKind, kind: Kind, beside: Path | None) -> Any:
    """The loss that settings name, or the one that fits the labels.

    Args:
        named: from `keras.losses`, in any spelling or by its short name, or "module:name": a function of (y_true,
            y_pred), a `keras.losses.Loss`, or what makes one of them, which needs no argument or is given some.
        outputs: whether the model gives logits, which a loss is told if it asks.
        kind: of the labels.
        beside: where user code is found first.

    Raises:
        UserCodeError: when it is not found, raises, or is none.
    """
    use = Use.of(named if named is not None else LOSSES[kind])
    found = _callable(use.use, _loss(use.use, beside))
    arguments = dict(use.arguments)
    if outputs == "logits" and "from_logits" in inspect.signature(found).parameters:
        arguments.setdefault("from_logits", True)
    if ":" in use.use and not arguments and _takes_two(found):
        return found
    return _callable(use.use, user_code.call(Use(use=use.use, arguments=arguments), found))


def _callable(name: str, found: Any) -> Any:
    if not callable(found):
        raise UserCodeError(f"{name}: must be a loss, a function of (y_true, y_pred), or make one, got {found!r:.80}")
    return found


def _takes_two(found: Any) -> bool:
    """Whether it is itself called with (y_true, y_pred); what can be called with nothing makes something that is."""
    given = [one for one in inspect.signature(found).parameters.values() if one.default is one.empty]
    positional = [one for one in given if one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD}]
    return len(positional) > 1 or any(one.kind is one.VAR_POSITIONAL for one in given)


def _function(named: str | Use | None, beside: Path | None) -> Callable[..., Any] | None:
    if named is None:
        return None
    use = Use.of(named)
    found = user_code.find(use.use, beside)
    if not callable(found):
        raise UserCodeError(f"{use.use}: must be a function, got {found!r:.80}")
    return functools.partial(found, **use.arguments)


def _loss(name: str, beside: Path | None) -> Any:
    import keras

    if ":" in name:
        return user_code.find(name, beside)
    known = keras_names.loss(name)
    if known is None:
        raise UserCodeError(f"{name}: {keras_names.unknown_loss(name)}")
    return getattr(keras.losses, known)


def _named(use: Use, module: Any, base: str, beside: Path | None) -> Any:
    """A class of a Keras module by any spelling of its name ("adam", "AdamW"), or the user's own."""
    if ":" in use.use:
        return user_code.find(use.use, beside)
    kind = getattr(module, base)
    classes = {
        keras_names.bare(name): found
        for name, found in vars(module).items()
        if inspect.isclass(found) and issubclass(found, kind) and found is not kind
    }
    found = classes.get(keras_names.bare(use.use))
    if found is None:
        known = keras_names.similar(use.use, [one.__name__ for one in classes.values()])
        raise UserCodeError(
            f"{use.use}: no {base.lower()} of Keras has this name; {known} Your own is named module:name"
        )
    return found
