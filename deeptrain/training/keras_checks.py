"""What is wrong with a batch or a model, said before it does harm."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from deeptrain.errors import BatchError, TrainingError
from deeptrain.loading.arrays import Arrays

_FROM_ZERO_TO_ONE = frozenset(
    {
        "BinaryCrossentropy",
        "BinaryFocalCrossentropy",
        "CategoricalCrossentropy",
        "CategoricalFocalCrossentropy",
        "Dice",
        "KLDivergence",
        "Tversky",
    }
)
_NOT_NEGATIVE = frozenset({"MeanSquaredLogarithmicError", "Poisson"})


def check_model(model: Any, optimizer: Any) -> None:
    """Check that a model can be fit.

    Raises:
        TrainingError: when it has no variables yet, or no optimizer.
    """
    if not getattr(model, "built", False) or not model.variables:
        raise TrainingError(
            f"the model {getattr(model, 'name', model)!s:.80} is not built, so it has no weights yet: give it a "
            "keras.Input, or call its build(shape) first"
        )
    if optimizer is None:
        raise TrainingError(f"the model {model.name} is not compiled: call its compile(optimizer, loss) first")


def check_optimizer(optimizer: Any) -> None:
    """Check that what is to be another optimizer is one, or the name of one; None is none.

    Raises:
        TrainingError: for anything else.
    """
    import keras

    if not isinstance(optimizer, keras.optimizers.Optimizer | str | None):
        raise TrainingError(f"expected an optimizer of keras.optimizers, got {optimizer!r:.80}")


def check_inputs(model: Any, x: Arrays, leading: int) -> None:
    """Check that inputs have the shapes that the model takes, as far as it tells them.

    Args:
        model: a built `keras.Model`.
        x: inputs.
        leading: axes before the batch's.

    Raises:
        BatchError: naming input, rule and value.
    """
    if isinstance(x, Mapping):
        given = getattr(model, "input", None)  # of a functional model: in the structure it was made with
        shapes = {name: one.shape for name, one in given.items()} if isinstance(given, Mapping) else {}
        if shapes and shapes.keys() != x.keys():
            raise BatchError(f"{model.name} takes the inputs {', '.join(shapes)}, the batch has {', '.join(x)}")
        pairs = [(name, part, shapes.get(name)) for name, part in x.items()]
    else:
        expected = getattr(model, "input_shape", None)
        pairs = [("x", x, expected if isinstance(expected, tuple) else None)]
    for name, part, shape in pairs:
        got = part.shape[leading:]
        if shape is not None and (
            len(shape) != len(got) or any(a is not None and a != b for a, b in zip(shape, got, strict=True))
        ):
            raise BatchError(f"{model.name} takes {name} of shape {list(shape)}, got a batch of shape {list(got)}")


def check_rows(parts: Mapping[str, Any]) -> None:
    """Check that all parts of a group have as many samples.

    Raises:
        BatchError: naming them.
    """
    rows = {name: part.shape[1] for name, part in arrays(parts)}
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise BatchError(f"all parts of a batch must have as many samples, got {told}")


def check_labels(loss: Any, labels: np.ndarray, outputs: tuple[int | None, ...], weights: np.ndarray | None) -> None:
    """Check that labels are in the range that their loss is defined for.

    Args:
        loss: a `keras.losses.Loss`, or a function, of which nothing is known.
        labels: (iterations, batch, ...).
        outputs: shape of the model's outputs, (batch, ..., classes).
        weights: (iterations, batch) or (iterations, batch, steps); labels that weigh nothing may be anything.

    Raises:
        BatchError: naming the first label that is not.
    """
    name = type(loss).__name__
    high: float
    if name == "SparseCategoricalCrossentropy" and outputs[-1] is not None:
        low, high, rule = 0, outputs[-1] - 1, f"class numbers from 0 to {outputs[-1] - 1}, one for each output"
    elif name in _FROM_ZERO_TO_ONE:
        low, high, rule = 0, 1, "between 0 and 1"
    elif name in _NOT_NEGATIVE:
        low, high, rule = 0, np.inf, "at least 0"
    else:
        return
    if not labels.size or (labels.min() >= low and labels.max() <= high):
        return
    wrong = ~((labels >= low) & (labels <= high))
    if getattr(loss, "ignore_class", None) is not None:
        wrong &= labels != loss.ignore_class
    if weights is not None:
        wrong &= (weights != 0).reshape(weights.shape + (1,) * (wrong.ndim - weights.ndim))
    places = np.argwhere(wrong)
    if len(places):
        at = tuple(places[0])
        raise BatchError(
            f"labels must be {rule}, for the loss {name}: got {labels[at]} for sample {at[1]} of the batch "
            "(counted from 0)",
            int(at[0]),
        )


def check_finite(parts: Mapping[str, Any]) -> None:
    """Check that a group holds no NaN and no infinity.

    Raises:
        BatchError: naming the first, and which iteration of the group it is in.
    """
    for name, part in arrays(parts):
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            at = tuple(np.argwhere(~np.isfinite(part))[0])
            place = f", place {list(map(int, at[2:]))} in it" if at[2:] else ""
            raise BatchError(
                f"the batch holds {part[at]} in {name}, sample {at[1]} (counted from 0){place}: all must be finite; "
                "no weight can be learned from it",
                int(at[0]),
            )


def arrays(parts: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Every array of a batch by a name to tell; what is one number an iteration is none."""
    for name, part in parts.items():
        if name == "begins":
            continue
        if isinstance(part, Mapping):
            yield from ((f"{name} {inner}", array) for inner, array in part.items())
        else:
            yield name, part


def losses_by_output(loss: Any, outputs: Arrays) -> Iterator[tuple[Any, str | None]]:
    """Each loss with the name of its output, None where there is one output."""
    if isinstance(outputs, Mapping):
        yield from ((loss.get(name) if isinstance(loss, Mapping) else loss, name) for name in outputs)
    else:
        yield loss, None
