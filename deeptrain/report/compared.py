"""Runs side by side, as the plain values that a table, a page and JSON are made of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from deeptrain.calibration.intervals import Gain, Interval
from deeptrain.drawing import wording
from deeptrain.report import outcome
from deeptrain.report.run import Plain


@dataclass(frozen=True)
class OnTest:
    """What the decisions of a run about its test split are worth.

    Attributes:
        metric: its name.
        value: of the decisions that calibration chose, or of those it was not asked about.
        interval: 95 %, of the metric.
        way: how it is decided, in words; "" where there is one way only.
        samples: how many were scored.
    """

    metric: str
    value: float
    interval: Interval | None
    way: str
    samples: int


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs.

    Attributes:
        letter: what it is called in tables, "A" for the first.
        name: what people call it, with its number in the store and its best key metric.
        where: its training's directory, as it was named.
        settings: by dotted key, what decides over its bytes.
        epochs: plain results of its epochs, ascending; see `training.results`.
        key_metric: the metric that chooses the best epoch.
        maximize: whether more of it is better.
        best_epoch: number of the best epoch; None while there is none.
        parameters: number of the model's parameters; None while nothing is predicted.
        test: what it is worth on the test split; None without a finished job, or a test split.
        seconds: that its training took in all, by the event log; None where that does not tell.
    """

    letter: str
    name: str
    where: str
    settings: Plain
    epochs: tuple[Plain, ...]
    key_metric: str
    maximize: bool
    best_epoch: int | None
    parameters: int | None
    test: OnTest | None
    seconds: float | None

    def at_best(self, split: str, metric: str) -> float | None:
        """A metric at the end of the best epoch; None where there is none."""
        found: Plain = next((one[split] for one in self.epochs if one["epoch"] == self.best_epoch), {})
        return None if metric not in found else wording.as_float(found[metric])

    @property
    def best(self) -> float | None:
        """The key metric of the best epoch, on the validation split, or in training without one."""
        found = (self.at_best(split, self.key_metric) for split in ("validation", "train"))
        return next((value for value in found if value is not None), None)


@dataclass(frozen=True)
class Difference:
    """What a run's decisions about the test split gain over those of the first run.

    Attributes:
        letter: of the run.
        metric: that both are measured in.
        gain: in favour of the better, whichever direction the metric has, with its paired 95 % interval.
        samples: how many both were scored on.
    """

    letter: str
    metric: str
    gain: Gain
    samples: int

    @property
    def is_noise(self) -> bool:
        """Whether the interval holds 0."""
        return self.gain.low <= 0 <= self.gain.high


