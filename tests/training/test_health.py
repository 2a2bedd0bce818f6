"""Health in training: told, stopped, or begun anew with a lower learning rate, and stopping still changes nothing."""

import contextlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain import lineage
from deeptrain.errors import SettingsError, TrainingError, UnhealthyError
from deeptrain.introspection.health import Rules
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.batches import Batches
from deeptrain.loading.noise import Noise
from deeptrain.training import Every, Trainer
from deeptrain.training.health import Health
from deeptrain.training.journal import Journal, content_of_state
from deeptrain.training.phases import Phase
from deeptrain.training.progress import Progress
from tests import shard_files
from tests.conftest import TOML, one_by_one, tree
from tests.memory_journal import MemoryJournal
from tests.numpy_learner import NumpyLearner
from tests.piecewise import Mean
from tests.training.test_written_edges import run_in

RNG = np.random.Generator(np.random.Philox(1))
X = RNG.normal(size=(10, 2)).astype(np.float32)
Y = (X.sum(axis=1) > 0).astype(np.uint8)
EPOCHS = 3
SPLITS: list[Any] = []


class Steep(NumpyLearner):
    """Its loss is NaN once a step was too great, which after the first epoch is soon."""

    def _fit(self, *given: Any) -> Any:
        before = 0.9 * self._held["velocity"]
        loss, outputs = super()._fit(*given)
        step = np.abs(self._held["velocity"] - before).max()
        most = 0.06 if self._held["drawn"] > 5 else 0.15 if self._held["drawn"] > 2 else 2.0
        return float("nan") if step > most else loss, outputs


