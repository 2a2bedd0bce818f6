"""Callbacks: when each stage comes, how often each acts, and that stopping changes nothing of what they keep."""

import copy
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain import files
from deeptrain.errors import Interrupted, SettingsError, TrainingError, UserCodeError
from deeptrain.loading.batches import Batches
from deeptrain.loading.noise import Noise
from deeptrain.loading.settings import WindowSettings
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.training import Every, Trainer, on
from deeptrain.training.callbacks.callback import OF_BATCHES, OF_ITERATIONS, STAGES
from deeptrain.training.callbacks.naming import named
from tests import shard_files
from tests.memory_journal import MemoryJournal
from tests.memory_split import MemorySplit, series
from tests.numpy_learner import NumpyLearner

LABELS = np.array([0, 1, 0, 1, 1, 0, 1], np.uint8)
BATCHES = 3  # 7 samples in batches of 3, the last of 1
EPOCHS = 2


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    rng = np.random.Generator(np.random.Philox(1))
    directory = tmp_path_factory.mktemp("splits")
    return [
        shard_files.split(directory / name, rng.normal(size=(len(y), 2)).astype(np.float32), y, kind="binary")
        for name, y in (("train", LABELS), ("val", LABELS[:4]))
    ]


def trainer(splits: list[Any], callbacks: Any = (), **arguments: Any) -> Trainer:
    """On a clock that stands still, so that groups grow until something is due."""
    noisy = arguments.pop("noisy", {})
    data = [Batches(splits[0], 3, seed=1, order="samples", **noisy), Batches(splits[1], 3)]
    given = {"epochs": EPOCHS, "metrics": ["accuracy"], "clock": lambda: 0.0, **arguments}
    made = Trainer(NumpyLearner(), *data, callbacks=callbacks, **given)
    made._loop.course.pace.size = 1024
    return made


def windowed(callbacks: Any = (), **arguments: Any) -> Trainer:
    """Series of 9, 5 and 4 steps in batches of 2 and windows of 3: batches of 3 and 2 windows."""
    split: Any = MemorySplit(series([9, 5, 4], seed=3), LABELS[:3])
    cut = WindowSettings(size=3, remainder="drop")
    noisy = arguments.pop("noisy", {})
    train = WindowFeed(Batches(split, 2), cut, 2, augment=True, training=True, **noisy)
    val = WindowFeed(Batches(split, 2), cut, 2, training=False)
    given = {"kind": "binary", "epochs": EPOCHS, "clock": lambda: 0.0, **arguments}
    made = Trainer(NumpyLearner(), train, val, callbacks=callbacks, **given)
    made._loop.course.pace.size = 1024
    return made


class Told:
    """Notes every stage, with the iterations fit by then."""

    every = Every(iterations=3, validations=2, epochs=2)

    def __init__(self, stages: Any = (*STAGES, "act")) -> None:
        self.notes: list[str] = []
        for stage in stages:
            setattr(self, stage, lambda trainer, *_, stage=stage: self.note(stage, trainer))

    def note(self, stage: str, trainer: Trainer) -> None:
        self.notes.append(f"{stage} {trainer.position.iteration}")


ITERATION = ["batch_begin", "iteration_begin", "iteration_end", "batch_end"]
VALIDATION = [
    "validation_begin",
    *["validation_batch_begin", "validation_iteration_begin", "validation_iteration_end", "validation_batch_end"] * 2,
    "validation_end",
]


def test_every_stage_comes_in_its_order(splits: list[Any]) -> None:
    told = Told()
    trainer(splits, [told], validate=Every(iterations=2, epochs=1), journal=MemoryJournal()).train()

    def fit(iteration: int) -> list[str]:
        return [f"{stage} {iteration + stage.endswith('end')}" for stage in ITERATION]

    def at(iteration: int, *stages: str) -> list[str]:
        return [f"{stage} {iteration}" for stage in stages]

    assert told.notes == [
        *at(0, "init"),
        *at(0, "epoch_begin"),
        *fit(0),
        *fit(1),
        *at(2, *VALIDATION),
        *fit(2),
        *at(3, "act"),
        *at(3, *VALIDATION, "act", "epoch_end", "save"),
        *at(3, "epoch_begin"),
        *fit(3),
        *at(4, *VALIDATION),
        *fit(4),
        *fit(5),
        *at(6, "act"),
        # Of the end of an epoch and its iterations' frequency there is one validation
        *at(6, *VALIDATION, "act", "epoch_end", "act", "save"),
        *at(6, "end"),
    ]


