"""Watching a training: what is recorded, that a kill leaves neither gap nor repetition, and that it costs nothing."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain.errors import ArtifactError, IntrospectionError, SettingsError, UserCodeError
from deeptrain.introspection import watched
from deeptrain.loading.batches import Batches
from deeptrain.loading.piece_feed import PieceFeed
from deeptrain.loading.settings import WindowSettings
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.training import Every, Trainer, runtime
from deeptrain.training.callbacks.event_files import EventFiles
from deeptrain.training.callbacks.layer_histograms import LayerHistograms
from deeptrain.training.callbacks.watch import Watch
from deeptrain.training.keras_globals import fresh_names_and_seeds
from deeptrain.training.keras_learner import KerasLearner
from tests import shard_files
from tests.memory_journal import MemoryJournal
from tests.memory_split import MemorySplit, series
from tests.numpy_learner import NumpyLearner
from tests.piecewise import Debt, Ended, Mean

SAMPLES = 40
OF = ("weights", "updates", "learning_rate")


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    rng = np.random.Generator(np.random.Philox(1))
    directory, found = tmp_path_factory.mktemp("splits"), []
    for name in ("train", "val"):
        x = rng.normal(size=(SAMPLES, 2)).astype(np.float32)
        y = (x @ [1.0, -1.0] + rng.normal(size=SAMPLES) > 0.7).astype(np.uint8)
        found.append(shard_files.split(directory / name, x, y, kind="binary", set_sizes=[8] * 5))
    return found


def trainer(splits: list[Any], acting: Any, journal: MemoryJournal | None = None, **arguments: Any) -> Trainer:
    data = [Batches(splits[0], 8, seed=1, order="sets"), Batches(splits[1], 8)]
    return Trainer(NumpyLearner(), *data, epochs=3, callbacks=acting, journal=journal, **arguments)


def watching() -> dict[str, Any]:
    every = Every(iterations=2, validations=1, epochs=1)
    watch = Watch(OF, histograms=3, own={"loss": lambda made: made.state.loss}, every=every)
    return {"watch": watch, "events": EventFiles(lambda: 7.0)}


def files(live: Path) -> dict[str, bytes]:
    return {path.relative_to(live).as_posix(): path.read_bytes() for path in sorted(live.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def undisturbed(splits: list[Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    live = tmp_path_factory.mktemp("undisturbed")
    trainer(splits, watching(), MemoryJournal(live), validate=Every(iterations=3, epochs=1)).train()
    return files(live)


@pytest.mark.parametrize("saved", [1, 2, 4, 5, 7, 9, 10, 13])
def test_a_kill_leaves_neither_gap_nor_repetition(
    saved: int, splits: list[Any], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    assert len(undisturbed) == 6
    for lost in {1, 2, 15 - saved}:
        journal = MemoryJournal(tmp_path / str(lost))
        killed = trainer(splits, watching(), journal, validate=Every(iterations=3, epochs=1))
        killed.step(saved)
        written(killed)
        older = journal.unfinished
        killed.step(lost)
        if (
            lost == 2
        ):  # the newest checkpoint is one that the disk spoiled: what was recorded is ahead of the one before
            written(killed)
            journal.unfinished = older
        again = trainer(splits, watching(), journal, validate=Every(iterations=3, epochs=1))
        assert again.position.iteration <= saved + lost
        again.train()
        assert files(journal.live) == undisturbed


FEEDS: dict[str, Any] = {
    "batches": lambda split: Batches(split, 8, seed=1, order="sets", preprocessors=[Mean()]),
    "pieces": lambda split: PieceFeed(Batches(split, 8, seed=1), preprocessors=[Mean(), Debt(), Ended()]),
    "windows": lambda _: WindowFeed(
        Batches(MemorySplit(series([9, 5, 7, 4]), np.arange(4) % 2), 2, seed=1),  # type: ignore[arg-type]
        WindowSettings(size=4, slide=3),
        2,
        preprocessors=[Mean()],
        augment=True,
        training=True,
    ),
}


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("judged", [False, True], ids=["without validation", "with validation"])
def test_behind_a_kill_the_newest_iteration_is_what_preprocessors_made_of_it_then(
    feed: str, judged: bool, splits: list[Any], tmp_path: Path
) -> None:
    """They go on with every batch, and so make another of the same samples, or none."""

    def made(live: Path, journal: MemoryJournal | None = None) -> Trainer:
        every = Every(iterations=2, validations=1, epochs=1)
        watch, histograms = (
            Watch(("updates", "outputs"), every=every),
            LayerHistograms(("outputs",), pictures=False, every=every),
        )
        learner, initial = small((4, 2) if feed == "windows" else (2,))
        learner.restore(initial)
        return Trainer(
            learner,
            FEEDS[feed](splits[0]),
            FEEDS[feed](splits[1]) if judged else None,
            kind="binary",
            epochs=2,
            callbacks={"watch": watch, "histograms": histograms},
            journal=journal or MemoryJournal(live),
            validate=Every(iterations=3, epochs=1),
        )

    whole = made(tmp_path / "whole")
    whole.train()
    expected, iterations = files(tmp_path / "whole"), whole.position.iteration
    assert len(expected) > iterations / 2 > 4
    for saved in range(1, iterations + 1):
        journal = MemoryJournal(tmp_path / str(saved))
        killed = made(tmp_path / str(saved), journal)
        killed.step(saved)
        written(killed)
        again = made(tmp_path / str(saved), journal)
        again.train()
        assert files(journal.live) == expected, saved


@functools.cache
def small(shape: tuple[int, ...]) -> tuple[KerasLearner, dict[str, np.ndarray]]:
    import keras
    from keras import layers

    runtime.start(1, True)
    with fresh_names_and_seeds(4):
        first = layers.LSTM(3) if len(shape) == 2 else layers.Dense(3)
        model = keras.Sequential([keras.Input(shape), first, layers.Dense(1, activation="sigmoid")])
        made = KerasLearner(model, keras.optimizers.Adam(1e-2), keras.losses.BinaryCrossentropy(), "binary")
    return made, {name: np.array(value) for name, value in made.variables().items()}


def written(made: Trainer) -> None:
    """Write a checkpoint now."""
    made.save_soon()
    made.step(0)
    made._loop.record.settle()


def test_one_that_is_set_between_two_calls_goes_on_too(
    splits: list[Any], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    journal = MemoryJournal(tmp_path)
    for steps in (2, 5, 5, 9):
        made = trainer(splits, {}, journal, validate=Every(iterations=3, epochs=1))
        made.callbacks = watching()
        made.step(steps)
        written(made)
    assert files(tmp_path) == undisturbed


def test_rows_are_of_every_look_once(undisturbed: dict[str, bytes]) -> None:
    rows = watched.joined(
        [watched.decode(data, Path(name)) for name, data in undisturbed.items() if name.startswith("watch/")]
    )
    looks = list(dict.fromkeys(rows["iteration"].to_pylist()))
    assert looks == [2, 3, 4, 5, 6, 8, 9, 10, 12, 14, 15]
    found = [tuple(row[name] for name in ("iteration", *watched.TEXTS)) for row in rows.to_pylist()]
    assert len(found) == len(set(found))
    assert set(rows["quantity"].to_pylist()) == {*OF, "loss"}


def test_what_the_optimizer_keeps_is_of_the_weight_whose_name_it_bears(splits: list[Any]) -> None:
    class Named(NumpyLearner):
        """Has two weights, the name of one the end of the other's."""

        def variables(self) -> dict[str, np.ndarray]:
            layers = {"pre_dense": 3.0, "dense": 4.0, "re_dense": 5.0}
            model = {f"model/{at:04}/{name}/kernel": np.ones(2) for at, name in enumerate(layers)}
            kept = {f"optimizer/0000/sgd/{name}_kernel_m_t": np.array([value]) for name, value in layers.items()}
            return super().variables() | model | kept

    for layers, expected in (("dense/kernel", [4.0]), ("*kernel", [3.0, 4.0, 5.0])):
        watch = Watch(("optimizer",), layers=layers, statistics=("norm",), every=Every(iterations=1))
        data = [Batches(splits[0], 8, seed=1, order="sets"), Batches(splits[1], 8)]
        Trainer(Named(), *data, callbacks={"watch": watch}).step(1)
        assert watch.rows()["value"].to_pylist() == expected
        assert set(watch.rows()["weight"].to_pylist()) == {"kernel/m_t"}