@dataclass(frozen=True)
class Row:
    """A row of a table: what it is about, and a cell for each run."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Comparison:
    """Runs side by side. `print` it, or let a notebook.

    Attributes:
        runs: in the order they were named.
        differences: of each but the first, as far as both predicted the same samples.
        notices: (about, sentence) of what to know before trusting the numbers.
    """

    runs: tuple[ComparedRun, ...]
    differences: tuple[Difference, ...]
    notices: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """The runs, what differs and what came out, a row each, and what they gain over the first."""
        rows = [Row("", tuple(run.letter for run in self.runs)), *self.differing, *self.outcomes]
        widths = [max(map(len, column)) for column in zip(*((row.name, *row.cells) for row in rows), strict=True)]
        told = [f"{run.letter}  {run.name}  {run.where}" for run in self.runs]
        for row in rows:
            cells = zip((row.name, *row.cells), widths, strict=True)
            told.append("  ".join(cell.ljust(width) for cell, width in cells).rstrip())
        return "\n".join([*told, *self.sentences(), *(f"{about}: {text}" for about, text in self.notices)])

    __repr__ = __str__

    @property
    def differing(self) -> tuple[Row, ...]:
        """The settings that are not the same in all runs, by dotted key."""
        keys = list(dict.fromkeys(key for run in self.runs for key in run.settings))
        tables = list(dict.fromkeys(key.partition(".")[0] for key in keys))
        keys.sort(key=lambda key: tables.index(key.partition(".")[0]))
        rows = (Row(key, tuple(wording.setting(run.settings.get(key)) for run in self.runs)) for key in keys)
        return tuple(row for row in rows if len(set(row.cells)) > 1)

    @property
    def outcomes(self) -> tuple[Row, ...]:
        """What came out, a row a number."""
        return tuple(Row(name, tuple(cells)) for name, cells in self._outcomes())

    def _outcomes(self) -> Iterator[tuple[str, list[str]]]:
        runs = self.runs
        yield "epochs", [wording.count(len(run.epochs)) for run in runs]
        yield (
            "best epoch",
            [wording.score(run.best_epoch) if run.best_epoch is None else str(run.best_epoch) for run in runs],
        )
        for name in dict.fromkeys(run.key_metric for run in runs):
            of_it = [run.best if run.key_metric == name else run.at_best("validation", name) for run in runs]
            yield f"{wording.metric_name(name)}, validation", [wording.score(value) for value in of_it]
        if any(run.key_metric != "loss" for run in runs):
            yield "loss, validation", [wording.score(run.at_best("validation", "loss")) for run in runs]
        for name in dict.fromkeys(run.test.metric for run in runs if run.test):
            tests = [run.test if run.test and run.test.metric == name else None for run in runs]
            label = f"{wording.metric_name(name)}, test"
            yield label, [wording.score(test.value if test else None) for test in tests]
            if any(test and test.interval for test in tests):
                yield f"{label}: 95 % interval", [_ends(test.interval if test else None) for test in tests]
        if self.differences:
            by_letter = {one.letter: one.gain for one in self.differences}
            gains = [by_letter.get(run.letter) for run in runs]
            yield f"gain over {runs[0].letter}", [_signed(gain.value if gain else None) for gain in gains]
            yield f"gain over {runs[0].letter}: 95 %, paired", [_ends(gain) for gain in gains]
        if any(run.parameters is not None for run in runs):
            yield "parameters", [wording.count(run.parameters) for run in runs]
        if any(run.seconds is not None for run in runs):
            yield (
                "seconds of training",
                [wording.NOTHING if run.seconds is None else f"{run.seconds:,.1f}" for run in runs],
            )

    def sentences(self) -> Iterator[str]:
        """What each run gains over the first, as a reader would tell it."""
        first = self.runs[0].letter
        for one in self.differences:
            lost = one.gain.value < 0
            size = wording.score(abs(one.gain.value))
            words = "a loss" if lost else "a gain"
            noise = ", within noise" if one.is_noise else ""
            yield (
                f"{one.letter} against {first}: {words} of {size} in {wording.metric_name(one.metric)} on the same "
                f"{wording.plural(one.samples, 'test sample')} ({_ends(one.gain)}){noise}."
            )

    def plain(self) -> dict[str, Any]:
        """Everything as dicts, lists, text and numbers."""
        return {
            "runs": [
                {
                    "letter": run.letter,
                    "name": run.name,
                    "where": run.where,
                    "settings": dict(run.settings),
                    "epochs": list(run.epochs),
                    "key_metric": run.key_metric,
                    "maximize": run.maximize,
                    "best_epoch": run.best_epoch,
                    "best": run.best,
                    "parameters": run.parameters,
                    "test": None if run.test is None else _plain_test(run.test),
                    "seconds": run.seconds,
                }
                for run in self.runs
            ],
            "differing": {row.name: list(row.cells) for row in self.differing},
            "differences": [
                {"letter": one.letter, "metric": one.metric, "samples": one.samples, "gain": one.gain.plain()}
                for one in self.differences
            ],
            "notices": [{"about": about, "text": text} for about, text in self.notices],
        }


def _plain_test(test: OnTest) -> dict[str, Any]:
    interval = None if test.interval is None else test.interval.plain()
    return {
        "metric": test.metric,
        "value": test.value,
        "interval": interval,
        "way": test.way,
        "samples": test.samples,
    }


def _signed(value: float | None) -> str:
    text = wording.score(value)
    return f"+{text}" if value is not None and value > 0 else text


def _ends(interval: Interval | None) -> str:
    """Both ends of an interval; a dash where there is none."""
    told = outcome.between(None if interval is None else interval.plain())
    return told or wording.NOTHING


def letters(count: int) -> Sequence[str]:
    """What so many runs are called: "A", "B", ..."""
    return [chr(ord("A") + number) for number in range(count)]
