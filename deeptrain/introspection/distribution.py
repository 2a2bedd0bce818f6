"""How numbers are distributed, in short: of one array, of many, or of a stream of them in bounded memory.

What is not finite is counted and left out of everything else. All is computed in float64; where it is
asked for, float32 is summed in float32 up to 1,024 numbers, and those sums in float64.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deeptrain import brief
from deeptrain.introspection.health import DEAD, LARGE

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""The shares below the quantiles that are told."""

CHUNK = 1 << 17
"""Numbers looked at together: few enough to stay in the processor's cache."""

BLOCK = 1 << 10
"""Numbers that are summed as they are, before anything is summed in float64."""

KEPT = 1 << 16
"""Numbers of a stream that are kept for its quantiles: up to so many they are exact."""

_GOLDEN = (1 + math.sqrt(5)) / 2
_CANCELS = {4: 1e-3, 8: 1e-6}  # by bytes of the numbers that are summed: below it a difference of sums is noise
_SQUARABLE = (1e-15, 1e15)  # magnitudes whose squares, and sums of them, are ordinary numbers in float32


@dataclass(frozen=True)
class Counts:
    """What some arrays hold, in counts and sums that may be added up.

    Attributes:
        size: how many numbers there are.
        nan: how many of them are NaN.
        inf: how many are infinite.
        zeros: how many are 0.
        dead: how many are below a limit in magnitude, zeros too.
        large: how many are above another in magnitude.
        total: the sum of those that are finite.
        squares: the sum of their squares.
        deviations: the sum of the squares of what they differ from their mean.
        low: the least that is finite, infinity where none is.
        high: the greatest, minus infinity where none is.
    """

    size: int = 0
    nan: int = 0
    inf: int = 0
    zeros: int = 0
    dead: int = 0
    large: int = 0
    total: float = 0.0
    squares: float = 0.0
    deviations: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    @property
    def finite(self) -> int:
        """How many are finite."""
        return self.size - self.nan - self.inf

    @property
    def mean(self) -> float:
        """Of those that are finite, NaN where none is."""
        return self.total / self.finite if self.finite else math.nan

    @property
    def rms(self) -> float:
        """The root of the mean of the squares, 0 where none is finite."""
        return math.sqrt(self.squares / self.finite) if self.finite else 0.0

    def __add__(self, other: "Counts") -> "Counts":
        """Both together; deviations by Chan, Golub and LeVeque (1983)."""
        apart = 0.0
        if self.finite and other.finite:
            apart = (self.mean - other.mean) ** 2 * (self.finite * other.finite / (self.finite + other.finite))
        return Counts(
            self.size + other.size,
            self.nan + other.nan,
            self.inf + other.inf,
            self.zeros + other.zeros,
            self.dead + other.dead,
            self.large + other.large,
            self.total + other.total,
            self.squares + other.squares,
            self.deviations + other.deviations + apart,
            min(self.low, other.low),
            max(self.high, other.high),
        )