def test_what_is_recorded_is_what_there_is(splits: list[Any]) -> None:
    watch = Watch(("weights", "updates"), layers="weights", statistics=("norm", "q0.5"), every=Every(iterations=1))
    made = trainer(splits, {"watch": watch})
    before = made.learner.variables()["weights"]
    for iteration in range(1, 4):
        made.step(1)
        now = made.learner.variables()["weights"]
        rows = [row for row in watch.rows().to_pylist() if row["iteration"] == iteration]
        found = {(row["quantity"], row["statistic"]): row["value"] for row in rows}
        assert found["weights", "norm"] == pytest.approx(np.linalg.norm(now))
        assert found["weights", "q0.5"] == pytest.approx(np.median(now))
        kept = made.learner.variables()
        group = made.newest.group
        made.learner.fit(group.x[-1:], group.y[-1:])
        after = made.learner.variables()["weights"]
        made.learner.restore(kept)
        assert found["updates", "ratio"] == pytest.approx(np.linalg.norm(after - now) / np.linalg.norm(now))
        assert not np.array_equal(before, now)


def test_watching_changes_nothing_and_cuts_groups_only_where_it_acts(splits: list[Any]) -> None:
    groups, weights = [], []
    for found in ([], [Watch(("weights",))], [Watch(("weights",), every=Every(iterations=2))], [Watch(OF)]):
        made = trainer(splits, found, clock=lambda: 0.0, autosave=Every(epochs=1))
        made.train()
        groups.append(made.learner.groups)
        weights.append(made.learner.variables())
    assert groups[0] == groups[1] == [1, 2, 2, 5, 5]
    assert np.cumsum(groups[2]).tolist() == [1, 2, 4, 5, 6, 8, 10, 12, 14, 15]
    assert groups[3] == [1, 2, 2, 1, 5, 1, 5, 1]  # the batch that ended an epoch once more, for its update
    for other in weights[1:]:
        assert all(np.array_equal(other[name], value) for name, value in weights[0].items())


