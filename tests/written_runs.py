"""Runs on disk whose artifacts are written by hand, since a comparison reads them and nothing else."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deeptrain.calibration import evaluation
from deeptrain.calibration.evaluation import Way
from deeptrain.store import artifact
from deeptrain.store.artifact import Artifact
from deeptrain.store.specification import Specification
from deeptrain.training.results import Results

LABELS = np.arange(60) % 3 == 0


def scores(seed: int = 0, noise: float = 0.4) -> np.ndarray:
    """Scores of `LABELS`, the better the less noise."""
    generator = np.random.Generator(np.random.Philox(seed))
    return np.clip(LABELS + generator.normal(0, noise, len(LABELS)), 0, 1)


def write(
    store: Path,
    outputs: np.ndarray | None,
    *,
    name: str = "digits",
    labels: np.ndarray = LABELS,
    kind: str = "binary",
    threshold: float = 0.5,
    data_seed: int = 1,
    epochs: int = 3,
    key: str = "f1_score",
    metric: str | None = None,
    parameters: int | None = 10,
    **settings: Any,
) -> Path:
    """A training with its predictions and evaluation; without outputs one that no job has finished.

    Returns:
        Its directory.
    """
    root = store / name
    shards = Specification("shards", 1, root, {"seed": data_seed})
    whole = Specification("shards", 1, shards.directory, shards.settings, name="whole")
    if not whole.directory.exists():
        _write(whole, {"data.json": {"seed": data_seed}})
    asked = {"experiment": {"seed": 1}, "training": {"key_metric": key, **settings}}
    training = Specification("training", 1, root, asked, {"shards": shards})
    made = []
    for number in range(1, epochs + 1):
        value = 0.5 + 0.1 * number
        results = Results(
            epoch=number,
            iterations=10 * number,
            train={"loss": 1 / number},
            validation={"loss": 1.1 / number, key: value},
            learning_rate=1e-3,
            key_value=value,
            is_best=True,
        )
        one = Specification(
            "epoch",
            1,
            training.directory / "epochs",
            {**asked, "epoch": number},
            {"shards": shards},
            name=f"{number:04d}",
        )
        best = {"state": {"best": {"epoch": number, "value": value}}}
        made.append(
            _write(
                one,
                {"metrics.json": results.plain(), "progress.json": best},
                {"shards": artifact.open(whole.directory)},
            )
        )
    if outputs is not None:
        told = {"epoch": epochs, "kind": kind, "outputs": "probabilities", "splits": {"test": len(labels)}}
        told["model"] = {"summary": "", "parameters": parameters}
        inputs: dict[str, Any] = {
            "training": Specification("epoch", 1, root, {**asked, "epoch": epochs}, {"shards": shards})
        }
        of = Specification("predictions", 1, root, {"epoch": "best", "of": epochs}, inputs)
        arrays = {"test.outputs.npy": outputs, "test.labels.npy": labels, "test.sets.npy": np.arange(len(labels))}
        predicted = _write(of, {"predictions.json": told}, {"training": made[-1]}, arrays)
        scored = Specification("evaluation", 1, root, {"metric": "f1_score"}, {"predictions": of})
        result = _evaluated(kind, labels, outputs, threshold)
        result |= {"metric": metric} if metric else {}
        _write(scored, {"evaluation.json": result}, {"predictions": predicted})
    return training.directory


def _evaluated(kind: str, labels: np.ndarray, outputs: np.ndarray, threshold: float) -> Any:
    if kind == "binary":
        ways = {"half": 0.5, "threshold": threshold}
        return evaluation.score(labels, outputs, "f1_score", ways).plain()
    if kind == "classes":
        ways_of: dict[str, Way] = {}
        return evaluation.score_classes(labels, outputs, "accuracy", ways_of).plain()
    return evaluation.metrics_of(labels, outputs, "values")


def _write(
    specification: Specification,
    json: Mapping[str, Any],
    inputs: Mapping[str, Artifact] | None = None,
    arrays: Mapping[str, np.ndarray] | None = None,
) -> Artifact:
    links = {name: made.link for name, made in (inputs or {}).items()}
    with artifact.writing(specification, links) as writer:
        for name, value in json.items():
            writer.json(name, value)
        for name, array in (arrays or {}).items():
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            writer.write(name, buffer.getvalue())
    return artifact.open(specification.directory)