def test_windows_are_iterations_of_a_batch() -> None:
    told = Told([*OF_ITERATIONS, *OF_BATCHES, "validation_iteration_end", "validation_batch_end"])
    windowed([told], epochs=1).train()
    inside = ["iteration_begin 1", "iteration_end 2", "iteration_begin 2", "iteration_end 3"]
    assert told.notes == [
        *["batch_begin 0", "iteration_begin 0", "iteration_end 1", *inside, "batch_end 3"],
        *["batch_begin 3", "iteration_begin 3", "iteration_end 4", "batch_end 4"],
        *["validation_iteration_end 4"] * 3,
        "validation_batch_end 4",
        "validation_iteration_end 4",
        "validation_batch_end 4",
    ]


def test_pausing_loading_and_failing_are_stages(splits: list[Any]) -> None:
    told = Told(["init", "load", "pause", "resume", "save", "exception", "end"])
    journal = MemoryJournal()
    once = on(Every(when=lambda state: state.iteration == 2))(lambda trainer: trainer.pause())
    first = trainer(splits, [told, once], journal=journal)
    assert first.train().paused
    first.step()
    assert told.notes == ["init 0", "save 2", "pause 2", "resume 2"]

    told = Told(["init", "load", "pause", "resume", "save", "exception", "end"])

    def fail(_: Trainer) -> None:
        if second.position.iteration == 5:
            raise RuntimeError("no more")

    second = trainer(splits, [on("batch_begin")(fail), told], journal=journal)
    assert told.notes == ["init 0", "load 2"]
    with pytest.raises(UserCodeError, match=r"callback fail: batch_begin\(\) failed in epoch 2, before iteration 5"):
        second.train()
    assert told.notes == ["init 0", "load 2", "resume 2", "save 3", "exception 5"]
    with pytest.raises(TrainingError, match="this trainer failed"):
        second.train()


def test_callbacks_are_called_in_their_order_and_a_stage_that_none_has_costs_nothing(splits: list[Any]) -> None:
    notes: list[str] = []
    callbacks = [on("batch_end")(lambda _, number=number: notes.append(number)) for number in "cab"]
    trainer(splits, callbacks, epochs=1).train()
    assert "".join(notes) == "cab" * BATCHES
    made = trainer(splits, [on("epoch_end")(lambda *_: None)], epochs=1, validate=Every(epochs=1))
    made.train()
    assert made.learner.groups == [2, 1]  # all batches of one size in one call


def counted(every: Every, splits: list[Any], **arguments: Any) -> list[str]:
    """When a callback of some frequency acts: iterations, and v after a validation or e at an epoch's end."""
    notes: list[str] = []
    clock = arguments.pop("clock", lambda: 0.0)

    class Acting:
        def __init__(self) -> None:
            self.every = every

        def act(self, trainer: Trainer) -> None:
            notes.append(str(trainer.position.iteration))

    trainer(splits, [Acting()], clock=clock, **arguments).train()
    return notes


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (Every(iterations=1), "1 2 3 4 5 6 7 8 9 10 11 12"),
        (Every(iterations=4), "4 8 12"),
        (Every(iterations=5), "5 10"),
        (Every(batches=7), "7"),
        (Every(epochs=1), "3 6 9 12"),
        (Every(epochs=3), "9"),
        (Every(validations=1), "2 3 4 6 8 9 10 12"),
        (Every(validations=3), "4 9"),
        (Every(when=lambda state: state.iterations_done == 2), "2 5 8 11"),
        (Every(iterations=4, batches=6), "4 6 8 12"),
        (Every(iterations=4, epochs=2), "4 6 8 12 12"),
        (Every(iterations=9, validations=3, when=lambda state: state.iteration == 5), "4 5 9 9"),
    ],
)
def test_how_often_a_callback_acts(every: Every, expected: str, splits: list[Any]) -> None:
    notes = counted(every, splits, epochs=4, validate=Every(iterations=2, epochs=1))
    assert notes == expected.split()


def test_batches_of_windows_count_when_they_end() -> None:
    notes: list[int] = []
    callback = on(Every(batches=2))(lambda trainer: notes.append(trainer.position.iteration))
    windowed([callback], epochs=3).train()
    assert notes == [4, 8, 12]


