"""What a compiled function does beside its result: draws, and variables that it writes."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deeptrain.errors import TrainingError

_HIDDEN_RANDOMNESS = (
    "Multinomial",
    "ParameterizedTruncatedNormal",
    "RandomGamma",
    "RandomPoisson",
    "RandomShuffle",
    "RandomStandardNormal",
    "RandomUniform",
    "TruncatedNormal",
    "UniformCandidateSampler",
    "LogUniformCandidateSampler",
    "PyFunc",
    "EagerPyFunc",
)
_READING = ("ResourceGather", "ResourceGatherNd")


def check_resumable(compiled: Any, named: Mapping[str, Any], fresh: Iterable[Any] = ()) -> None:
    """Check that a checkpoint can hold everything a training step depends on.

    Args:
        compiled: a concrete function.
        named: every variable that checkpoints hold.
        fresh: variables that begin anew in every iteration.

    Raises:
        TrainingError: for operations that keep a generator inside their kernel or call Python, and for variables that
            no checkpoint knows: a training with them could not be resumed exactly.
    """
    hidden = sorted({node.op for node in _nodes(compiled) if node.op.startswith(_HIDDEN_RANDOMNESS)})
    if hidden:
        raise TrainingError(
            f"the model draws random numbers or runs Python that no checkpoint can hold ({', '.join(hidden)}): "
            "use keras.random with a keras.random.SeedGenerator, and operations of keras.ops"
        )
    known = {id(variable.value) for variable in [*named.values(), *fresh]}
    unknown = sorted(variable.name for variable in compiled.variables if id(variable) not in known)
    if unknown:
        raise TrainingError(
            f"training depends on variables that no checkpoint holds ({', '.join(unknown[:3])}): variables must "
            "belong to a layer of the model or to the optimizer, and random ones to a keras.random.SeedGenerator there"
        )


def writes_variables(compiled: Any) -> bool:
    """Whether calling a concrete function may change a variable."""
    return any(node.op.startswith(("Assign", "Resource")) and node.op not in _READING for node in _nodes(compiled))


def _nodes(compiled: Any) -> Iterator[Any]:
    definition = compiled.graph.as_graph_def()
    yield from definition.node
    for function in definition.library.function:
        yield from function.node_def
