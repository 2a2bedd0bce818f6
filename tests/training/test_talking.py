"""Messages at any point of a training act between two iterations; but for a change by hand they change nothing."""

import copy
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from deeptrain.errors import Interrupted, MessageError, UserCodeError
from deeptrain.training import Every, Phase, Trainer, mailbox, on
from deeptrain.training.callbacks.callback import STAGES
from deeptrain.training.journal import Journal
from deeptrain.training.progress import Progress
from tests.memory_journal import MemoryJournal
from tests.numpy_learner import NumpyLearner
from tests.training.test_signals import came_to
from tests.training.test_written_edges import run_in, weights, windowed

VALIDATE = Every(iterations=4, epochs=1)


class Asking:
    """Says something to its trainer when it is told of something for the n-th time, and keeps how often it was told."""

    def __init__(self, at: int, *texts: str) -> None:
        self.told, self.at, self.texts = 0, at, texts
        self.stage = ""
        self.answers: list[Future[str]] = []
        self.hear: Callable[[Future[str]], None] = lambda _: None
        for stage in sorted({*STAGES} - {"save", "pause", "resume", "load", "exception"}):
            setattr(self, stage, self._tell(stage))

    def _tell(self, stage: str) -> Callable[..., None]:
        def tell(trainer: Trainer, *_: Any) -> None:
            self.told += 1
            if self.told == self.at:
                self.stage = stage
                for text in self.texts:
                    self.answers.append(trainer.ask(text))
                    self.answers[-1].add_done_callback(self.hear)

        return tell

    def said(self) -> list[str]:
        return [answer.result(timeout=0) for answer in self.answers]


class Counting:
    """Remembers something of every iteration, and of the rate in validations: what forgets it is found out."""

    def __init__(self) -> None:
        self.seen = 0

    def iteration_begin(self, trainer: Trainer) -> None:
        self.seen += 1
        trainer.learner.learning_rate = trainer.learner.learning_rate * (1 + 0.01 * (self.seen % 3))

    def validation_batch_end(self, trainer: Trainer) -> None:
        self.seen += int(1000 * trainer.learner.learning_rate)

    def state(self) -> dict[str, int]:
        return {"seen": self.seen}

    def restore(self, state: dict[str, int]) -> None:
        self.seen = state["seen"]


def talked(asking: Asking, journal: Any = None, **more: Any) -> Trainer:
    callbacks = {"asking": asking, "counting": Counting()}
    return windowed(validate=VALIDATE, callbacks=callbacks, journal=journal, **more)[0]


@pytest.fixture(scope="module")
def whole() -> tuple[list[Any], range]:
    """What an undisturbed training comes to, and how often a callback is told in it."""
    asking = Asking(0)
    trainer = talked(asking)
    trainer.train()
    assert came_to(trainer)[1][0] == list(range(12))
    return came_to(trainer), range(2, asking.told + 1)  # the first is of being made


def test_a_pause_at_any_point_waits_until_it_goes_on_and_changes_nothing(whole: tuple[list[Any], range]) -> None:
    expected, points = whole
    for at in points[::2]:
        asking, journal = Asking(at, "pause", "checkpoint", "pause", "resume", "resume"), MemoryJournal()
        shown: list[Progress] = []
        trainer = talked(asking, journal, watch=shown.append)
        trainer.train()
        assert came_to(trainer) == expected, asking.stage
        paused, written, again, resumed, not_paused = asking.said()
        assert paused.startswith("paused ")
        assert paused.endswith("; a checkpoint holds everything; resume goes on")
        assert written.startswith("is paused ")
        assert again == written
        assert resumed.startswith("goes on ")
        assert not_paused.startswith("is not paused, ")
        assert journal.unfinished is not None or asking.stage == "end"
        phases = [one.phase for one in shown]
        assert phases.count("paused") == 1
        stands, goes_on = shown[phases.index("paused")], shown[phases.index("paused") + 1]
        assert (stands.iteration, stands.loss) == (goes_on.iteration, goes_on.loss)
        assert goes_on.phase in {"fit", "validate"}
        trainer.close()