@dataclass(frozen=True, repr=False)
class Statistics:
    """Numbers in short; all but the counts are of those that are finite, NaN where none is.

    Attributes:
        size: how many numbers there are.
        nan: how many are NaN.
        inf: how many are infinite.
        zeros: how many are 0.
        dead: how many are below `DEAD` in magnitude, zeros too.
        large: how many are above `LARGE` in magnitude.
        mean: their mean.
        std: their standard deviation, of all of them (divided by their number).
        norm: the root of the sum of their squares (L2).
        rms: the root of the mean of their squares.
        low: the least.
        high: the greatest.
        quantiles: by the share that is below, `QUANTILES`; between two numbers as `numpy.quantile` has it.
        exact: whether the quantiles are of all numbers; of a long stream they are of some, spread evenly.
    """

    size: int
    nan: int
    inf: int
    zeros: int
    dead: int
    large: int
    mean: float
    std: float
    norm: float
    rms: float
    low: float
    high: float
    quantiles: Mapping[float, float]
    exact: bool = True

    __repr__ = brief.of_fields

    @classmethod
    def of(cls, values: Any, *, dead: float = DEAD, large: float = LARGE) -> "Statistics":
        """Those of an array of any shape and real dtype.

        Args:
            values: the array, or what NumPy makes one of.
            dead: below which magnitude a number is dead.
            large: above which one is large.
        """
        stream = Stream(dead=dead, large=large, kept=max(np.size(values), 1))
        stream.add(np.asarray(values))
        return stream.statistics()

    @classmethod
    def counted(cls, counts: Counts, quantiles: Mapping[float, float], *, exact: bool = True) -> "Statistics":
        """Those of numbers that were counted.

        Args:
            counts: what they are.
            quantiles: of them, by share; none where nobody asks for any, since they cost more than all others together.
            exact: whether these are of all numbers.
        """
        some = counts.finite > 0
        return cls(
            size=counts.size,
            nan=counts.nan,
            inf=counts.inf,
            zeros=counts.zeros,
            dead=counts.dead,
            large=counts.large,
            mean=counts.mean,
            std=math.sqrt(counts.deviations / counts.finite) if some else math.nan,
            norm=math.sqrt(counts.squares) if some else math.nan,
            rms=counts.rms if some else math.nan,
            low=counts.low if some else math.nan,
            high=counts.high if some else math.nan,
            quantiles=quantiles,
            exact=exact,
        )

    @property
    def median(self) -> float:
        """The number that half of them are below."""
        return self.quantiles[0.5]

    @property
    def dead_share(self) -> float:
        """Which share of all is dead, from 0 to 1."""
        return self.dead / self.size if self.size else 0.0

    @property
    def large_share(self) -> float:
        """Which share of all is large."""
        return self.large / self.size if self.size else 0.0

    @property
    def nan_share(self) -> float:
        """Which share of all is NaN."""
        return self.nan / self.size if self.size else 0.0

    @property
    def inf_share(self) -> float:
        """Which share of all is infinite."""
        return self.inf / self.size if self.size else 0.0

    def as_dict(self) -> dict[str, Any]:
        """All of it by name, quantiles as "q0.5"."""
        plain = {one.name: getattr(self, one.name) for one in dataclasses.fields(self) if one.name != "quantiles"}
        return plain | {f"q{share:g}": value for share, value in self.quantiles.items()}


class Stream:
    """Numbers that come array by array, in bounded memory.

    Law: `counts` do not depend on how the numbers are cut into arrays, but for the last digits of the sums; quantiles
    not at all.

    Attributes:
        counts: of all so far.
        newest: of the newest array.
    """

    def __init__(self, *, dead: float = DEAD, large: float = LARGE, kept: int = KEPT, quick: bool = False) -> None:
        """Begin with none.

        Args:
            dead: below which magnitude a number is dead.
            large: above which one is large.
            kept: of how many numbers quantiles are exact; of more, at least half as many are kept.
            quick: whether float32 is summed as `counted` does it then.
        """
        self.counts = Counts()
        self.newest = Counts()
        self._dead, self._large, self._quick = dead, large, quick
        self._most = kept
        self._kept: list[np.ndarray] = []
        self._next = 0  # numbers the next one that is kept
        self._step = 1.0  # every so many are kept: all, then multiples of the golden ratio, since no layout has these

    def add(self, values: np.ndarray) -> None:
        """Take an array of real numbers, or of truth values."""
        flat = values.reshape(-1)
        if flat.dtype.kind not in "fiu":
            flat = flat.astype(np.float32 if flat.dtype.kind == "V" else np.float64)
        seen = self.counts.size
        self.newest = counted(flat, self._dead, self._large, quick=self._quick)
        self.counts += self.newest
        while math.ceil((seen + len(flat)) / self._step) > self._most:
            self._thin()  # first, so that none is copied that would be let go
        first = self._next
        end = math.ceil((seen + len(flat)) / self._step)
        while int(end * self._step) < seen + len(flat):
            end += 1
        while end > first and int((end - 1) * self._step) >= seen + len(flat):
            end -= 1
        if end > first:
            places = (np.arange(first, end) * self._step).astype(np.int64) - seen
            self._kept.append(flat[places].astype(np.float64) if self._step > 1 else flat.astype(np.float64))
            self._next = end

    def _thin(self) -> None:
        whole = np.concatenate([np.empty(0), *self._kept])
        step = 2 * _GOLDEN if self._step == 1.0 else 2 * self._step
        count = math.ceil(len(whole) * self._step / step)
        places = (np.arange(count) * step).astype(np.int64) if self._step == 1.0 else np.arange(count) * 2
        places = places[places < len(whole)]
        self._kept, self._next, self._step = [whole[places]], len(places), step

    def statistics(self) -> Statistics:
        """What they are in short."""
        kept = np.concatenate([np.empty(0), *self._kept])
        return Statistics.counted(self.counts, quantiles(kept), exact=self._step == 1.0)