def test_seconds_pass_by_the_clock_since_it_acted_last(splits: list[Any]) -> None:
    now = [0.0]

    def tick(_: Trainer) -> None:
        now[0] += 1.0

    notes: list[int] = []
    callbacks = [
        on("iteration_end")(tick),
        on(Every(seconds=2.5))(lambda trainer: notes.append(trainer.position.iteration)),
    ]
    trainer(splits, callbacks, epochs=4, clock=lambda: now[0], autosave=Every(epochs=1)).train()
    assert notes == [3, 6, 9, 12]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "expected at least one of iterations, batches, epochs, validations, seconds, when"),
        ({"iterations": 0}, "iterations must be an integer of at least 1, got 0"),
        ({"epochs": 1.5}, "epochs must be an integer of at least 1, got 1.5"),
        ({"batches": True}, "batches must be an integer of at least 1, got True"),
        ({"seconds": 0}, "seconds must be a finite number above 0, got 0"),
        ({"seconds": float("inf")}, "seconds must be a finite number above 0, got inf"),
        ({"seconds": "1"}, "seconds must be a finite number above 0, got '1'"),
        ({"when": 5}, "when must be a function of the state, got 5"),
    ],
)
def test_a_frequency_that_is_none_is_told(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Every(**arguments)


frequencies = st.builds(
    Every,
    iterations=st.none() | st.integers(1, 7),
    batches=st.none() | st.integers(1, 7),
    validations=st.none() | st.integers(1, 4),
    epochs=st.integers(1, 3),
)


@settings(max_examples=40)
@given(frequencies, frequencies, st.integers(1, 5))
def test_groups_end_exactly_where_something_is_due(splits: list[Any], acts: Every, validates: Every, most: int) -> None:
    """Nothing due lies within a group, and no group ends without a reason."""
    callback = on(acts)(lambda _: None)
    validates = Every(iterations=validates.iterations, batches=validates.batches, epochs=validates.epochs)
    made = trainer(splits, [callback], epochs=4, validate=validates, autosave=Every(iterations=most))
    made.train()
    ends = np.cumsum(made.learner.groups).tolist()
    reasons = {one for one in range(1, 13) if one % BATCHES in {0, 2}}  # epochs' ends, and batches of another size
    for every in (acts, validates, Every(iterations=most)):
        for step in (every.iterations, every.batches):
            reasons |= set(range(step, 13, step)) if step else set()
    assert ends == sorted(reasons)


class Momentum:
    """A callback that everything goes through: keeps numbers from every stage, and changes the learning rate."""

    def __init__(self, every: Every) -> None:
        self.every = every
        self.kept = {"acted": [], "seen": 0.0, "batches": 0, "begun": 0, "validated": {}}

    def epoch_begin(self, trainer: Trainer) -> None:
        self.kept["begun"] += 1
        trainer.learner.learning_rate *= 0.9

    def batch_end(self, _: Trainer) -> None:
        self.kept["batches"] += 1

    def validation_iteration_end(self, trainer: Trainer) -> None:
        self.kept["seen"] += trainer.judged.loss

    def validation_end(self, trainer: Trainer, metrics: Mapping[str, float]) -> None:
        self.kept["validated"][str(trainer.state.iteration)] = metrics["loss"]
        trainer.threshold = 0.3 + 0.4 * metrics["accuracy"]

    def epoch_end(self, trainer: Trainer, results: Any) -> None:
        self.kept["seen"] /= 1 + results.key_value
        if results.epoch == 4:
            trainer.stop("four are enough")

    def act(self, trainer: Trainer) -> None:
        self.kept["acted"].append(trainer.position.iteration)
        trainer.learner.learning_rate *= 1.01

    def state(self) -> Mapping[str, Any]:
        return self.kept

    def restore(self, state: Mapping[str, Any]) -> None:
        self.kept = copy.deepcopy(dict(state))


def ended(made: Trainer, callback: Momentum) -> bytes:
    """Everything that a training comes to; as text, since an epoch that is not validated has nan for a key metric."""
    results = [one.plain() for one in made.results]
    return files.canonical_json([made.learner.variables(), results, made.state.kept.plain(), callback.kept])


class Killed(Exception):
    """The process is gone."""


CUTS = ["iteration_end", "validation_begin", "validation_iteration_end", "validation_end", "epoch_end", "save", "act"]


@settings(max_examples=60)
@given(
    frequencies,
    frequencies,
    st.lists(st.tuples(st.sampled_from(CUTS), st.integers(1, 9), st.booleans()), min_size=1, max_size=4),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
)
def test_stopping_anywhere_changes_nothing_that_callbacks_keep(
    splits: list[Any],
    acts: Every,
    validates: Every,
    cuts: list[tuple[str, int, bool]],
    autosave: int,
    last: bool,
    windows: bool,
) -> None:
    """Killed or paused several times, at any stage, by a callback before or after the one that remembers."""
    validates = Every(iterations=validates.iterations, batches=validates.batches, epochs=validates.epochs)
    arguments: dict[str, Any] = {"epochs": 6, "validate": validates, "metrics": ["accuracy"]}
    new = windowed if windows else functools.partial(trainer, splits)
    undisturbed = Momentum(acts)
    whole = new({"momentum": undisturbed}, **arguments)
    whole.train()

    journal = MemoryJournal()
    arguments |= {"journal": journal, "autosave": Every(iterations=autosave)}
    for stage, times, kill in cuts:
        callback, left = Momentum(acts), [times]

        def cut(cutting: Trainer, *_: Any, left: list[int] = left, kill: bool = kill) -> None:
            left[0] -= 1
            if left[0] == 0:
                if kill:
                    raise Killed
                cutting.interrupt()

        cutter = on(acts if stage == "act" else stage)(cut)
        # What cuts is no part of the training: it keeps nothing.
        given = {"momentum": callback, "cutter": cutter} if last else {"cutter": cutter, "momentum": callback}
        made = new(given, **arguments)
        try:
            made.train()
        except (UserCodeError, Interrupted):
            if not made._loop._failed:
                made.train()
    callback = Momentum(acts)
    made = new({"momentum": callback}, **arguments)
    made.train()
    assert ended(made, callback) == ended(whole, undisturbed)


@pytest.mark.parametrize("steps", [{"iterations": 1}, {"batches": 2}, {"epochs": 1}, {"until": lambda _: True}])
def test_stepping_by_hand_keeps_what_running_keeps(steps: dict[str, Any], splits: list[Any]) -> None:
    found = []
    for by_hand in (False, True):
        callback = Momentum(Every(iterations=2))
        made = trainer(splits, [callback])
        while by_hand and made.state.epoch <= EPOCHS:
            before = made.position
            made.step(
                **{
                    **steps,
                    **({"until": lambda state, before=before: state.position != before} if "until" in steps else {}),
                }
            )
        made.train()
        found.append(ended(made, callback))
    assert found[0] == found[1]


@pytest.mark.parametrize("windows", [False, True])
def test_the_batch_of_any_past_iteration_comes_again_as_it_was_fit(windows: bool, splits: list[Any]) -> None:
    """Of earlier epochs, too, with the noise that was added to it."""
    noisy: Any = {"preprocessors": [Noise(splits[0].info, 0.5)]}
    fed: list[np.ndarray] = []
    note = on("iteration_end")(lambda trainer: fed.append(np.array(trainer.newest.group.x[-1])))
    made = windowed([note], noisy=noisy) if windows else trainer(splits, [note], noisy=noisy)
    made.train()
    assert len(fed) == made.position.iteration
    assert len({x.tobytes() for x in fed}) == len(fed)
    for number in (*range(len(fed)), *reversed(range(len(fed)))):
        np.testing.assert_array_equal(made.replay(number).x[0], fed[number])


def test_functions_become_callbacks_by_stage_or_frequency(splits: list[Any]) -> None:
    notes: list[Any] = []

    @on("epoch_end")
    def told(_: Trainer, results: Any) -> None:
        notes.append(results.epoch)

    @on(Every(batches=3))
    def acted(_: Trainer) -> None:
        notes.append("acted")

    made = trainer(splits, [told, acted])
    made.train()
    assert list(made.callbacks) == ["told", "acted"]
    assert notes == ["acted", 1, "acted", 2]
    with pytest.raises(UserCodeError, match="told: no stage is called 'epoch_ended'; there are init, epoch_begin, "):
        on("epoch_ended")(told)


def test_callbacks_of_one_name_are_numbered_and_a_mapping_names_them_itself() -> None:
    assert list(named([Told(), Momentum(Every(epochs=1)), Told(), Told()])) == ["Told", "Momentum", "Told 2", "Told 3"]
    assert list(named({"one": Told(), "two": Told()})) == ["one", "two"]
    with pytest.raises(UserCodeError, match="callbacks: expected a list of them, or a mapping of names to them, got <"):
        named(Told())


class Half:
    def epoch_end(self, *_: Any) -> None: ...

    def state(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (5, "int: expected a callback, which has at least one of the methods act, init"),
        (Told, "Told: expected a callback, .*; got <class"),
        (Half(), r"Half: a callback that keeps something has both state\(\) and restore\(state\)"),
    ],
)
def test_what_is_no_callback_is_told(callback: Any, message: str) -> None:
    with pytest.raises(UserCodeError, match=message):
        named([callback])


