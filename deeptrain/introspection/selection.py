"""Layers and weights of a Keras model by name, pattern or index.

A layer is called by the names of those it is within and its own, "encoder/dense"; a weight by its layer and its own
name, "encoder/dense/kernel", whatever kind of model it is in. Where two of one name stand side by side the second is
"dense#2".
"""

import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deeptrain.errors import IntrospectionError, did_you_mean

Selection = str | int | Sequence[str | int]
"""What is chosen: a name, in full or its last part where that is the only one; a pattern as of files, "conv*"; the
index of a layer as `model.layers` counts; or several of these. "*" is everything."""

_WILD = frozenset("*?[")


@dataclass(frozen=True, eq=False)
class Place:
    """A layer where it stands.

    Attributes:
        name: in full.
        layer: a `keras.Layer`.
        stepwise: whether it is called once a step, by a recurrent layer or TimeDistributed: it has no output of its
            own in a pass.
        stands: the layer of the model itself that it is, or is within.
    """

    name: str
    layer: Any
    stepwise: bool
    stands: Any


def keras_model(given: Any) -> Any:
    """The Keras model of a learner, or the model itself.

    Raises:
        IntrospectionError: for what has none, and for a model that is not built.
    """
    import keras

    model = getattr(given, "model", None) if not isinstance(given, keras.Model) else given
    if not isinstance(model, keras.Model):
        cure = "; give its learner" if hasattr(given, "learner") else ""
        raise IntrospectionError(f"layers are those of a Keras model or its learner, got {type(given).__name__}{cure}")
    if not model.built:
        raise IntrospectionError(
            f"the model {model.name} is not built, so it has no weights yet: give it a keras.Input, or call it once"
        )
    return model


def places(model: Any) -> tuple[Place, ...]:
    """All layers within a model, each once, in its order; what is within a layer follows it."""
    return tuple(_places(model, "", False, None, {id(model)}))


def weight_names(model: Any) -> dict[str, Any]:
    """Every `keras.Variable` that is a weight, by its name, in the order of `model.weights`."""
    owner: dict[int, str] = {}
    for place in reversed(places(model)):  # what is deepest comes first
        for variable in place.layer.weights:
            owner.setdefault(id(variable), place.name)
    named: dict[str, Any] = {}
    for variable in model.weights:
        within = owner.get(id(variable))
        named[_free(variable.name if within is None else f"{within}/{variable.name}", named)] = variable
    return named


def chosen_layers(model: Any, selection: Selection) -> list[Place]:
    """The layers that a selection names, in the model's order.

    Raises:
        IntrospectionError: when a name or pattern matches none, telling the nearest; when a name matches several.
    """
    all_places = places(model)
    known = {place.name: _aliases(place) for place in all_places}
    found: set[str] = set()
    for one in _each(selection):
        if isinstance(one, int):
            layer = _at(model, one)
            found |= {place.name for place in all_places if place.layer is layer}
        else:
            found |= set(matching(one, known, "layer", model.name))
    return [place for place in all_places if place.name in found]


def chosen_weights(model: Any, selection: Selection, *, trained: bool = False) -> dict[str, Any]:
    """The weights that a selection names, or that are within the layers it names, in the model's order.

    Args:
        model: a built `keras.Model`.
        selection: see `Selection`.
        trained: only those that are trained.

    Raises:
        IntrospectionError: when a name or pattern matches none, telling the nearest; when a name matches several; when
            what is chosen has no weights.
    """
    named = weight_names(model)
    all_places = places(model)
    known = {place.name: _aliases(place) for place in all_places}
    within = {
        place.name: {name for name, variable in named.items() if any(variable is held for held in place.layer.weights)}
        for place in all_places
    }
    known |= {name: {name, variable.path} for name, variable in named.items()}
    kept = {id(variable) for variable in (model.trainable_variables if trained else model.weights)}
    found: set[str] = set()
    for one in _each(selection):
        if isinstance(one, int):
            layer = _at(model, one)
            names = [place.name for place in all_places if place.layer is layer]
        else:
            names = matching(one, known, "layer or weight", model.name)
        weights = {inner for name in names for inner in within.get(name, {name})}
        if not any(id(named[name]) in kept for name in weights) and one != "*":
            what = "weights that are trained" if trained and weights else "weights"
            raise IntrospectionError(f"{', '.join(names[:3]) or one} of {model.name} has no {what}")
        found |= weights
    return {name: variable for name, variable in named.items() if name in found and id(variable) in kept}


def matching(wanted: str, known: Mapping[str, Iterable[str]], what: str, within: str) -> list[str]:
    """The names that a name or pattern means.

    Args:
        wanted: the name or pattern.
        known: by name, all that it goes by.
        what: they are, for messages.
        within: which they are, for messages.

    Raises:
        IntrospectionError: when it matches none, telling the nearest; when a name matches several.
    """
    if wanted in known:
        return [wanted]
    if wanted == "*":
        return list(known)
    wild = bool(_WILD & set(wanted))
    found = [
        name
        for name, aliases in known.items()
        if any(fnmatch.fnmatchcase(alias, wanted) if wild else alias == wanted for alias in aliases)
    ]
    if not found:
        aliases = dict.fromkeys([*known, *sorted({alias for several in known.values() for alias in several})])
        raise IntrospectionError(f"no {what} of {within} is called {wanted}; {did_you_mean(wanted, aliases)}")
    if len(found) > 1 and not wild:
        raise IntrospectionError(
            f"several of {within} are called {wanted}: {', '.join(found[:8])}; name one of them in full, or take them "
            f"all by the pattern *{wanted}"
        )
    return found


def _each(selection: Selection) -> list[str | int]:
    several = [selection] if isinstance(selection, str | int) else list(selection)
    for one in several:
        if isinstance(one, bool) or not isinstance(one, str | int):
            raise IntrospectionError(f"layers are chosen by name, pattern or index, got {one!r:.80}")
    return several


def _at(model: Any, index: int) -> Any:
    layers = model.layers
    if not -len(layers) <= index < len(layers):
        raise IntrospectionError(f"{model.name} has the layers 0 to {len(layers) - 1}, got {index}")
    return layers[index]


def _aliases(place: Place) -> set[str]:
    return {place.name, place.name.rpartition("/")[2], *([place.layer.path] if place.layer.path else [])}


def _places(layer: Any, prefix: str, stepwise: bool, stands: Any, seen: set[int]) -> Iterator[Place]:
    import keras

    names: set[str] = set()
    for inner in layer._flatten_layers(include_self=False, recursive=False):
        if id(inner) in seen or isinstance(inner, keras.layers.InputLayer):
            continue
        seen.add(id(inner))
        name = _free(prefix + inner.name, names)
        names.add(name)
        above = inner if stands is None else stands
        yield Place(name, inner, stepwise, above)
        steps = stepwise or isinstance(inner, keras.layers.RNN | keras.layers.TimeDistributed)
        yield from _places(inner, f"{name}/", steps, above, seen)


def _free(name: str, taken: Iterable[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}#{number}"
    return found