class Count:
    """Remembers every epoch's beginning and end, and how many iterations there were."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def epoch_begin(self, trainer: Trainer) -> None:
        self.seen.append(f"begin {trainer.position.epoch}")

    def batch_end(self, trainer: Trainer) -> None:
        self.seen.append(f"{trainer.position.iteration} at {trainer.state.learning_rate}")

    def state(self) -> dict[str, Any]:
        return {"seen": list(self.seen)}

    def restore(self, state: Any) -> None:
        self.seen = list(state["seen"])


class Cut(Exception):
    """The process is gone: nothing more is written."""


@pytest.fixture(scope="module", autouse=True)
def splits(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("splits")
    SPLITS[:] = [
        shard_files.split(directory / name, X[:count], Y[:count], kind="binary")
        for name, count in (("train", 10), ("val", 4))
    ]


def trainer(health: Any = "roll_back", rate: float = 0.4, learner: Any = Steep, **given: Any) -> Trainer:
    batches = Batches(SPLITS[0], 3, seed=1, order="samples", preprocessors=[Mean()])
    data = [batches, Batches(SPLITS[1], 3)]
    made = Trainer(learner(rate=rate), *data, **{"epochs": EPOCHS, "kind": "binary", "health": health} | given)
    one_by_one(made)
    return made


def outcome(journal: MemoryJournal) -> list[Any]:
    """All that a disk would hold of the epochs."""
    return [
        (results, state, {name: value.tolist() for name, value in checkpoint.variables.items()}, checkpoint.history)
        for results, state, checkpoint in journal.epochs
    ]


def same(one: MemoryJournal, two: MemoryJournal) -> None:
    for (results, state, variables, history), others in zip(outcome(one), outcome(two), strict=True):
        assert (results, state, variables) == others[:3]
        np.testing.assert_array_equal(history.loss, others[3].loss)
        np.testing.assert_array_equal(history.iteration, others[3].iteration)


def test_an_epoch_that_fails_is_begun_anew_with_a_lower_learning_rate() -> None:
    with pytest.raises(UnhealthyError, match="the loss became nan"):
        trainer("tell").train()
    made = trainer()
    state = made.train()
    epochs = [one.epoch for one in state.roll_backs]
    assert epochs
    assert epochs[0] > 1
    assert state.learning_rate == pytest.approx(0.4 * 0.5 ** len(epochs))
    assert len(made.history()) == EPOCHS * 4
    assert state.roll_backs[0].reason.startswith(("the loss became nan in epoch 2", "the model's outputs for"))


@pytest.mark.parametrize("others", ["none", "of a phase", "set by hand"])
def test_it_is_the_training_that_had_the_lower_rate_from_the_beginning_of_that_epoch(others: str) -> None:
    """Also if that epoch was the first with other preprocessors."""

    def made(health: Any) -> Trainer:
        data = Batches(SPLITS[0], 3, seed=2, order="samples", preprocessors=[Noise(SPLITS[0].info, 0.1), Mean()])
        phases = [Phase(epoch=2, data=BatchFeed(data))] if others == "of a phase" else []
        found = trainer(health, phases=phases)
        if others == "set by hand":
            found.change(data=data)
        return found

    rolled = made(most_once())
    epoch = rolled.train().roll_backs[0].epoch
    lowered = made("off")
    for one in range(1, EPOCHS + 1):
        times = sum(back.epoch == one for back in rolled.state.roll_backs)
        if times:
            lowered.change(learning_rate=lowered.learner.learning_rate * 0.5**times)
        lowered.train(one)
    assert epoch > 1
    np.testing.assert_array_equal(rolled.learner.variables()["weights"], lowered.learner.variables()["weights"])
    np.testing.assert_array_equal(rolled.history().loss, lowered.history().loss)


def most_once() -> Health:
    return Health("roll_back", most=5)


@pytest.mark.parametrize("rate", [0.4, 2.0])
def test_a_training_that_is_begun_anew_and_cut_anywhere_ends_in_the_same_bytes(rate: float) -> None:
    def written(journal: MemoryJournal, cut: int, autosave: Every) -> int:
        seen = 0

        def watch(progress: Progress) -> None:
            nonlocal seen
            seen += progress.phase in {"fit", "validate", "checkpoint"}
            if seen == cut:
                raise Cut

        made = trainer(most_once(), rate, callbacks=[Count()], journal=journal, watch=watch, autosave=autosave)
        try:
            made.train()
        except Cut:
            made.close()
            written(journal, -1, autosave)
        return seen

    whole = MemoryJournal()
    events = written(whole, -1, Every(seconds=60))
    epochs = {one["epoch"] for one in whole.epochs[-1][1]["roll_backs"]}
    assert epochs
    assert rate < 1 or 1 in epochs
    for autosave in (Every(iterations=1), Every(iterations=3)):
        for cut in range(1, events + 1):
            journal = MemoryJournal()
            written(journal, cut, autosave)
            same(journal, whole)


def test_a_past_epoch_that_was_begun_anew_is_rebuilt_wherever_that_is_cut(tmp_path: Path) -> None:
    """The end of the epoch before it was let go, so another process could not begin it anew in its middle."""

    def rebuilding(store: Path, **given: Any) -> Trainer:
        return trainer(most_once(), journal=Journal(run_in(store)), **given)

    made = rebuilding(tmp_path / "whole", epochs=7)
    epoch = made.train().roll_backs[0].epoch
    made.close()
    run = run_in(tmp_path / "whole")
    assert epoch > 1
    assert not {epoch - 1, epoch} & run.kept(0)
    for cut in range(1, 4 * epoch + 8):
        store = tmp_path / str(cut)
        shutil.copytree(tmp_path / "whole", store)
        seen = 0

        def watch(progress: Progress, cut: int = cut) -> None:
            nonlocal seen
            seen += progress.phase == "fit"
            if seen == cut:
                raise Cut

        made = rebuilding(store, epochs=epoch, autosave=Every(iterations=1), watch=watch)
        with contextlib.suppress(Cut):
            made.train()
        made.close()
        made = rebuilding(store, epochs=epoch)
        assert made.position.epoch >= min(epoch, 1 + (cut - 1) // 4)
        made.train()
        assert content_of_state(made.learner.variables()) == run.recorded_state(epoch)
        made.close()


def test_how_many_iterations_are_fused_changes_nothing() -> None:
    journals = [MemoryJournal(), MemoryJournal()]
    for size, journal in zip((1, 64), journals, strict=True):
        made = trainer(journal=journal)
        made._loop.course.pace.size = size
        assert made.train().roll_backs
    same(*journals)


def test_what_callbacks_remember_goes_back_too() -> None:
    count = Count()
    made = trainer(callbacks=[count])
    made.train()
    assert made.state.roll_backs
    assert [one for one in count.seen if one.startswith("begin")] == [f"begin {one + 1}" for one in range(EPOCHS)]
    assert [int(one.split()[0]) for one in count.seen if " at " in one] == list(range(1, EPOCHS * 4 + 1))


def test_after_so_many_times_it_stops_as_without() -> None:
    message = (
        r"stops and the last good checkpoint stays; epoch 1 was begun anew 2 times with a lower learning rate; a lower "
        r"learning rate or gradient clipping may help"
    )
    with pytest.raises(UnhealthyError, match=message):
        trainer(Health("roll_back", most=2, factor=0.99), rate=50.0).train()


def test_a_checkpoint_of_what_is_not_finite_is_left_out_since_when_it_is_found_depends_on_the_clock() -> None:
    class Spoiled(NumpyLearner):
        """A variable that the loss does not show is infinite within an epoch, where steps are great, and not later."""

        def _fit(self, *given: Any) -> Any:
            found = super()._fit(*given)
            beyond = self.learning_rate > 0.3 and int(self._held["drawn"]) == 5
            self._held["scale"] = np.array([np.inf if beyond else 1.0])
            return found

    journals = [MemoryJournal(), MemoryJournal()]
    for autosave, journal in zip((Every(seconds=60), Every(iterations=1)), journals, strict=True):
        assert not trainer(learner=Spoiled, journal=journal, autosave=autosave).train().roll_backs
    same(*journals)


class Growing(NumpyLearner):
    """Its weights grow by more than ten times in the second epoch."""

    def _fit(self, *given: Any) -> Any:
        found = super()._fit(*given)
        if self.learning_rate > 0.3 and int(self._held["drawn"]) == 7:
            self._held["weights"] = self._held["weights"] * 40
        return found


def test_what_explodes_stops_training_with_the_epoch_or_begins_it_anew(caplog: pytest.LogCaptureFixture) -> None:
    told = trainer("tell", learner=Growing)
    assert told.train().stopped is None
    assert "health: weights: its weights grew" in caplog.text
    stopped = trainer("stop", learner=Growing)
    assert str(stopped.train().stopped).startswith("health, in epoch 2: weights: its weights grew")
    rolled = trainer(learner=Growing)
    assert [one.epoch for one in rolled.train().roll_backs] == [2]
    assert rolled.state.stopped is None


def test_telling_changes_no_byte_and_says_a_thing_once(caplog: pytest.LogCaptureFixture) -> None:
    journals = [MemoryJournal(), MemoryJournal()]
    health = Health("tell", rules=Rules(large=0.01))
    with caplog.at_level(logging.INFO, "deeptrain"):
        for policy, journal in zip((health, "off"), journals, strict=True):
            trainer(policy, learner=NumpyLearner, journal=journal).train()
    same(*journals)
    said = [one.message for one in caplog.records if one.message.startswith("health: weights")]
    assert len(said) == 1
    assert "of its weights are above 0.01; try weight decay" in said[0]
    assert ("weights", "large") in [(one.layer, one.kind) for one in health.findings]


def test_the_state_tells_what_the_newest_look_found() -> None:
    made = trainer(Health("tell", rules=Rules(large=0.01)), learner=NumpyLearner)
    assert made.state.health == ()
    before = made.train(1)
    assert [(one.layer, one.kind) for one in before.health] == [(one.layer, one.kind) for one in made.health.findings]
    assert any(line.startswith("health ") and "weights: " in line for line in str(before).splitlines())


def test_a_phase_that_changes_the_optimizer_is_not_rolled_back_behind_its_beginning() -> None:
    class Changing(Steep):
        def change(self, learning_rate: float = 0.0, frozen: Any = None) -> None: ...

    message = "epoch 2 is not begun anew since a phase begins with it that changes optimizer or frozen layers"
    with pytest.raises(UnhealthyError, match=message):
        trainer(learner=Changing, phases=[Phase(epoch=2, frozen=("conv*",))]).train()


def test_the_learning_rate_of_a_phase_is_lowered_again_from_what_the_phase_says() -> None:
    made = trainer(Health("roll_back", most=9), rate=0.01, phases=[Phase(epoch=3, learning_rate=4.0)])
    made.train(3)
    times = len(made.state.roll_backs)
    assert times
    assert {one.epoch for one in made.state.roll_backs} == {3}
    assert made.learner.learning_rate == 4.0 * 0.5**times


def test_an_epoch_is_either_changed_by_hand_or_begun_anew() -> None:
    made = trainer()
    made.train(1)
    made.change(threshold=0.4)
    with pytest.raises(UnhealthyError, match="epoch 2 is not begun anew since it was changed by hand"):
        made.train()
    made = trainer()
    made.step(until=lambda state: bool(state.roll_backs))
    with pytest.raises(TrainingError, match="threshold: epoch 2 was begun anew with a lower learning rate"):
        made.change(threshold=0.4)


def test_what_health_cannot_mean_is_refused() -> None:
    with pytest.raises(SettingsError, match="policy must be one of tell, stop, roll_back, off, got 'cure'"):
        trainer("cure")
    with pytest.raises(SettingsError, match="factor must be a number between 0 and 1, got 2"):
        Health(factor=2)
    with pytest.raises(SettingsError, match="most must be an integer of at least 1, got 0"):
        Health(most=0)


def test_health_is_in_the_identity_where_it_acts(make_experiment: Callable[..., Path]) -> None:
    file = make_experiment()

    def identity(**table: Any) -> str:
        settings = {"training.health": table.get("health", table)} if table else None
        return lineage.read(file, settings=settings).training.specification.identity

    assert identity() == identity(health="tell") == identity(health="off") == identity(policy="tell", dead=0.1)
    assert identity(health="stop") not in {identity(), identity(health="roll_back")}
    assert identity(health="stop") == identity(policy="stop", factor=0.1)
    assert identity(health="roll_back") != identity(policy="roll_back", factor=0.1)
    with pytest.raises(SettingsError, match=r"training\.health"):
        identity(policy="roll_back", factor=1.5)


STEEP = """
def build(data, rate=0.2, units=8):
    import keras
    return keras.Sequential(
        [keras.Input(data.shape), keras.layers.Dense(units, "relu"), keras.layers.Dropout(rate), keras.layers.Dense(1)]
    )