@pytest.mark.parametrize("texts", [["stop"], ["pause", "stop"]])
def test_a_stop_at_any_point_is_gone_on_from_in_another_process(
    texts: list[str], whole: tuple[list[Any], range]
) -> None:
    expected, points = whole
    for at in points[::5]:
        asking, journal = Asking(at, *texts), MemoryJournal()
        trainer = talked(asking, journal)
        with pytest.raises(Interrupted) as stopped:
            trainer.train()
        assert (stopped.value.signal_number, stopped.value.by_message) == (15, True)
        assert asking.said()[-1] == str(stopped.value)
        trainer.close()
        trainer = talked(Asking(0), journal)
        trainer.train()
        assert came_to(trainer) == expected, asking.stage
        trainer.close()


def test_a_stop_after_the_epoch_comes_when_it_is_done(whole: tuple[list[Any], range]) -> None:
    expected, points = whole
    stops = 0
    for at in points[::5]:
        asking, journal, told = Asking(at, "stop-after-epoch"), MemoryJournal(), ""
        trainer = talked(asking, journal)
        try:
            trainer.train()
        except Interrupted as stopped:
            told = str(stopped)
        epoch = len(journal.epochs)
        if not told:
            assert (asking.said(), epoch) == (["its last epoch is done"], 2)
            continue
        stops += 1
        assert told == f"stopped after epoch {epoch} of 2; a checkpoint holds everything: run the same command to go on"
        assert asking.said() == [f"stops when epoch {epoch} is done; the same command goes on behind it"]
        trainer.close()
        trainer = talked(Asking(0), journal)
        trainer.train()
        assert came_to(trainer) == expected, asking.stage
        trainer.close()
    assert stops > 15


def test_a_checkpoint_that_is_asked_for_at_any_point_is_written_and_changes_nothing(
    whole: tuple[list[Any], range],
) -> None:
    expected, points = whole
    for at in points[::5]:
        asking, journal = Asking(at, "checkpoint"), MemoryJournal()
        trainer = talked(asking, journal)
        trainer.train()
        assert came_to(trainer) == expected, asking.stage
        assert asking.said()[0].startswith("a checkpoint is on disk, ")
        assert journal.unfinished is not None
        trainer.close()


def test_a_learning_rate_at_any_point_is_the_change_by_hand_there_also_after_a_kill(
    whole: tuple[list[Any], range],
) -> None:
    """What is on disk when it is answered is all that a kill leaves."""
    undisturbed, points = whole
    for at in points[::2]:
        asking, journal, left = Asking(at, "lr 0.02"), MemoryJournal(), []
        asking.hear = lambda _, journal=journal, left=left: left.append(copy.deepcopy(journal))
        trainer = talked(asking, journal)
        trainer.train()
        if not trainer.interventions:
            assert (asking.said(), came_to(trainer)) == (["refused: its last epoch is done"], undisturbed)
            continue
        (changed,) = trainer.interventions
        assert (changed.key, changed.value) == ("learning_rate", 0.02)
        expected = came_to(trainer)
        assert expected != undisturbed
        trainer.close()
        told = (
            f"from iteration {changed.iteration} in epoch {changed.epoch} on; epochs from there on are of that course"
        )
        assert asking.said()[0].startswith("learning rate 0.02, was 0.1")
        assert asking.said()[0].endswith(told)

        by_hand = talked(Asking(0), MemoryJournal())
        if changed.epoch > 1:
            by_hand.train(changed.epoch - 1)
        by_hand.step(changed.iteration - by_hand.position.iteration)
        by_hand.change(learning_rate=0.02)
        by_hand.train()
        assert came_to(by_hand) == expected, (asking.stage, changed)

        (killed,) = left
        again = talked(Asking(0), killed)
        again.train()
        assert came_to(again) == expected, (asking.stage, changed)


