"""Preprocessors that end a batch early, hold it longer, or remember: for tests of feeds and of training."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from deeptrain.loading.batch import Batch


class Plain:
    """Where nothing may be random, a batch is fed as it is."""

    def process(self, batch: Batch, rng: np.random.Generator | None) -> Batch:
        assert rng is None
        return batch


class Held(Plain):
    """Feeds a batch several times, each with other noise from the one generator."""

    def pieces(self, batch: Batch, rng: np.random.Generator) -> Iterator[Batch]:
        for _ in range(3):
            yield dataclasses.replace(batch, x=(batch.x + rng.standard_normal(batch.x.shape)).astype(np.float32))


class Ended(Plain):
    """Leaves batches out, or ends them after one or two pieces."""

    def pieces(self, batch: Batch, rng: np.random.Generator) -> list[Batch]:
        return [batch] * int(rng.integers(0, 3))


class Halves(Plain):
    """One half after the other, the second reversed."""

    def pieces(self, batch: Batch, rng: np.random.Generator) -> Iterator[Batch]:  # noqa: ARG002 - the protocol's
        middle, count = len(batch.indices) // 2, len(batch.indices)
        if middle:
            yield batch.rows(range(middle))
        yield batch.rows(np.arange(middle, count)[::-1])


class Mean:
    """Remembers the mean of all it has seen, and takes it away."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {"seen": 0, "total": 0.0}

    def process(self, batch: Batch, rng: np.random.Generator | None) -> Batch:
        noise = 0.0 if rng is None else rng.standard_normal()
        self.kept["seen"] += batch.x.size  # in place: what was told by state() must not change with it
        self.kept["total"] += float(batch.x.sum())
        x = batch.x - self.kept["total"] / self.kept["seen"] + noise
        return dataclasses.replace(batch, x=x.astype(np.float32))

    def state(self) -> Mapping[str, Any]:
        return self.kept

    def restore(self, state: Mapping[str, Any]) -> None:
        self.kept = dict(state)


class Debt(Plain):
    """How many pieces it makes depends on all it has made, and it remembers more behind the last piece."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def pieces(self, batch: Batch, rng: np.random.Generator) -> Iterator[Batch]:  # noqa: ARG002 - the protocol's
        for number in range(sum(self.made) % 4):
            self.made.append(number)
            yield dataclasses.replace(batch, x=batch.x + np.float32(len(self.made)))
        self.made.append(1)

    def state(self) -> Mapping[str, Any]:
        return {"made": self.made}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.made = list(state["made"])
