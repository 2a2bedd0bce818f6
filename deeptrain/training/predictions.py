"""Predictions of splits as an artifact: raw outputs and their kind, labels, set numbers.

`predictions.json` tells epoch, kind of task, kind of outputs, splits, and the model's summary, and where weights were
averaged, of which epochs in which order (`averaged`); for each split `SPLIT.outputs.npy` holds the raw outputs as the
model gave them, `SPLIT.labels.npy` and `SPLIT.sets.npy` one row each: one a sample, or one a step of all samples where
every step has a label; `SPLIT.weights.npy` holds what each row counts for where the data have weights. Of several
outputs there is a `SPLIT.outputs-NAME.npy` and a `SPLIT.labels-NAME.npy` each. What is predicted for a sequence is the
mean over its windows. Predictions of several epochs, each alone, have all that in a directory an epoch, `NNNN/`.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from deeptrain.errors import ArtifactError, DataError, said
from deeptrain.formats import npy
from deeptrain.introspection.model import ModelDescription
from deeptrain.loading.feed import Feed
from deeptrain.metrics.metric import Kind
from deeptrain.shards.outputs import each, parts
from deeptrain.shards.settings import ONLY
from deeptrain.store.artifact import Artifact, Writer
from deeptrain.training import judging
from deeptrain.training.learner import Learner
from deeptrain.training.outputs import OutputKind, as_labels, interpret

INDEX = "predictions.json"


@dataclass(frozen=True, eq=False)
class SplitPredictions:
    """What the model said of one split.

    Attributes:
        outputs: raw, as the model gave them.
        values: (samples,) or (samples, classes) float64: probabilities, or values.
        labels: (samples,).
        sets: (samples,) int64.
        weights: (samples,) float32, what each counts for in metrics; None where the data have none.
    """

    outputs: np.ndarray
    values: np.ndarray
    labels: np.ndarray
    sets: np.ndarray
    weights: np.ndarray | None = None


def write(
    writer: Writer,
    learner: Learner,
    splits: Mapping[str, Feed],
    *,
    epochs: Sequence[int],
    kind: Kind | Mapping[str, Kind],
    outputs: OutputKind,
    classes: Sequence[str] | Mapping[str, Sequence[str]],
    model: ModelDescription,
    within: str = "",
) -> None:
    """Predict splits and write what came out.

    Args:
        writer: of the artifact.
        learner: standing at the end of the epoch, or with the mean weights of several.
        splits: their data, as it is fed.
        epochs: whose weights it has; the last is the one that was asked for.
        kind: of the task, by output where there are several.
        outputs: what the model's outputs are.
        classes: names of the classes, for readers, likewise.
        model: what the model is, for the report.
        within: the directory of the artifact that it all goes to, "0003/", or "".
    """
    for name, feed in splits.items():
        labels = feed.labels
        for what, given in (("outputs", judging.predict(learner, feed)), ("labels", labels)):
            for output, array in parts(given).items():
                writer.write(within + _file(name, what, output), _encode(array))
        writer.write(f"{within}{name}.sets.npy", _encode(feed.label_sets))
        if feed.label_weights is not None:
            writer.write(f"{within}{name}.weights.npy", _encode(feed.label_weights))
    writer.json(
        within + INDEX,
        {
            "epoch": epochs[-1],
            **({"averaged": list(epochs)} if len(epochs) > 1 else {}),
            "kind": kind,
            "outputs": outputs,
            "classes": each(list, classes),
            "splits": {name: len(feed.label_sets) for name, feed in splits.items()},
            "model": {"summary": model.summary, "parameters": model.parameters},
        },
    )


class _Index(msgspec.Struct):
    """What is relied on of `predictions.json`."""

    epoch: int
    kind: Kind | dict[str, Kind]
    outputs: OutputKind | dict[str, OutputKind]
    splits: dict[str, int]
    model: dict[str, Any]
    averaged: list[int] = []


def index(artifact: Artifact, within: str = "") -> dict[str, Any]:
    """What `predictions.json` tells; see `write`."""
    value = artifact.json(within + INDEX)
    try:
        msgspec.convert(value, _Index)
    except msgspec.ValidationError as error:
        path = artifact.directory / within / INDEX
        raise ArtifactError(f"{path}: not an index of predictions: {said(error)}".replace("`", "")) from error
    told: dict[str, Any] = value
    return told


def epochs(told: Mapping[str, Any]) -> tuple[int, ...]:
    """The epochs whose weights predicted, by an index: one, or those averaged, the one that was asked for last."""
    return tuple(int(number) for number in told.get("averaged", [told["epoch"]]))


def directories(artifact: Artifact) -> dict[int, str]:
    """Of predictions of several epochs, where those of each are: {3: "0003/"}, ascending."""
    found = sorted(file.name.partition("/")[0] for file in artifact.manifest.files if file.name.endswith(f"/{INDEX}"))
    return {int(name): f"{name}/" for name in found}


def read(artifact: Artifact, split: str, output: str = ONLY, within: str = "") -> SplitPredictions:
    """The predictions of a split, every byte checked.

    Args:
        artifact: the predictions.
        split: one that was predicted.
        output: one of several, by its name.
        within: the directory of an epoch, where there are those of several.

    Raises:
        ArtifactError: when they are not there or damaged.
    """
    told = index(artifact, within)
    kinds = parts(told["kind"])
    if output not in kinds:
        there = ", ".join(kinds) if ONLY not in kinds else "one, without a name"
        raise ArtifactError(f"{artifact.directory}: has no output {output!r}; there are {there}")
    outputs, labels = (_decode(artifact, within + _file(split, what, output)) for what in ("outputs", "labels"))
    sets = _decode(artifact, f"{within}{split}.sets.npy")
    weighted = f"{within}{split}.weights.npy"
    written = {file.name for file in artifact.manifest.files}
    weights = _decode(artifact, weighted) if weighted in written else None
    if not len(outputs) == len(labels) == len(sets) == (len(sets) if weights is None else len(weights)):
        raise ArtifactError(f"{artifact.directory}: outputs, labels, sets and weights of {split} are not equally many")
    values: Any = as_labels(interpret(outputs, kinds[output], told["outputs"]), labels, kinds[output])
    return SplitPredictions(outputs, values, labels, sets, weights)


def binary_columns(artifact: Artifact, split: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], np.ndarray | None]:
    """Labels and probabilities of all binary outputs, both (samples, outputs), the outputs' names, and weights.

    Raises:
        ArtifactError: when they are not there or damaged.
    """
    names = tuple(name for name, kind in parts(index(artifact)["kind"]).items() if kind == "binary")
    found = [read(artifact, split, name) for name in names]
    labels, values = (
        np.stack(column, axis=1) for column in zip(*((one.labels, one.values) for one in found), strict=True)
    )
    return labels, values, names, found[0].weights


def _file(split: str, what: str, output: str) -> str:
    return f"{split}.{what}-{output}.npy" if output else f"{split}.{what}.npy"


def _encode(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
    return buffer.getvalue()


def _decode(artifact: Artifact, name: str) -> np.ndarray:
    path, data = artifact.directory / name, artifact.verified(name)
    try:
        region = npy.header(io.BytesIO(data), path, str(path))
        npy.check_size(region, len(data) - region.offset, str(path))
    except DataError as error:
        raise ArtifactError(str(error)) from error
    array = np.frombuffer(data, region.dtype, offset=region.offset)
    return np.array(array.reshape(region.shape, order="F" if region.fortran else "C"))