def test_what_is_no_number_is_recorded_as_it_is(splits: list[Any]) -> None:
    class Broken(NumpyLearner):
        def variables(self) -> dict[str, np.ndarray]:
            return super().variables() | {"weights": np.array([np.nan, 1.0, np.inf])}

    watch = Watch(("weights",), layers="weights", statistics=("norm", "nan", "inf"), histograms=2)
    data = [Batches(splits[0], 8, seed=1), Batches(splits[1], 8)]
    Trainer(Broken(), *data, callbacks={"watch": watch}, health="off").step(5)
    made = Trainer(Broken(), *data, callbacks={"watch": watch}, health="off")
    watch.act(made)
    found = {row["statistic"]: row for row in watch.rows().to_pylist()}
    assert [found[name]["value"] for name in ("norm", "nan", "inf")] == [1.0, 1.0, 1.0]
    assert found["histogram"]["counts"] == [0, 1]
    assert watched.decode(watched.encode(watch.rows()), Path("x")).equals(watch.rows())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"of": ("weigths",)}, "watch: unknown quantity 'weigths'; did you mean weights\\?"),
        ({"statistics": ("nrom",)}, "watch: unknown statistic 'nrom'; did you mean norm"),
        ({"of": ()}, "watch: of must be some of weights, gradients, .*, got none"),
        ({"histograms": -1}, "watch: histograms must be a number of bins, or 0 for none, got -1"),
        ({"own": {"weights": len}}, "'weights' is a quantity already"),
        ({"every": Every(seconds=1)}, "a clock would make two runs differ"),
        ({"of": ("weights",), "layers": "wieghts"}, "no variable of NumpyLearner is called wieghts; did you mean weig"),
        ({"of": ("weights",), "layers": "conv*"}, "no variable of NumpyLearner is called conv\\*; there are weights"),
        ({"of": ("gradients",)}, "layers are those of a Keras model or its learner, got NumpyLearner"),
    ],
)
def test_bad_input_is_found_before_training(arguments: dict[str, Any], message: str, splits: list[Any]) -> None:
    with pytest.raises((SettingsError, IntrospectionError), match=message):
        trainer(splits, {"watch": Watch(**arguments)})


def test_an_own_function_that_gives_no_number_is_named(splits: list[Any]) -> None:
    watch = Watch((), own={"mine": lambda _: {"a": "text"}}, every=Every(iterations=1))
    with pytest.raises(UserCodeError, match="watch: mine must give a number, or numbers by name, got 'text'"):
        trainer(splits, {"watch": watch}).step(1)


def test_rows_of_another_version_are_refused(tmp_path: Path) -> None:
    table = watched.joined([])
    other = table.replace_schema_metadata({watched.KEY: b"2"})
    with pytest.raises(ArtifactError, match="expected watched rows of version 1, got '2': written by another version"):
        watched.decode(watched.encode(other), tmp_path / "epoch-0001.parquet")
    with pytest.raises(ArtifactError, match=r"x\.parquet: not rows that were watched"):
        watched.decode(b"PAR1", Path("x.parquet"))
