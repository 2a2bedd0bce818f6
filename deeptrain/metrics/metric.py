"""One metric: its name, its direction, the tasks it fits, its value on whole arrays. Loads no NumPy until called."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from deeptrain.errors import DataError, SettingsError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from deeptrain.metrics.counts import CountFunction, Values

Kind = Literal["binary", "classes", "values"]
"""What a model is asked for: a yes or no, one of several classes, or numbers."""

Source = Literal["here", "scikit-learn", "keras", "own"]
"""Who computes a metric: this room, scikit-learn, Keras (through `training`), or a function of the user's."""

Average = Literal["macro", "micro", "weighted"]
"""How one number comes of several classes or labels; see `averages`."""

Needs = Literal["nothing", "samples", "a positive or a call", "positives", "negatives", "both classes"]
"""What there must be for a metric to be a number; without it, it is nan. A call is a sample called positive."""


class Ratio(NamedTuple):
    """A metric as (numerator · counts) / (denominator · counts), counts being (tp, fp, fn, tn), in integers.

    A law the exact subset search relies on: 0 <= numerator[i] <= denominator[i].
    """

    numerator: tuple[int, int, int, int]
    denominator: tuple[int, int, int, int]


class Parameter(NamedTuple):
    """An argument that a metric takes: what it must be, in words and as a check."""

    rule: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True)
class Metric:
    """A metric; calling it gives its value over whole arrays.

    Attributes:
        name: what results, tables and settings call it.
        maximize: whether more is better.
        kinds: the kinds of task it fits.
        of_counts: whether it is a function of the confusion counts of a binary decision.
        ratio: its coefficients, if it is one ratio of linear functions of the counts.
        aliases: other names it answers to.
        needs: what there must be for it to be a number; otherwise it is nan.
        standard: the kinds of task whose evaluation tells it unasked.
        parameters: what arguments it takes; None where scikit-learn or Keras checks them.
        arguments: those that were given.
        source: who computes it.
        by: the name of its computation, if that is not its own.
        average: how it becomes one number over classes or labels; None for a metric that is one number already.
        function: (labels, outputs, weights, threshold) -> its value, where `source` is "own" or "keras".
    """

    name: str
    maximize: bool
    kinds: frozenset[Kind]
    of_counts: bool = False
    ratio: Ratio | None = None
    aliases: tuple[str, ...] = ()
    needs: Needs = "samples"
    standard: frozenset[Kind] = frozenset()
    parameters: Mapping[str, Parameter] | None = field(default_factory=dict, hash=False, compare=False)
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)
    source: Source = "here"
    by: str = ""
    average: Average | None = None
    function: Callable[[Any, Any, Any, Any], float] | None = None

    @property
    def computation(self) -> str:
        """The name of its computation."""
        return self.by or self.name

    @property
    def from_counts(self) -> CountFunction | None:
        """The vectorised function of (tp, fp, fn, tn), or None for a metric that is not made of counts."""
        if not self.of_counts:
            return None
        from deeptrain.metrics import counts

        function = counts.BY_NAME[self.computation]
        return functools.partial(function, **self.arguments) if self.arguments else function

    def at_counts(self, tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike) -> Values:
        """Its value for confusion counts, or arrays of them that broadcast; see `counts`.

        Raises:
            SettingsError: when it is not made of counts.
        """
        function = self.from_counts
        if function is None:
            raise SettingsError(f"metric {self.name} is no function of confusion counts")
        return function(tp, fp, fn, tn)

    def __call__(
        self,
        labels: ArrayLike,
        outputs: ArrayLike,
        weights: ArrayLike | None = None,
        threshold: ArrayLike | None = None,
    ) -> float:
        """The metric's value over all samples.

        Args:
            labels: binary: (n,) of 0 and 1; classes: (n,) class numbers from 0; values: (n,) or (n, ...) numbers. For
                several labels at once, with an average: (n, labels) of 0 and 1.
            outputs: binary: (n,) probabilities; classes: (n, classes), one probability or score each; values and
                several labels: shaped as the labels. What is (n, classes) is taken as classes where both fit.
            weights: (n,) what each sample counts for, finite, at least 0, not all 0; a sample of weight 2 counts as two
                samples, one of weight 0 as none. By default all count alike.
            threshold: a sample is called positive if its output is greater; by default 0.5. For several labels also
                (labels,). Read by what needs a decision only.

        Returns:
            nan where the data leave it undefined, such as a ROC curve without negatives; never a warning.

        Raises:
            DataError: for shapes that do not match, no samples, labels or outputs that are not what `kinds` says,
                weights that are none; told with the metric's name.
            UserCodeError: when it is a function of the user's, and that fails.
        """
        from deeptrain.metrics import computation

        try:
            return computation.value(self, labels, outputs, weights, 0.5 if threshold is None else threshold)
        except DataError as error:
            raise DataError(f"{self.name}: {error}") from error
