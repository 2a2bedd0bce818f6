"""Outputs and gradients over a whole data set, in one pass and bounded memory."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from deeptrain import brief
from deeptrain.errors import IntrospectionError
from deeptrain.introspection import grouped
from deeptrain.introspection.arrays import view
from deeptrain.introspection.backward import Backward, By, tensors
from deeptrain.introspection.distribution import CHUNK, QUANTILES, Statistics, Stream, norm_of, quantiles
from deeptrain.introspection.forward import callable_layers, called, check_called, check_taken
from deeptrain.introspection.grouped import Batch
from deeptrain.introspection.selection import Selection, keras_model
from deeptrain.introspection.still import begin, held_still, recurrent_states
from deeptrain.introspection.taps import tapped
from deeptrain.introspection.traces import traced

if TYPE_CHECKING:
    from deeptrain.loading.feed import Group

Progress = Callable[[int, int | None], None]
"""Is told how many batches are done, and of how many, None where that is not known."""

FEW = 16
"""Batches that are summed in float32."""

TOGETHER = 1 << 18
"""Numbers that are handed over at once: of fewer the handing over would cost more than the looking."""


@dataclass(frozen=True, repr=False)
class OverData:
    """What outputs or gradients are over a data set; all by name, in the model's order.

    Attributes:
        batches: how many there were.
        samples: how many were in them.
        sums: of gradients by weights the sum over batches, of outputs and gradients by them the sum over samples;
            float64 of the shape that one has. What is not finite is left out. Outputs whose shape differs from batch to
            batch (steps) have none.
        norms: (batches,) float64: the L2 norm of each in each batch; NaN or infinite where a number was. Without
            statistics 0 where all numbers are below 1e-19.
        statistics: of all numbers of all batches; none where they were not asked for.
        losses: (batches,) float64, of gradients; none of outputs.
    """

    batches: int
    samples: int
    sums: Mapping[str, np.ndarray]
    norms: Mapping[str, np.ndarray]
    statistics: Mapping[str, Statistics]
    losses: np.ndarray = field(default_factory=lambda: np.empty(0))

    __repr__ = brief.of_fields

    @property
    def global_norms(self) -> np.ndarray:
        """(batches,) float64: the L2 norm of all as one array in each batch, by which `global_clipnorm` clips."""
        return np.sqrt(sum((norm**2 for norm in self.norms.values()), np.zeros(self.batches)))

    def norm_quantiles(self, shares: Iterable[float] = QUANTILES, name: str | None = None) -> dict[float, float]:
        """Quantiles of the norms of the batches: what a clip norm is chosen by.

        Args:
            shares: of the batches that are below.
            name: of one of them (for `clipnorm`); by default of all as one (for `global_clipnorm`).
        """
        return quantiles(self.global_norms if name is None else self.norms[name], shares)


def outputs_over(
    model: Any,
    data: Any,
    select: Selection = "*",
    *,
    training: bool = False,
    statistics: bool = True,
    most: int | None = None,
    progress: Progress | None = None,
) -> OverData:
    """What layers give over a data set; see `outputs`.

    Args:
        model: a built `keras.Model` of any kind, or a learner of one.
        data: batches: those of `loading`, what a trainer holds as `val_data`, or any iterable of x, (x, y) or
            (x, y, weights).
        select: layers; see `selection.Selection`.
        training: whether layers act as in training.
        statistics: whether they are gathered too, which costs more than sums and norms.
        most: batches to look at; all by default.
        progress: is told after each batch how many were taken, and of how many.

    Raises:
        IntrospectionError: as `outputs` does, and where there is no batch.
    """
    model = keras_model(model)
    chosen = callable_layers(model, select)

    def forward(x: Any, y: Any, weights: Any) -> tuple[Any, dict[str, Any]]:  # noqa: ARG001 - as gradients are given
        found: dict[str, Any] = {}

        def see(name: str, tensor: Any) -> Any:
            found[name] = tensor
            return tensor

        with tapped(chosen, see) as calls:
            called(model, x, training)
        check_called(model, chosen, calls, select)
        return (), found

    given = ((tensors(x, None)[0], None, None) for x, _, _ in batches(data))
    asked = ("outputs", select, [place.name for place in chosen], training)
    return _gathered(
        model, model, asked, forward, given, _count(data), most, progress, by_samples=True, statistics=statistics
    )


def gradients_over(
    model: Any,
    data: Any,
    select: Selection = "*",
    *,
    by: By = "weights",
    training: bool = False,
    class_weights: Mapping[int, float] | None = None,
    penalties: bool = True,
    loss: Any = None,
    statistics: bool = True,
    most: int | None = None,
    progress: Progress | None = None,
) -> OverData:
    """Gradients over a data set, of the loss of each batch; see `gradients`.

    Args:
        model: a built `keras.Model` of any kind, or a learner of one.
        data: batches with labels; see `outputs_over`.
        select: layers, or of weights also weights.
        by: "weights" or "outputs".
        training: whether layers act as in training; each batch draws anew then.
        class_weights: by class number, what the loss of a sample is multiplied with.
        penalties: whether what layers add to the loss counts.
        loss: instead of the model's own.
        statistics: whether they are gathered too, which costs more than sums and norms.
        most: batches to look at; all by default.
        progress: is told after each batch how many were taken, and of how many.

    Raises:
        IntrospectionError: as `gradients` does, and where there is no batch, or no labels.
    """
    backward = Backward.of(model, select, by=by, penalties=penalties, loss=loss, training=training)

    def given() -> Iterator[tuple[Any, Any, Any]]:
        for x, y, weights in batches(data):
            if y is None:
                raise IntrospectionError("gradients need labels: give batches of (x, y) or (x, y, weights)")
            yield tensors(x, y, weights, class_weights)

    return _gathered(
        backward.model,
        model,
        ("gradients", select, by, training, penalties, loss),
        backward,
        given(),
        _count(data),
        most,
        progress,
        by_samples=by == "outputs",
        statistics=statistics,
    )


def batches(data: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Each batch as (x, y, weights), None for what it has not.

    Args:
        data: what has `judged` batches, as the feeds of a trainer; or any iterable of objects with `x`, `y` and
            `weights`, of x, (x,), (x, y) or (x, y, weights).

    Raises:
        IntrospectionError: for sequences of different lengths, which are no array.
    """
    if hasattr(data, "judged"):
        for number in range(len(data)):
            yield from map(first_of, data.judged(number))
        return
    for one in data:
        if hasattr(one, "x") and hasattr(one, "y"):
            if isinstance(one.x, list):
                raise IntrospectionError(
                    "the batch holds sequences of different lengths: give a trainer's val_data, which has windows"
                )
            yield one.x, one.y, one.weights
        elif isinstance(one, tuple):
            if not 1 <= len(one) <= 3:
                raise IntrospectionError(f"a batch is x, (x, y) or (x, y, weights), got {len(one)} parts")
            yield (*one, *(None,) * (3 - len(one)))
        else:
            yield one, None, None


