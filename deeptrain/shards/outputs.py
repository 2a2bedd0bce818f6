"""One output or several by name: what labels are of."""

from collections.abc import Callable, Mapping
from typing import Any

from deeptrain.shards.settings import ONLY


def each(change: Callable[..., Any], *given: Any) -> Any:
    """What a change makes of an only output's part; where outputs have names, of each one's, by name."""
    if isinstance(given[0], Mapping):
        return {name: change(*(part[name] for part in given)) for name in given[0]}
    return change(*given)


def parts(given: Any) -> dict[str, Any]:
    """The parts of all outputs by name, of an only one under `ONLY`; none of None."""
    if given is None:
        return {}
    return dict(given) if isinstance(given, Mapping) else {ONLY: given}


def whole(found: Mapping[str, Any]) -> Any:
    """The opposite of `parts`."""
    return found.get(ONLY) if ONLY in found or not found else dict(found)


def array_name(output: str) -> str:
    """What the array of an output's labels is called: "labels", or "labels-NAME", which no array of an input can be."""
    return f"labels-{output}" if output else "labels"
