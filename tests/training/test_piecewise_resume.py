"""Law 6 where preprocessors decide how many iterations a batch becomes: every cut gives the same bytes."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain import lineage, session
from deeptrain.errors import Interrupted, TrainingError
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.batches import Batches
from deeptrain.loading.piece_feed import PieceFeed
from deeptrain.metrics import names
from deeptrain.shards.reading import Split
from deeptrain.store import artifact
from deeptrain.store.completeness import Checker
from deeptrain.store.specification import Specification
from deeptrain.training import Every, Trainer, history, runtime
from deeptrain.training.journal import Journal
from deeptrain.training.keras_globals import fresh_names_and_seeds
from deeptrain.training.keras_learner import KerasLearner
from deeptrain.training.progress import Progress
from deeptrain.training.run import TrainingRun
from tests import shard_files
from tests.conftest import TOML, one_by_one, tree
from tests.piecewise import Debt, Ended, Halves, Mean

EPOCHS = 2


class Cut(Exception):
    """The process is gone: nothing more is written."""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Split:
    x = np.random.Generator(np.random.Philox(1)).standard_normal((22, 3), np.float32)
    return shard_files.split(tmp_path_factory.mktemp("samples"), x, np.arange(22, dtype=np.uint8) % 2, kind="binary")


@functools.cache
def compiled() -> tuple[KerasLearner, dict[str, np.ndarray]]:
    import keras
    from keras import layers

    runtime.start(1, True)
    with fresh_names_and_seeds(4):
        model = keras.Sequential([keras.Input((3,)), layers.Dropout(0.2), layers.Dense(1, activation="sigmoid")])
        made = KerasLearner(model, keras.optimizers.Adam(1e-2), keras.losses.BinaryCrossentropy(), "binary")
    return made, {name: np.array(value) for name, value in made.variables().items()}


def trainer(
    store: Path, split: Split, watch: Callable[[Progress], None] | None = None, autosave: float = 60.0
) -> Trainer:
    """A trainer that goes on where the one before it was cut. The learner is as made: compiled once."""
    learner, initial = compiled()
    learner.restore(initial)
    shards = Specification("shards", 1, store, {"of": "a test"})
    checker = Checker()
    if not checker.complete(shards):
        with artifact.writing(shards, {}) as writer:
            writer.write("data", b"elsewhere")
        checker.forget()
    chain: list[Any] = [Mean(), Debt(), Halves(), Ended()]
    return Trainer(
        learner,
        PieceFeed(Batches(split, 6, seed=5, order="samples"), preprocessors=chain),
        BatchFeed(Batches(split, 6, preprocessors=chain)),
        epochs=EPOCHS,
        metrics=[names.get("accuracy")],
        journal=Journal(TrainingRun(store, {"training": {}}, shards, None, {}, checker)),
        watch=watch,
        autosave=Every(seconds=autosave),
    )


@pytest.fixture(scope="module")
def undisturbed(samples: Split, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A run that was never cut, and how many iterations it took."""
    store = tmp_path_factory.mktemp("undisturbed")
    made = trainer(store, samples)
    made.train()
    made.close()
    return store, made.position.iteration


def test_every_cut_gives_the_same_bytes(samples: Split, tmp_path: Path, undisturbed: tuple[Path, int]) -> None:
    expected, iterations = tree(undisturbed[0]), undisturbed[1]
    assert iterations > 10
    for cut in range(1, iterations + EPOCHS + 1):
        store, seen = tmp_path / str(cut), 0

        def watch(progress: Progress, cut: int = cut) -> None:
            nonlocal seen
            seen += progress.phase in {"fit", "validate"}
            if seen == cut:
                raise Cut

        first = trainer(store, samples, watch, autosave=1e-9)
        one_by_one(first)
        with pytest.raises(Cut):
            first.train()
        first.close()
        second = trainer(store, samples)
        second.train()
        second.close()
        assert tree(store) == expected, f"cut after {cut} groups"


@pytest.mark.parametrize("size", [2, 100])
def test_how_many_pieces_are_fused_changes_no_byte(
    size: int, samples: Split, tmp_path: Path, undisturbed: tuple[Path, int]
) -> None:
    made = trainer(tmp_path, samples)
    one_by_one(made, size)
    made.train()
    made.close()
    assert tree(tmp_path) == tree(undisturbed[0])


def test_histories_tell_the_piece_and_progress_counts_what_was_fit(
    samples: Split, tmp_path: Path, undisturbed: tuple[Path, int]
) -> None:
    seen: list[Progress] = []
    made = trainer(tmp_path, samples, seen.append)
    one_by_one(made)
    made.train()
    made.close()
    rows = [
        history.decode(path.read_bytes(), path)
        for path in sorted(undisturbed[0].glob("training-*/epochs/*/history.parquet"))
    ]
    assert len(rows) == EPOCHS
    for epoch, found in enumerate(rows, 1):
        fits = [one for one in seen if one.phase == "fit" and one.epoch == epoch]
        assert [one.iteration for one in fits] == list(range(1, len(found) + 1))
        assert [int(one.batch.split(" piece ")[1]) - 1 for one in fits] == found.window.tolist()
        assert all(one.iterations >= one.iteration for one in fits)
        last = next(one for one in reversed(seen) if one.epoch == epoch)
        assert last.iterations == last.iteration == len(found)
        for batch in np.unique(found.batch):
            assert found.window[found.batch == batch].tolist() == list(range(int((found.batch == batch).sum())))
    assert {int(count) for found in rows for count in found.samples} <= {2, 3}  # halves of 6, and of the last 4


def test_a_stop_says_that_the_epochs_length_is_an_estimate(samples: Split, tmp_path: Path) -> None:
    made: Trainer

    def watch(progress: Progress) -> None:
        if progress.iteration == 3:
            made.interrupt()

    made = trainer(tmp_path, samples, watch)
    one_by_one(made)
    with pytest.raises(Interrupted, match=r"stopped in epoch 1 after 3 of about \d+ iterations"):
        made.train()
    made.close()


def test_an_epoch_in_which_nothing_is_fit_is_told(samples: Split) -> None:
    class Nothing(Halves):
        def pieces(self, *_: Any) -> Any:
            return []

    learner, _ = compiled()
    made = Trainer(learner, PieceFeed(Batches(samples, 6), preprocessors=[Nothing()]))
    with pytest.raises(
        TrainingError,
        match=r"nothing of any batch of epoch 1, or all were skipped: no iteration was fit",
    ):
        made.train()


def test_an_experiment_names_them_like_any_other(make_experiment: Callable[..., Path]) -> None:
    twice = """
class Twice:
    def __init__(self, data): ...
    def process(self, batch, rng):
        return batch
    def pieces(self, batch, rng):
        yield batch
        yield batch
"""
    file = make_experiment("pieces", toml=TOML.replace('["normalise"]', '["normalise", "my_pieces:Twice"]'))
    (file.parent / "my_pieces.py").write_text(twice)
    opened = session.open_data(lineage.read(file, store=file.parent / "runs"))
    training, judged = opened.feed("train", training=True), opened.feed("val")
    assert isinstance(training, PieceFeed)
    assert isinstance(judged, BatchFeed)
    training.close()
    judged.close()
