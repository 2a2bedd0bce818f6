"""The mean of the weights of several epochs, from their states on disk.

Weights averaged along a training lie in a flatter optimum (Izmailov et al., "Averaging Weights Leads to Wider Optima
and Better Generalization", 2018); the last few checkpoints are what Vaswani et al. (2017) average to predict with.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from deeptrain.errors import SettingsError, TrainingError
from deeptrain.training.journal import Journal
from deeptrain.training.run import TrainingRun

NO_WEIGHTS = ("optimizer/", "seeds/", "recurrent/", "learning_rate/", "metrics/")
"""Groups of variables that a model does not predict with, or that are states of one series: see `KerasLearner`."""


def average(
    run: TrainingRun, *, epochs: Sequence[int] | None = None, last: int | None = None, best: int | None = None
) -> dict[str, np.ndarray]:
    """The variables of a learner with the mean weights of several epochs; see `mean`.

    Args:
        run: the training, `lineage.read("my.toml", store="runs").training`; its epochs that are done count.
        epochs: which; what is no weight is taken from the last one named.
        last: so many, up to the last that is done.
        best: so many, the best by the key metric; what is no weight is taken from the best.

    Raises:
        SettingsError: when not exactly one is said, or no epoch.
        ArtifactError: when an epoch is not done, or its state is not on disk (which are, and what keeps more), or
            damaged.
        TrainingError: when the states are of different models.
    """
    given = {"epochs": epochs, "last": last, "best": best}
    if sum(value is not None for value in given.values()) != 1:
        raise SettingsError("average: expected one of epochs, last and best")
    (name, said) = next((name, value) for name, value in given.items() if value is not None)
    done = run.done()
    if isinstance(said, int):
        if not 1 <= said <= done:
            raise SettingsError(f"average: {name}: expected from 1 to the {done} epochs that are done, got {said}")
        epochs = run.averaged("best" if name == "best" else done, said, done)
    if not epochs or len(set(epochs)) != len(epochs):
        raise SettingsError(f"average: expected epochs, each once, got {list(epochs or ())}")
    journal = Journal(run)
    return mean(epochs, lambda number: journal.at_end_of(number).variables)


def mean(epochs: Sequence[int], read: Callable[[int], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The mean over the states of epochs, each read once; in memory are one state and the sums of the weights.

    Numbers with a fraction are averaged in float64, in the order of the epochs, and rounded once to their dtype. Taken
    from the last epoch are whole numbers, and of Keras' groups the optimizer, seeds and recurrent states. So are the
    statistics of batch normalisation averaged like weights: close to, and not the same as, what a pass over the
    training data with the averaged weights would find.

    Args:
        epochs: at least one; of a single one its state comes out as it is.
        read: gives the variables at the end of an epoch.

    Raises:
        TrainingError: when the weights of two epochs differ in names or shapes.
    """
    *before, newest = epochs
    sums: dict[str, np.ndarray] = {}
    for number in before:
        _add(sums, read(number), number, epochs[0])
    state = dict(read(newest))
    if before:
        _add(sums, state, newest, epochs[0])
        state |= {name: (total / len(epochs)).astype(state[name].dtype) for name, total in sums.items()}
    return state


def _add(sums: dict[str, np.ndarray], state: Mapping[str, np.ndarray], number: int, first: int) -> None:
    weights = {name: value for name, value in state.items() if _is_weight(name, value)}
    if number == first:
        for name, value in weights.items():
            sums[name] = value.astype(np.result_type(value.dtype, np.float64))
        return
    shapes = {name: value.shape for name, value in weights.items()}
    expected = {name: total.shape for name, total in sums.items()}
    if shapes != expected:
        name = min(name for name in {*shapes, *expected} if shapes.get(name) != expected.get(name))
        raise TrainingError(
            f"average: {name} is {_said(expected, name)} in epoch {first} and {_said(shapes, name)} in epoch {number}; "
            "only epochs with the same weights can be averaged"
        )
    for name, value in weights.items():
        sums[name] += value


def _is_weight(name: str, value: np.ndarray) -> bool:
    return value.dtype.kind in "fc" and not name.startswith(NO_WEIGHTS)


def _said(shapes: Mapping[str, tuple[int, ...]], name: str) -> str:
    return str(list(shapes[name])) if name in shapes else "not there"
