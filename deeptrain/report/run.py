"""A finished run as plain values: all that a report is made of."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError
from deeptrain.introspection.verdicts import Row
from deeptrain.report.samples import Samples

Plain = Mapping[str, Any]


@dataclass(frozen=True)
class Lineage:
    """One artifact the run is made of.

    Attributes:
        stage: what made it, such as "shards".
        artifact: its directory, relative to the run.
        identity: hex digest of what was asked.
        content: hex digest of what came out.
        inputs: the `artifact` names it was made from.
        seeds: the seeds it used, by name.
    """

    stage: str
    artifact: str
    identity: str
    content: str
    inputs: tuple[str, ...] = ()
    seeds: Plain = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Scores:
    """What the model said of one split, row by row in the same order.

    Attributes:
        labels: (samples,), 0 or 1.
        scores: (samples,) float, the probability of 1.
        sets: (samples,) int, the set number of each sample.
        weights: (samples,) what each sample counts for; None where all count alike.
    """

    labels: NDArray[Any]
    scores: NDArray[Any]
    sets: NDArray[Any]
    weights: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        """Check that the three belong together.

        Raises:
            DataError: when they are no vectors of one length.
        """
        shapes = [np.shape(self.labels), np.shape(self.scores), np.shape(self.sets)]
        if len(set(shapes)) != 1 or len(shapes[0]) != 1:
            raise DataError(f"report: labels, scores and sets must be vectors of one length, got shapes {shapes}")


@dataclass(frozen=True, eq=False)
class Run:
    """Everything the report tells, and nothing of time, host or place: the same run gives the same report.

    Attributes:
        name: of the experiment.
        title: heading of the page.
        settings: what was asked, by section of the TOML; nested plain values.
        lineage: the artifacts, inputs before what was made from them.
        data: plain values of the data's description: `shape`, `dtype`, `kind`, `classes`, `samples` by split,
            `label_counts` by split and class, `statistics`.
        epochs: one mapping an epoch, ascending: `epoch`, `iterations` (of the whole training, at the epoch's end),
            `train` and `validation` (value by metric, `loss` among them), `learning_rate`, `best` (whether it was
            the best so far).
        losses: (iterations,) float, the training loss of each iteration; may hold NaN and infinities.
        key_metric: the validation metric that chooses the best epoch.
        maximize: whether more of it is better.
        best_epoch: number of the best epoch.
        used_epoch: number of the epoch that predicted, or that was asked for of those averaged.
        model: summary of the model, as text in fixed columns.
        parameters: number of the model's parameters.
        calibration: what the model said of the split the threshold was tuned on.
        test: what it said of the split that was scored once.
        threshold: plain result of `calibration.threshold`.
        subset: plain result of `calibration.subset`.
        probabilities: plain result of `calibration.probabilities`.
        sureness: scores before and after they are made into probabilities, of the test split, or without one of the
            split that decided how; of several classes the greatest of each sample, and whether it is right.
        offsets: plain result of `calibration.class_offsets`.
        thresholds: plain result of `calibration.label_thresholds`.
        members: plain result of `calibration.members`, and of the threshold of their ensemble.
        evaluation: plain result of `calibration.evaluation`.
        left_out: (stage, reason) of what does not apply to this run.
        versions: version by library.
        command: what to type to get the same run.
        stopped: why training ended before all epochs, as a sentence.
        changed: what a person changed by hand while it was trained, in words.
        averaged: numbers of the epochs whose mean weights predicted, ascending; none where it was one alone.
        feeds: how data is fed, by "training" and "validation": plain values by what they are called.
        examples: samples of each class of the training split, of each input.
        health: of every layer with weights, and others where something is wrong, at the end of `health_epoch`.
        health_epoch: the epoch that predicted, or where its state is not kept, the best.
        hardest: samples of `hardest_split` that the model was most wrong about, of each input.
        hardest_split: the split they are of, in words.
        reconstructed: of that split, where samples are their own labels, some with what was made of them.
    """

    name: str
    title: str
    settings: Plain
    lineage: tuple[Lineage, ...]
    data: Plain
    epochs: tuple[Plain, ...]
    losses: NDArray[np.floating[Any]]
    key_metric: str
    maximize: bool
    best_epoch: int
    used_epoch: int
    model: str
    parameters: int
    versions: Plain
    command: str
    calibration: Scores | None = None
    test: Scores | None = None
    threshold: Plain | None = None
    subset: Plain | None = None
    probabilities: Plain | None = None
    sureness: tuple[Scores, Scores] | None = None
    offsets: Plain | None = None
    thresholds: Plain | None = None
    members: Plain | None = None
    evaluation: Plain | None = None
    left_out: tuple[tuple[str, str], ...] = ()
    stopped: str | None = None
    changed: tuple[str, ...] = ()
    averaged: tuple[int, ...] = ()
    feeds: Plain = field(default_factory=dict)
    examples: tuple[Samples, ...] = ()
    health: tuple[Row, ...] = ()
    health_epoch: int = 0
    hardest: tuple[Samples, ...] = ()
    hardest_split: str = ""
    reconstructed: tuple[Samples, ...] = ()

    def __post_init__(self) -> None:
        """Check what the pictures rely on.

        Raises:
            DataError: without an epoch, with epochs out of order, or with losses that are no vector.
        """
        numbers = [epoch["epoch"] for epoch in self.epochs]
        if not numbers:
            raise DataError(f"report: {self.name}: a report needs at least 1 finished epoch, got 0; train first")
        if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
            raise DataError(f"report: {self.name}: epochs must ascend, got {numbers[:12]}")
        if np.ndim(self.losses) != 1:
            raise DataError(f"report: {self.name}: losses must be a vector, got shape {np.shape(self.losses)}")

    def epoch(self, number: int) -> Plain:
        """The epoch of that number; an empty mapping when it is not among them."""
        return next((epoch for epoch in self.epochs if epoch["epoch"] == number), {})