class _Numbers:
    """What is gathered of one name."""

    def __init__(self, by_samples: bool, statistics: bool) -> None:
        self._by_samples = by_samples
        self.stream = Stream(quick=True) if statistics else None
        self._shapes: set[tuple[int, ...]] = set()
        self.total: np.ndarray | None = None
        self._recent: np.ndarray | None = None
        self.norms: list[float] = []

    def add(self, value: np.ndarray) -> None:
        if self._by_samples:
            value = np.atleast_1d(value)
        shape = value.shape[1:] if self._by_samples else value.shape
        self._shapes.add(shape)
        if len(self._shapes) > 1:
            self.total = self._recent = None
        elif self.total is None:
            self.total = np.zeros(shape, np.float64)
            # Of a batch, or a few, in float32, which they are few enough for, of all in float64: that is much faster.
            self._recent = np.zeros(shape, np.result_type(value.dtype, np.float32))
        norms = []
        for cut, part in self._parts(value):  # all that is asked of a part while it is in the processor's cache
            norms.append(self._norm(part))
            if self._recent is not None:
                self._sum(self._recent, cut, part if math.isfinite(norms[-1]) else np.where(np.isfinite(part), part, 0))
        self.norms.append(math.nan if any(map(math.isnan, norms)) else math.hypot(*norms))
        if len(self.norms) % FEW == 0:
            self.fold()

    def add_several(self, squares: np.ndarray, total: np.ndarray) -> None:
        """Take what some batches come to, of the shape of those before."""
        self.norms += np.sqrt(squares).tolist()
        if self.total is not None:
            self.total += total

    def _parts(self, value: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        if not self._by_samples:
            value = value.reshape(-1)
        step = max(1, CHUNK * len(value) // max(value.size, 1))
        for at in range(0, len(value), step):
            cut = slice(at, at + step)
            yield cut, value[cut]

    def _norm(self, part: np.ndarray) -> float:
        if self.stream is None:
            return norm_of(part)
        self.stream.add(part)
        now = self.stream.newest
        return math.nan if now.nan else math.inf if now.inf else math.sqrt(now.squares)

    def _sum(self, whole: np.ndarray, cut: slice, part: np.ndarray) -> None:
        into = whole if self._by_samples else whole.reshape(-1)[cut]
        np.add(into, np.add.reduce(part, axis=0, dtype=into.dtype) if self._by_samples else part, out=into)

    def fold(self) -> None:
        """Bring `total` up to date."""
        if self.total is not None and self._recent is not None:
            self.total += self._recent
            self._recent.fill(0)


class _Looking:
    """Looks at one batch after the other.

    Where statistics are asked for, NumPy looks at every number, of some batches while the next ones are computed.
    Otherwise TensorFlow sums several batches in one call, and NumPy looks only at the first of a form and at what is
    left over.

    Attributes:
        numbers: what was gathered, by name.
        losses: of each batch, where there is one.
    """

    def __init__(
        self,
        states: Sequence[Any],
        compiled: Callable[[Any, Callable[..., Any]], Callable[..., Any]],
        function: Callable[..., tuple[Any, dict[str, Any]]],
        worker: ThreadPoolExecutor,
        *,
        by_samples: bool,
        statistics: bool,
    ) -> None:
        """Take what looks, in a model that is held still.

        Args:
            states: of recurrent layers.
            compiled: makes of what tells a function from others, and of the function, the compiled one.
            function: the loss of a batch and tensors by name.
            worker: where NumPy looks.
            by_samples: whether sums are over samples.
            statistics: whether they are gathered.
        """
        import keras

        self.numbers: dict[str, _Numbers] = {}
        self.losses: list[float] = []
        self._states, self._compiled, self._function, self._worker = states, compiled, function, worker
        self._by_samples, self._statistics = by_samples, statistics
        self._one = compiled((), function)
        self._before = worker.submit(self._gather, ())
        self._waiting: list[tuple[Any, Mapping[str, Any]]] = []
        self._size = 0
        self._together = not statistics and keras.config.backend() == "tensorflow"
        self._form: grouped.Form | None = None
        self._several: Callable[..., Any] | None = None
        self._like: dict[str, tuple[Any, Any]] = {}
        self._few: list[Batch] = []

    def take(self, batch: Batch) -> None:
        """Look at a batch, or keep it until there are enough of its form."""
        if not self._together:
            self._look_at(batch)
            return
        form = grouped.Form.of(batch)
        if form != self._form:
            self._look_at_few()
            self._form, self._several = form, None
            self._look_at(batch)
        else:
            self._few.append(batch)
            if len(self._few) == form.together:
                self._look_at_all()

    def end(self) -> None:
        """Look at what is left."""
        self._look_at_few()
        self._catch_up()
        for one in self.numbers.values():
            one.fold()

    def _look_at(self, batch: Batch) -> None:
        begin(self._states)
        loss, found = self._one(*batch)
        self._waiting.append((loss, found))
        self._like = {name: (value.shape, value.dtype) for name, value in found.items()}
        self._size += sum(math.prod(shape) for shape, _ in self._like.values())
        if self._size >= TOGETHER:
            self._before.result()  # NumPy looks at some batches while the next ones are computed, and no further
            self._before, self._waiting, self._size = self._worker.submit(self._gather, self._waiting), [], 0

    def _look_at_few(self) -> None:
        few, self._few = self._few, []
        for batch in few:
            self._look_at(batch)

    def _look_at_all(self) -> None:
        """Look at those that were kept in one call, or by themselves, where that tells too little."""
        if self._several is None:
            summing = grouped.summing(self._function, self._like, self._states, self._by_samples)
            self._several = self._compiled(("together", repr(self._form)), summing)
        found = grouped.tried(self._several, self._few, self._like)
        self._together = found is not None
        if found is None or not found.right:
            self._look_at_few()
            return
        self._few = []
        self._catch_up()
        self.losses += found.losses.tolist() if self.losses else []
        for name, total in found.totals.items():
            self.numbers[name].add_several(found.squares[name], total)

    def _catch_up(self) -> None:
        self._before.result()
        self._gather(self._waiting)
        self._waiting, self._size = [], 0

    def _gather(self, several: Iterable[tuple[Any, Mapping[str, Any]]]) -> None:
        for loss, found in several:
            for name, value in found.items():
                if name not in self.numbers:
                    self.numbers[name] = _Numbers(self._by_samples, self._statistics)
                self.numbers[name].add(view(value))
            if not isinstance(loss, tuple):
                self.losses.append(float(view(loss)))


def _gathered(
    model: Any,
    of: Any,
    asked: Any,
    function: Callable[..., tuple[Any, dict[str, Any]]],
    given: Iterable[Batch],
    count: int | None,
    most: int | None,
    progress: Progress | None,
    *,
    by_samples: bool,
    statistics: bool,
) -> OverData:
    import keras

    samples = done = 0
    total = count if most is None else most if count is None else min(count, most)
    with held_still(model), ThreadPoolExecutor(1) as worker:
        looking = _Looking(
            recurrent_states(model),
            lambda what, called: traced(model, of, (asked, what), called),
            function,
            worker,
            by_samples=by_samples,
            statistics=statistics,
        )
        for batch in itertools.islice(given, most):
            check_taken(model, batch[0])
            looking.take(batch)
            samples += int(keras.tree.flatten(batch[0])[0].shape[0])
            done += 1
            if progress is not None:
                progress(done, total)
        looking.end()
    if not done:
        raise IntrospectionError("there is no batch to look at")
    numbers = looking.numbers
    return OverData(
        batches=done,
        samples=samples,
        sums={name: one.total for name, one in numbers.items() if one.total is not None},
        norms={name: np.array(one.norms) for name, one in numbers.items()},
        statistics={name: one.stream.statistics() for name, one in numbers.items() if one.stream is not None},
        losses=np.array(looking.losses),
    )


def _count(data: Any) -> int | None:
    return len(data) if hasattr(data, "__len__") and not hasattr(data, "judged") else None


def first_of(group: "Group") -> tuple[Any, Any, Any]:
    """The first iteration of a group, as (x, y, weights)."""
    return _first(group.x), _first(group.y), _first(group.weights)


def _first(part: Any) -> Any:
    if part is None:
        return None
    return {name: one[0] for name, one in part.items()} if isinstance(part, Mapping) else part[0]
