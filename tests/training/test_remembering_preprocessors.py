"""Law 6 for preprocessors that keep something, whoever looks at data meanwhile, in this process or in the next one."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain.loading.batch import Batch
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.batches import Batches
from deeptrain.loading.settings import WindowSettings
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.shards.reading import Split
from deeptrain.training import Every, Trainer
from deeptrain.training.callbacks.newest import newest_of
from deeptrain.training.learner import Fitted
from deeptrain.training.phases import Phase
from tests import shard_files
from tests.memory_journal import MemoryJournal
from tests.memory_split import MemorySplit, series
from tests.numpy_learner import NumpyLearner
from tests.piecewise import Mean

LENGTHS = [9, 5, 7, 4]
"""In batches of 2, with windows of 4 every 3 steps: batches of several windows."""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Split:
    x = np.random.Generator(np.random.Philox(1)).standard_normal((40, 2), np.float32)
    return shard_files.split(tmp_path_factory.mktemp("samples"), x, (x[:, 0] > 0).astype(np.uint8), kind="binary")


def windows(chain: list[Any], *, fit: bool = True, augment: bool = True) -> WindowFeed:
    split: Any = MemorySplit(series(LENGTHS), np.arange(4) % 2)
    settings = WindowSettings(size=4, slide=3)
    return WindowFeed(
        Batches(split, 2, seed=1), settings, 2, preprocessors=chain, augment=augment and fit, training=fit
    )


def trainer(train: Any, val: Any = None, journal: MemoryJournal | None = None, **options: Any) -> Trainer:
    return Trainer(NumpyLearner(), train, val, **{"kind": "binary", "epochs": 2, "journal": journal} | options)


def weights(made: Trainer) -> np.ndarray:
    return made.learner.variables()["weights"]


def stopped(made: Trainer, steps: int) -> None:
    """Fit so many iterations, and write a checkpoint."""
    made.step(steps)
    made.save_soon()
    made.step(0)
    made._loop.record.settle()


class Centred(Mean):
    """What is to be given back is the input as it is fed."""

    def process(self, batch: Batch, rng: np.random.Generator | None) -> Batch:
        found = super().process(batch, rng)
        return dataclasses.replace(found, y=found.x)


class Gain(NumpyLearner):
    """An autoencoder of one gain for each feature."""

    def _fit(self, x: np.ndarray, y: np.ndarray, _: np.ndarray | None) -> tuple[float, np.ndarray]:
        loss, outputs = self.evaluate(x, y)
        pull = 0.1 * ((outputs - y) * x).mean(axis=0)
        self._held |= {"weights": self._held["weights"] - np.append(pull, 0.0)}
        return loss, outputs

    def evaluate(self, x: Any, y: Any, **_: Any) -> tuple[float, np.ndarray]:
        outputs = self.predict(x)
        return float(((outputs - y) ** 2).mean()), outputs

    def predict(self, x: Any, **_: Any) -> np.ndarray:
        return np.asarray(x * self._held["weights"][:-1])


def test_inputs_that_are_labels_are_those_that_are_judged_and_validating_keeps_nothing_of_them(tmp_path: Path) -> None:
    x = np.random.Generator(np.random.Philox(1)).standard_normal((22, 2), np.float32)
    split = shard_files.split(tmp_path, x, None)
    chain = [Centred()]
    feed = BatchFeed(Batches(split, 8, preprocessors=chain, augment=False))
    judged = np.concatenate([next(feed.judged(number)).x[0] for number in range(len(feed))])
    np.testing.assert_array_equal(feed.labels, judged)
    assert chain[0].kept["seen"] == 0

    def made(journal: MemoryJournal | None = None) -> Trainer:
        own = [Centred()]
        data = [Batches(split, 8, seed=1, order=order, preprocessors=own) for order in ("samples", "none")]
        return Trainer(Gain(), *data, epochs=2, journal=journal)  # type: ignore[arg-type]

    whole, looked, journal = made(), made(), MemoryJournal()
    whole.train()
    looked.step(2)
    assert looked.validate() == looked.validate()
    looked.train()
    np.testing.assert_array_equal(weights(looked), weights(whole))
    made(journal).train(until=1)
    resumed = made(journal)
    resumed.train()
    np.testing.assert_array_equal(weights(resumed), weights(whole))
    assert resumed.results[-1].validation == whole.results[-1].validation


@pytest.mark.parametrize("augment", [True, False])
def test_every_iteration_of_the_newest_batch_comes_again_as_it_was_fit(augment: bool) -> None:
    """In the process that fit it, and in one that goes on; an older one with what preprocessors keep now, in both."""
    fits: list[np.ndarray] = []

    class Telling(NumpyLearner):
        def fit(self, x: Any, y: Any, **given: Any) -> Fitted:
            fits.extend(np.array(one) for one in x)
            return super().fit(x, y, **given)

    def made(journal: MemoryJournal | None = None) -> Trainer:
        return Trainer(Telling(), windows([Mean()], augment=augment), kind="binary", epochs=2, journal=journal)

    whole = made()
    whole.train()
    fed, rows, older = fits.copy(), whole.history(), 0
    assert rows.window.max() >= 2
    for cut in range(1, len(fed) + 1):
        journal = MemoryJournal()
        killed = made(journal)
        stopped(killed, cut)
        again = made(journal)
        assert again.position == killed.position
        begun = cut - 1 - int(rows.window[cut - 1])
        for number in range(cut):
            here, there = (one.replay(number).x[0] for one in (killed, again))
            np.testing.assert_array_equal(here, there)
            if number >= begun:
                np.testing.assert_array_equal(there, fed[number], err_msg=f"{number} of {cut}")
            else:
                older += not np.array_equal(there, fed[number])
        for one in (killed, again):
            one.train()
            np.testing.assert_array_equal(weights(one), weights(whole))
    assert older


def test_a_batch_that_came_twice_by_hand_is_the_second_one(samples: Split) -> None:
    made = trainer(Batches(samples, 8, seed=1, order="samples", preprocessors=[Mean()]))
    made.step(3)
    made.repeat(1)
    made.step(1)
    assert made.history().batch.tolist() == [0, 1, 2, 2]
    assert made.newest is not None
    fed = made.newest.group.last.x
    np.testing.assert_array_equal(made.replay(3).x, fed)
    assert not np.array_equal(made.replay(2).x, fed), "the first time is an older one"


class Same:
    """Before another one, which so has another place."""

    def process(self, batch: Batch, _: np.random.Generator | None) -> Batch:
        return batch


CHAINS: dict[str, Callable[[Mean], list[Any]]] = {
    "none": lambda _: [],
    "its own": lambda _: [Mean()],
    "its own elsewhere": lambda _: [Same(), Mean()],
    "the same": lambda first: [first],
    "the same elsewhere": lambda first: [Same(), first],
}


@pytest.mark.parametrize("looks", ["resumed", "validated", "replayed"])
@pytest.mark.parametrize("chain", CHAINS)
def test_what_preprocessors_keep_is_theirs_in_every_phase(chain: str, looks: str) -> None:
    """Also what those keep that are fit in the first phase, and what is judged goes through these."""

    def made(journal: MemoryJournal | None = None) -> Trainer:
        first = Mean()
        phases = [Phase(epoch=2, data=windows(CHAINS[chain](first))), Phase(epoch=3, data=windows([first]))]
        return trainer(windows([first]), windows([first], fit=False), journal, epochs=3, phases=phases)

    whole = made()
    whole.train()
    for cut in range(1, whole.position.iteration):
        journal = MemoryJournal()
        found = made(journal)
        stopped(found, cut)
        if looks == "resumed":
            found = made(journal)
        elif looks == "validated":
            found.validate()
        else:
            found.replay(cut // 2)
        found.train()
        np.testing.assert_array_equal(weights(found), weights(whole))
        assert [one.plain() for one in found.results] == [one.plain() for one in whole.results], cut


@pytest.mark.parametrize("looks", ["resumed", "validated", "replayed"])
def test_preprocessors_of_the_next_phase_stand_as_they_were_made(looks: str) -> None:
    def made(journal: MemoryJournal | None = None) -> Trainer:
        own = [Phase(epoch=3, data=windows([Mean()]))]
        return trainer(windows([Mean()]), windows([Mean()], fit=False), journal, epochs=4, phases=own)

    whole, journal = made(), MemoryJournal()
    whole.train()
    found = made(journal)
    found.train(until=2)
    if looks == "resumed":
        found = made(journal)
    elif looks == "validated":
        found.validate()
    else:
        found.replay(found.position.iteration - 1)
    found.train()
    np.testing.assert_array_equal(weights(found), weights(whole))
    assert found.results[-1].validation == whole.results[-1].validation


def test_an_iteration_of_other_data_comes_again_as_the_same_in_every_process() -> None:
    def made(journal: MemoryJournal) -> Trainer:
        chain = [Mean()]
        return trainer(windows(chain), None, journal, phases=[Phase(epoch=2, data=windows(chain))])

    for cut in range(1, 10):
        journal = MemoryJournal()
        killed = made(journal)
        stopped(killed, cut)
        np.testing.assert_array_equal(killed.replay(0).x, made(journal).replay(0).x, err_msg=str(cut))


class Looking:
    """Notes what would be judged first, and how it is judged."""

    def __init__(self) -> None:
        self.seen: dict[int, np.ndarray] = {}

    def validation_begin(self, made: Trainer) -> None:
        assert made.val_data is not None
        self.seen[made.position.iteration] = np.array(next(made.val_data.judged(0)).x)


def test_a_validation_within_a_batch_sees_them_as_when_it_began_also_its_callbacks() -> None:
    """In the process that fit they are ahead: a window is made before it is asked for."""

    def made(journal: MemoryJournal | None = None) -> tuple[Trainer, Looking]:
        chain, look = [Mean()], Looking()
        every = Every(iterations=1, epochs=1)
        return trainer(
            windows(chain), windows(chain, fit=False), journal, validate=every, callbacks={"look": look}
        ), look

    whole, expected = made()
    whole.train()
    for cut in range(1, whole.position.iteration):
        journal = MemoryJournal()
        killed = made(journal)[0]
        stopped(killed, cut)
        again, look = made(journal)
        assert again.validate() == killed.validate()
        again.train()
        assert [one.plain() for one in again.results] == [one.plain() for one in whole.results], cut
        for iteration, seen in look.seen.items():
            np.testing.assert_array_equal(seen, expected.seen[iteration])


class WithoutTheFirst(MemoryJournal):
    """Has lost its first epoch: as many are done as follow one another from the first."""

    lost = False

    def done(self) -> int:
        return 0 if self.lost else super().done()

    def publish(self, checkpoint: Any, results: Any) -> bool:
        if not self.lost:
            return super().publish(checkpoint, results)
        kept, self.epochs, self.lost = self.epochs, [], False
        super().publish(checkpoint, results)
        self.epochs += kept[1:]
        return True


class AtTheEnd:
    """Notes what was fit last when an epoch ends."""

    every = Every(epochs=1)

    def __init__(self) -> None:
        self.seen: dict[int, np.ndarray] = {}

    def act(self, made: Trainer) -> None:
        x = newest_of(made).x
        assert not isinstance(x, Mapping)
        self.seen[made.position.iteration] = np.array(x)


def test_behind_a_jump_over_epochs_that_are_done_the_newest_is_of_the_last_one(samples: Split) -> None:
    def made(journal: MemoryJournal) -> tuple[Trainer, AtTheEnd]:
        data, look = Batches(samples, 8, seed=1, order="samples", preprocessors=[Mean()]), AtTheEnd()
        return trainer(data, None, journal, epochs=3, callbacks={"look": look}), look

    whole, expected = made(MemoryJournal())
    whole.train()
    journal = WithoutTheFirst()
    stopped(made(journal)[0], 15)
    journal.lost = True
    again, look = made(journal)
    assert again.position.iteration == 0
    again.train()
    assert list(look.seen) == [5, 15], "the second epoch was there"
    for iteration, seen in look.seen.items():
        np.testing.assert_array_equal(seen, expected.seen[iteration], err_msg=str(iteration))
