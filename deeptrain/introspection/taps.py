"""Taps on layers: what each gives is seen while a model is called."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from deeptrain.introspection.selection import Place

See = Callable[[str, Any], Any]
"""Takes the name of an output and its tensor, and gives the tensor to go on with."""


@contextlib.contextmanager
def tapped(places: Sequence[Place], see: See) -> Iterator[dict[str, int]]:
    """Within it `see` is told of every output of layers, in the order in which they are called.

    An output is named by its layer; what a layer gives when it is called again is "layer@2", of several tensors that it
    gives the second is "layer:1", or "layer:key" where they have names. What it yields counts the calls by layer.
    """
    calls: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        for place in places:
            stack.enter_context(replaced(place.layer, "call", _watching(place, see, calls)))
        yield calls


@contextlib.contextmanager
def replaced(layer: Any, method: str, change: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """Within it a method of a layer is another, made from the one before; the layer is as before afterwards."""
    held = vars(layer)  # past Keras' own setattr, which keeps track of what layers hold
    own = method in held
    before = getattr(layer, method)
    held[method] = change(before)
    try:
        yield
    finally:
        if own:
            held[method] = before
        else:
            del held[method]


def _watching(place: Place, see: See, calls: dict[str, int]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def change(call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*given: Any, **named: Any) -> Any:
            times = calls[place.name] = calls.get(place.name, 0) + 1
            name = place.name if times == 1 else f"{place.name}@{times}"
            return _seen(call(*given, **named), name, see)

        return watched

    return change


def _seen(output: Any, name: str, see: See) -> Any:
    import keras

    if not keras.tree.is_nested(output):
        return see(name, output) if hasattr(output, "shape") else output
    paths = [path for path, _ in keras.tree.flatten_with_path(output)]
    parts = [
        see(":".join([name, *map(str, path)]), part) if hasattr(part, "shape") else part
        for path, part in zip(paths, keras.tree.flatten(output), strict=True)
    ]
    return keras.tree.pack_sequence_as(output, parts)
