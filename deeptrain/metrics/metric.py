"""One metric: its name, its direction, the tasks it fits, its value on whole arrays. Loads no NumPy until called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from deeptrain.metrics.counts import CountFunction

Kind = Literal["binary", "classes", "values"]
"""What a model is asked for: a yes or no, one of several classes, or numbers."""


class Ratio(NamedTuple):
    """A metric as (numerator · counts) / (denominator · counts), counts being (tp, fp, fn, tn), in integers.

    A law the exact subset search relies on: 0 <= numerator[i] <= denominator[i].
    """

    numerator: tuple[int, int, int, int]
    denominator: tuple[int, int, int, int]


@dataclass(frozen=True)
class Metric:
    """A metric known by name; calling it gives its value over whole arrays.

    Attributes:
        name: what results, tables and settings call it.
        maximize: whether more is better.
        kinds: the kinds of task it fits.
        of_counts: whether it is a function of the confusion counts of a binary decision.
        ratio: its coefficients, if it is one ratio of linear functions of the counts.
        aliases: other names it answers to.
    """

    name: str
    maximize: bool
    kinds: frozenset[Kind]
    of_counts: bool = False
    ratio: Ratio | None = None
    aliases: tuple[str, ...] = ()

    @property
    def from_counts(self) -> CountFunction | None:
        """The vectorised function of (tp, fp, fn, tn), or None for a metric that is not made of counts."""
        from deeptrain.metrics import counts

        return counts.BY_NAME[self.name] if self.of_counts else None

    def __call__(self, labels: ArrayLike, outputs: ArrayLike, threshold: float = 0.5) -> float:
        """The metric's value over all samples.

        Args:
            labels: binary: (n,) of 0 and 1; classes: (n,) class numbers from 0; values: (n,) or (n, k) numbers.
            outputs: binary: (n,) probabilities; classes: (n, classes), one probability or score each; values: shaped
                as the labels. What is (n, classes) is taken as classes where a metric fits both kinds.
            threshold: a sample is called positive if its output is greater; read by metrics of counts only.

        Returns:
            nan where the data leave it undefined, such as a ROC curve without negatives; never a warning.

        Raises:
            DataError: for shapes that do not match, no samples, labels or outputs that are not what `kinds` says.
        """
        from deeptrain.metrics import computation

        return computation.BY_NAME[self.name](labels, outputs, threshold)