def test_a_learning_rate_in_a_pause_acts_and_within_a_validation_waits_for_its_end() -> None:
    asking = Asking(0, "pause", "lr 0.02", "resume")
    trainer = talked(asking, MemoryJournal())
    trainer.step(2)
    asking.at = asking.told + 1
    trainer.train()
    assert asking.said()[1].startswith("learning rate 0.02, was 0.1")
    assert [(one.epoch, one.iteration) for one in trainer.interventions] == [(1, 3)]
    told: dict[str, str] = {}
    for text in ("lr 0.02", "pause"):
        within = Asking(0, *([text] if text.startswith("lr") else ["pause", "lr 0.02", "resume"]))
        one = talked(within, MemoryJournal())
        one.step(4)
        within.at = within.told + 2  # validation_begin, validation_batch_begin
        one.train()
        assert within.stage.startswith("validation_")
        told[text] = within.said()[text == "pause"]
    assert told["lr 0.02"].startswith("learning rate 0.02, was ")
    assert told["pause"] == "refused: it is paused within a validation; resume, and say it again"


def test_a_learning_rate_is_refused_with_the_reason_and_training_goes_on(tmp_path: Path) -> None:
    """Nothing can be written down: the disk says no."""
    trainer, _ = windowed(journal=Journal(run_in(tmp_path)))
    trainer.step(2)
    answer = trainer.ask("lr 0.5")
    (trainer.live.parent / "interventions.json").mkdir()
    assert trainer.learner.learning_rate == 0.1
    trainer.train()
    assert answer.result().startswith("refused: ")
    assert trainer.learner.learning_rate == 0.1
    assert trainer.position.epoch == 3
    trainer.close()


class NoRate(NumpyLearner):
    """As an estimator of scikit-learn that has no learning rate."""

    @property
    def learning_rate(self) -> float:
        return float("nan")


def test_where_there_is_no_learning_rate_nothing_is_written_down(tmp_path: Path) -> None:
    trainer, _ = windowed(journal=Journal(run_in(tmp_path)))
    trainer.learner.__class__ = NoRate
    answer = trainer.ask("lr 0.5")
    trainer.train()
    assert answer.result() == "refused: learning_rate: what is trained here has none to change"
    assert trainer.interventions == ()
    trainer.close()


def test_a_message_whose_doing_fails_is_answered_with_the_failure() -> None:
    asking = Asking(12, "checkpoint")
    trainer = talked(asking, MemoryJournal())
    trainer.callbacks = {**trainer.callbacks, "broken": on("save")(lambda _: 1 / 0)}
    with pytest.raises(UserCodeError, match="callback broken: save"):
        trainer.train()
    assert asking.said()[0].startswith(
        "checkpoint was not done: UserCodeError: callback broken: save() failed in epoch"
    )


def test_what_was_asked_and_not_done_is_answered_when_the_trainer_is_closed() -> None:
    trainer, _ = windowed()
    answer = trainer.ask("pause")
    trainer.close()
    assert answer.result(timeout=0) == "pause was not done: training has ended"
    assert trainer.ask("stop").result(timeout=0) == "stop was not done: training has ended"
    with pytest.raises(MessageError, match="unknown message 'x'"):
        trainer.ask("x")


def test_where_nothing_is_written_a_pause_says_so_and_a_signal_ends_it() -> None:
    asking = Asking(8, "pause")
    trainer = talked(asking)
    asking.hear = lambda _: trainer.interrupt(2)
    with pytest.raises(Interrupted, match="nothing is on disk: call train"):
        trainer.train()
    assert asking.said()[0].endswith("; nothing is on disk; resume goes on")


class Ticking:
    """Lets a second pass in each iteration, and pauses in the third, for as long as somebody in a thread wants."""

    def __init__(self, clock: list[float], talk: Callable[[Trainer], None]) -> None:
        self.clock, self.talk = clock, talk
        self.talking = threading.Thread()

    def iteration_begin(self, trainer: Trainer) -> None:
        self.clock[0] += 1.0
        if trainer.position.iteration == 2:
            self.talking = threading.Thread(target=self.talk, args=(trainer,))
            trainer.ask("pause").add_done_callback(lambda _: self.talking.start())