def statistics(arrays: Mapping[str, Any], *, dead: float = DEAD, large: float = LARGE) -> dict[str, Statistics]:
    """Of each array by its name: see `Statistics`.

    Args:
        arrays: by name, such as `weights`, `outputs` or `gradients` give.
        dead: below which magnitude a number is dead.
        large: above which one is large.
    """
    return {name: Statistics.of(value, dead=dead, large=large) for name, value in arrays.items()}


def global_norm(of: Mapping[str, Any]) -> float:
    """The L2 norm of all arrays as one, by which `global_clipnorm` clips; NaN and infinity are left out.

    Args:
        of: arrays or their `Statistics`, by name.
    """
    norms = [
        one.norm if isinstance(one, Statistics) else math.sqrt(counted(np.asarray(one)).squares) for one in of.values()
    ]
    return math.sqrt(math.fsum(norm * norm for norm in norms if not math.isnan(norm)))


def histogram(values: Any, bins: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """How many of the finite numbers are in each of equal bins from the least to the greatest.

    Args:
        values: an array of any shape and real dtype.
        bins: how many, at least 1.

    Returns:
        The counts, and the bins' edges, one more than bins: both of zeros where no number is finite.
    """
    flat = np.asarray(values).reshape(-1).astype(np.float64)
    real = flat[np.isfinite(flat)]
    if not len(real):
        return (0,) * bins, (0.0,) * (bins + 1)
    counts, edges = np.histogram(real, bins, (real.min(), real.max()))
    return tuple(counts.tolist()), tuple(edges.tolist())


def counted(values: np.ndarray, dead: float = DEAD, large: float = LARGE, *, quick: bool = False) -> Counts:
    """What an array holds, looked at in chunks that stay in the processor's cache.

    Args:
        values: of a real dtype.
        dead: below which magnitude a number is dead.
        large: above which one is large.
        quick: whether float32 may be summed in float32 up to `BLOCK` numbers: right to about a millionth.
    """
    flat = values.reshape(-1)
    size = min(flat.size, CHUNK)
    # Held for all chunks: new memory for each would cost more than the sums.
    magnitudes, told = np.empty(size, flat.dtype), np.empty(size, bool)
    doubles = None if _summed(flat, quick) else np.empty(size)
    nan = inf = zeros = dead_ones = large_ones = 0
    total = squares = 0.0
    lowest, highest = math.inf, -math.inf
    with np.errstate(over="ignore", invalid="ignore"):
        for begin in range(0, flat.size, CHUNK):
            part = flat[begin : begin + CHUNK]
            low, high = float(np.minimum.reduce(part)), float(np.maximum.reduce(part))
            if not -math.inf < low <= high < math.inf:
                nan += int(np.isnan(part).sum())
                inf += int(np.isinf(part).sum())
                part = part[np.isfinite(part)]
                if not len(part):
                    continue
                low, high = float(np.minimum.reduce(part)), float(np.maximum.reduce(part))
            lowest, highest = min(low, lowest), max(high, highest)
            top = max(-low, high)
            summed = part
            if doubles is not None:
                summed = doubles[: len(part)]
                np.copyto(summed, part)
            elif part.dtype.itemsize == 4 and not _SQUARABLE[0] < top < _SQUARABLE[1]:
                summed = part.astype(np.float64)
            total += _sum(summed)
            squares += _dot(summed)
            magnitude = part if low >= 0 else np.abs(part, out=magnitudes[: len(part)])
            is_so = told[: len(part)]
            found = int(np.count_nonzero(np.less(magnitude, dead, out=is_so)))
            dead_ones += found
            if found or not dead:
                zeros += int(np.count_nonzero(np.equal(part, 0, out=is_so)))
            if top > large:
                large_ones += int(np.count_nonzero(np.greater(magnitude, large, out=is_so)))
        finite = flat.size - nan - inf
        deviations = squares - total * total / finite if finite else 0.0
        if not deviations > _CANCELS[4 if doubles is None else 8] * squares:  # what is left is noise: from the mean
            total, deviations = _from_mean(flat, finite)
    return Counts(
        flat.size,
        nan,
        inf,
        zeros,
        dead_ones,
        large_ones,
        total,
        squares,
        deviations,
        lowest,
        highest,
    )


def _from_mean(flat: np.ndarray, finite: int) -> tuple[float, float]:
    """The sum of what is finite, and the sum of the squares of what that differs from its mean."""
    total = deviations = 0.0
    parts = [flat[begin : begin + CHUNK] for begin in range(0, flat.size, CHUNK)]
    for part in parts:
        total += float(part.sum(dtype=np.float64, where=np.isfinite(part)))
    for part in parts:
        apart = part[np.isfinite(part)] - np.float64(total / finite if finite else 0.0)
        deviations += _dot(apart)
    return total, deviations


def norm_of(values: np.ndarray) -> float:
    """The L2 norm of an array of a real dtype, right to about a millionth; NaN or infinite where a number is."""
    flat = values.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        if _summed(flat, quick=True):
            squares = _dot(flat)
            low, high = squarable(flat.size)
            if low < squares < high or math.isnan(squares) or flat.dtype.itemsize == 8:
                return math.sqrt(squares)
        doubles = np.empty(min(flat.size, CHUNK))
        total = 0.0
        for begin in range(0, flat.size, CHUNK):
            part = flat[begin : begin + CHUNK]
            np.copyto(doubles[: len(part)], part)
            total += _dot(doubles[: len(part)])
    return math.sqrt(total)


def squarable(size: int) -> tuple[float, float]:
    """Between what the sum of so many squares lies if float32 holds each of them: nothing overflowed or underflowed."""
    low, high = (limit * limit * size for limit in _SQUARABLE)
    return low, high


def _summed(values: np.ndarray, quick: bool) -> bool:
    """Whether numbers are summed as they are."""
    return values.dtype.kind == "f" and (values.dtype.itemsize == 8 or (quick and values.dtype.itemsize == 4))


def _sum(values: np.ndarray) -> float:
    whole = len(values) // BLOCK * BLOCK
    found = float(np.add.reduce(values[whole:])) if whole < len(values) else 0.0
    return found + float(np.add.reduce(np.einsum("ij->i", values[:whole].reshape(-1, BLOCK)), dtype=np.float64))


def _dot(values: np.ndarray) -> float:
    """The sum of squares; of blocks, since a longer product is cut by BLAS into one part for each thread."""
    whole = len(values) // BLOCK * BLOCK
    rest, blocks = values[whole:], values[:whole].reshape(-1, BLOCK)
    found = float(np.vecdot(rest, rest)) if whole < len(values) else 0.0
    return found + float(np.add.reduce(np.vecdot(blocks, blocks), dtype=np.float64))


def quantiles(values: Sequence[float] | np.ndarray, shares: Iterable[float] = QUANTILES) -> dict[float, float]:
    """Quantiles of the finite among some numbers, by the share that is below; NaN where there are none."""
    array = np.asarray(values, np.float64)
    array = array[np.isfinite(array)]
    told = list(shares)
    values = np.quantile(array, told).tolist() if len(array) else [math.nan] * len(told)
    return dict(zip(told, values, strict=True))