def test_act_needs_a_frequency(splits: list[Any]) -> None:
    class Acting:
        def act(self, _: Trainer) -> None: ...

    with pytest.raises(UserCodeError, match=r"callback Acting: has act\(trainer\) but no `every`, an Every, that says"):
        trainer(splits, [Acting()])


def through_all_stages(splits: list[Any], callbacks: Any) -> None:
    """Trains, pauses, goes on, ends, and is opened again."""
    journal = MemoryJournal()
    made = trainer(splits, callbacks, journal=journal)
    made.step(2)
    made.pause()
    made.train()
    made.train()
    trainer(splits, callbacks, journal=journal)


@pytest.mark.parametrize("stage", sorted({*STAGES, "act"} - {"exception"}))
def test_a_failing_callback_names_itself_the_stage_and_the_place(stage: str, splits: list[Any]) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("this\nis wrong")

    fails = on(Every(batches=2) if stage == "act" else stage)(fail)
    message = rf"callback fail: {stage}\(\) failed in epoch \d, before iteration \d .*: ValueError: this is wrong"
    with pytest.raises(UserCodeError, match=message):
        through_all_stages(splits, [fails])


@pytest.mark.parametrize("stage", ["epoch_end", "act"])
def test_a_callback_that_returns_something_is_told_what_to_do_instead(stage: str, splits: list[Any]) -> None:
    """Elsewhere returning False, or True, stops; nothing may be thought to have been heard."""
    stops = on(Every(batches=2) if stage == "act" else stage)(lambda *_: False)
    message = rf"callback <lambda>: {stage}\(\) must return nothing, got False; trainer\.stop\(reason\) ends training"
    with pytest.raises(UserCodeError, match=message):
        trainer(splits, [stops]).train()