"""


def test_a_rate_that_explodes_is_lowered_until_the_model_learns(make_experiment: Callable[..., Path]) -> None:
    toml = TOML.replace('build"\n', 'build"\noutputs = "logits"\n').replace(
        "batch_size = 16",
        "batch_size = 16\n"
        'optimizer = { use = "sgd", arguments = { learning_rate = 1e30 } }\n'
        'health = { policy = "roll_back", factor = 1e-16 }',
    )
    file = make_experiment(toml=toml, builder=STEEP)
    with pytest.raises(UnhealthyError, match=r"not finite|became"):
        Trainer.from_experiment(file, settings={"training.health": "tell"}).train()
    store = file.parent / "runs"
    whole = Trainer.from_experiment(file, store=store / "whole")
    state = whole.train()
    whole.close()
    assert [one.epoch for one in state.roll_backs] == [1, 1]
    assert state.learning_rate == pytest.approx(0.01)
    assert all(np.isfinite(one).all() for one in whole.learner.variables().values())
    cut = Trainer.from_experiment(file, store=store / "cut", settings={"training.autosave_seconds": 1e-9})
    cut.step(until=lambda state: len(state.roll_backs) == 2 and state.iterations_done == 2)
    cut.close()
    cut = Trainer.from_experiment(file, store=store / "cut")
    assert cut.position.iteration == 2
    cut.train()
    cut.close()
    assert tree(store / "cut") == tree(store / "whole")
