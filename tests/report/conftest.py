"""A finished run made of numbers that look like one, for the tests of its report."""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deeptrain.calibration import evaluation, subset, threshold
from deeptrain.introspection import verdicts
from deeptrain.report.run import Lineage, Run, Scores
from deeptrain.report.samples import Sample, Samples


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Run]:
    return _run


@pytest.fixture(scope="session")
def run() -> Run:
    return _run()


def _run(epochs: int = 4, per_epoch: int = 25, seed: int = 0, calibrated: bool = True, **changes: Any) -> Run:
    generator = np.random.Generator(np.random.Philox(seed))
    iterations = epochs * per_epoch
    decay = np.exp(-np.arange(iterations) / (iterations / 4))
    losses = (0.4 * decay + 0.03) * np.exp(generator.normal(0, 0.4, iterations))
    told = []
    for number in range(1, epochs + 1):
        left = float(np.exp(-4 * number / epochs))
        told.append(
            {
                "epoch": number,
                "iterations": number * per_epoch,
                "train": {"loss": 0.3 * left + 0.03, "f1_score": 0.98 - 0.5 * left},
                "validation": {"loss": 0.3 * left + 0.04, "f1_score": 0.96 - 0.4 * left},
                "learning_rate": 0.002 if number < 4 else 0.001,
                "best": True,
            }
        )
    base = Run(
        name="digits",
        title="Is it an eight?",
        settings={
            "experiment": {"seed": 42},
            "model": {"builder": {"use": "digits:net", "arguments": {"filters": 16}}, "initial_weights": None},
            "training": {"epochs": epochs, "batch_size": 32, "metrics": ["f1_score"], "deterministic": True},
        },
        lineage=(
            _line("shards", (), {"data": 7}),
            _line("training", ("shards",), {"model": 42}),
            _line("predictions", ("training", "shards"), {}),
        ),
        data={
            "shape": [8, 8, 1],
            "dtype": "float32",
            "kind": "binary",
            "classes": ["other", "eight"],
            "samples": {"train": 800, "val": 200, "calibration": 300, "test": 300},
            "label_counts": {"train": [720, 80], "val": [180, 20], "calibration": [270, 30], "test": [270, 30]},
            "statistics": {"count": 51200, "mean": 4.9},
        },
        epochs=tuple(told),
        losses=losses,
        key_metric="f1_score",
        maximize=True,
        best_epoch=epochs,
        used_epoch=epochs,
        model='Model: "net"\n│ conv │ (None, 8, 8, 16) │ 160 │',
        parameters=6305,
        versions={"keras": "3.15.1", "numpy": "2.4.1"},
        command="luigi --module pipelines TrainModel --experiment digits.toml --epochs 4",
        feeds={"training": {"samples": 800, "batch size": 32}, "validation": {"samples": 200, "batch size": 32}},
        examples=(drawn("image", [("other", ()), ("eight", ())]),),
        health=verdicts.judged(weights()).rows,
        health_epoch=epochs,
        hardest=(drawn("image", [("", ("log loss 4.2", "is eight, said other (0.98)"))]),),
        hardest_split="calibration",
    )
    return dataclasses.replace(_calibrated(base, generator) if calibrated else base, **changes)


def weights(layers: int = 2) -> dict[str, np.ndarray]:
    """What some layers have learnt, one of them with large weights."""
    generator = np.random.Generator(np.random.Philox(7))
    found = {f"model/{number:04}/dense_{number}/kernel": generator.normal(0, 0.1, (8, 8)) for number in range(layers)}
    found["model/0999/large/kernel"] = np.full((4, 4), 9.0)
    return found


def drawn(form: Any, groups: list[tuple[str, tuple[str, ...]]], made: bool = False) -> Samples:
    """Four samples a group, with what is said of each."""
    generator = np.random.Generator(np.random.Philox(3))
    shape = {"image": (8, 8, 1), "series": (200, 3), "row": (3,)}[form]
    return Samples(
        name="",
        form=form,
        low=0.0,
        high=1.0,
        columns=("age", "weight", "height"),
        groups=tuple(
            (
                name,
                tuple(
                    Sample(values, words, 3, "digits-2.csv", row, 0.9 * values if made else None)
                    for row, values in enumerate(generator.random((4, *shape)))
                ),
            )
            for name, words in groups
        ),
    )


def _calibrated(run: Run, generator: np.random.Generator) -> Run:
    calibration, test = _scores(generator, 300), _scores(generator, 300)
    chosen = threshold.choose(calibration.labels, calibration.scores)
    best = subset.best(calibration.labels, calibration.scores, calibration.sets, 3)
    sizes = subset.every_size(calibration.labels, calibration.scores, calibration.sets)
    at = {"half": 0.5, "threshold": chosen.value, "subset": best.threshold}
    return dataclasses.replace(
        run,
        calibration=calibration,
        test=test,
        threshold={**chosen.plain(), "split": "calibration"},
        subset={**best.plain(), "sizes": [{"size": len(one.sets), "value": one.value} for one in sizes]},
        evaluation=evaluation.score(test.labels, test.scores, "f1_score", at).plain(),
    )


def _scores(generator: np.random.Generator, samples: int) -> Scores:
    labels = (np.arange(samples) % 8 == 0).astype(np.uint8)
    logits = generator.normal(0, 1.5, samples) + np.where(labels, 0.8, -2.8)
    return Scores(labels, 1 / (1 + np.exp(-logits)), np.arange(samples) // 40)


def _line(stage: str, inputs: tuple[str, ...], seeds: dict[str, int]) -> Lineage:
    digest = hashlib.sha256(stage.encode()).hexdigest()
    content = hashlib.sha256(digest.encode()).hexdigest()
    return Lineage(stage, _name(stage), digest, content, tuple(_name(name) for name in inputs), seeds)


def _name(stage: str) -> str:
    return f"{stage}-{hashlib.sha256(stage.encode()).hexdigest()[:16]}"