def test_a_failure_while_another_one_is_told_is_a_note_of_the_first(splits: list[Any]) -> None:
    def first(_: Trainer) -> None:
        raise ValueError("one")

    def second(_: Trainer, error: Exception) -> None:
        raise ValueError(f"two after {error}")

    with pytest.raises(UserCodeError, match=r"callback first: .* ValueError: one") as caught:
        trainer(splits, [on("batch_end")(first), on("exception")(second)]).train()
    assert "callback second: exception() failed" in caught.value.__notes__[0]


@pytest.mark.parametrize("stage", ["save", "pause", "resume", "load", "end"])
def test_what_comes_as_often_as_training_is_stopped_may_not_change_what_is_kept(stage: str, splits: list[Any]) -> None:
    class Counting:
        count = 0

        def state(self) -> Mapping[str, Any]:
            return {"count": self.count}

        def restore(self, state: Mapping[str, Any]) -> None:
            self.count = state["count"]

    def counts(self: Counting, _: Trainer) -> None:
        self.count += 1

    setattr(Counting, stage, counts)
    message = rf"Counting: {stage}\(\) changed what it keeps in state\(\); how often that stage comes depends on when"
    with pytest.raises(UserCodeError, match=message):
        through_all_stages(splits, [Counting()])


def test_callbacks_may_be_replaced_between_steps(splits: list[Any]) -> None:
    notes: list[str] = []
    one, two = (on("iteration_end")(lambda _, name=name: notes.append(name)) for name in "ab")
    made = trainer(splits, [one], epochs=1)
    made.step()
    made.callbacks = [two]
    made.step()
    made.callbacks = {}
    made.train()
    assert notes == ["a", "b"]


def test_a_pause_asked_for_within_a_validation_waits_for_the_batch_and_forgets_what_was_seen(splits: list[Any]) -> None:
    found = []
    for pause in (False, True):
        callback = Momentum(Every(epochs=1))
        asked: Callable[..., None] = lambda trainer: trainer.pause()  # noqa: E731
        callbacks = {"momentum": callback, "asks": on("validation_iteration_end")(asked)} if pause else [callback]
        made = trainer(splits, callbacks, epochs=1)
        made.train()
        if pause:
            assert made.state.paused
            assert callback.kept["seen"] == 0.0
            made.callbacks = {"momentum": callback}
            made.train()
        found.append(callback.kept)
    assert found[0] == found[1]