def test_a_pause_from_another_thread_costs_no_rate_and_answers_a_status() -> None:
    clock, told = [0.0], []

    def talk(trainer: Trainer) -> None:
        told.append(trainer.ask("status").result(timeout=0))
        clock[0] += 1e6
        told.append(trainer.ask("resume").result(60))

    ticking = Ticking(clock, talk)
    trainer, _ = windowed(clock=lambda: clock[0], callbacks={"ticking": ticking}, metrics=[])
    trainer.train()
    ticking.talking.join()
    assert told[0].startswith("paused, epoch 1 of 2, iteration 3 of 6, set ")
    assert told[1] == "goes on in epoch 1 after 3 of 6 iterations"
    assert trainer.state.iterations_per_second == pytest.approx(1.0)


def test_another_process_may_talk_through_the_mailbox_and_an_old_message_reaches_nobody(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    box = run.directory / "live" / "mailbox"
    box.mkdir(parents=True)
    (box / ("0" * 32 + ".message")).write_text("stop")
    asking, told = Asking(0), {}
    trainer = talked(asking, Journal(run), epochs=10_000)

    def talk() -> None:
        for text in ("status", "pause", "resume", "stop-after-epoch"):
            told[text] = mailbox.send(run.directory, text, 60)

    talking = threading.Thread(target=talk)
    talking.start()
    with pytest.raises(Interrupted, match=r"^stopped after epoch \d+ of 10000; "):
        trainer.train()
    talking.join()
    trainer.close()
    assert told["status"].startswith("epoch ")
    assert told["pause"].startswith("paused in epoch ")
    assert told["resume"].startswith("goes on in epoch ")
    assert list(box.iterdir()) == []
    with pytest.raises(MessageError, match="nobody is training there"):
        mailbox.send(run.directory, "status", 60)


def test_a_learning_rate_is_written_before_it_acts_and_a_killed_training_goes_on_with_it(tmp_path: Path) -> None:
    """On disk: the epoch it acts in has another identity, and what was saved of it before is gone on from by nobody."""
    phases = {"phases": [Phase(epoch=3, learning_rate=0.05)]}
    by_hand, _ = windowed(journal=Journal(run_in(tmp_path / "by_hand")), epochs=3, **phases)
    by_hand.step(8)
    by_hand.change(learning_rate=0.3)
    by_hand.train()
    by_hand.close()

    run, asking = run_in(tmp_path / "said"), Asking(0, "lr 0.3")
    before = run.epoch(2).identity
    killed = tmp_path / "killed"
    asking.hear = lambda _: shutil.copytree(run.root, killed / "said")
    trainer, _ = windowed(journal=Journal(run), epochs=3, callbacks={"asking": asking}, **phases)
    trainer.step(7)
    trainer.save_soon()
    asking.at = asking.told + 2  # behind iteration 8
    trainer.train()
    assert run.epoch(2).identity != before
    assert [(one.epoch, one.iteration) for one in trainer.interventions] == [(2, 8)]
    assert weights(trainer) == weights(by_hand)
    trainer.close()

    again, _ = windowed(journal=Journal(run_in(killed / "said")), epochs=3, **phases)
    assert [(one.epoch, one.iteration) for one in again.interventions] == [(2, 8)]
    assert again.position.iteration <= 8
    again.train()
    again.close()
    names = {"epochs", "states"}

    def published(root: Path) -> dict[str, bytes]:
        (training,) = root.glob("training-*")
        found = (path for path in training.rglob("*") if path.is_file())
        return {str(path.relative_to(training)): path.read_bytes() for path in found if path.parts[-3] in names}

    assert len(published(tmp_path / "by_hand")) > 6
    assert published(killed / "said") == published(tmp_path / "said") == published(tmp_path / "by_hand")
