"""Law 6: stopping changes nothing, wherever a training is cut."""

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deeptrain import alive, files, lineage
from deeptrain.errors import Interrupted, TrainingError
from deeptrain.training import Trainer
from deeptrain.training.progress import Progress
from tests.conftest import EVEN, TOML, one_by_one, tree, write_experiment
from tests.killing import Killed, killed_after_each

BATCHES = 5  # 70 samples in batches of 16
EPOCHS = 3


@pytest.fixture
def even(tmp_path: Path) -> Path:
    """Where how many samples are in the last batch shows nothing."""
    return write_experiment(tmp_path / "even", toml=EVEN)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    directory = tmp_path_factory.mktemp("undisturbed")
    trainer = Trainer.from_experiment(write_experiment(directory), store=directory / "runs")
    trainer.train()
    trainer.close()
    return tree(directory / "runs")


@pytest.mark.parametrize("steps", [1, 4])
def test_a_training_killed_after_every_few_steps_ends_in_the_same_bytes(
    steps: int, experiment: Path, undisturbed: dict[str, bytes]
) -> None:
    """Between every two iterations, before and behind each validation, the process dies without a word."""
    store = experiment.parent / "runs"
    assert killed_after_each(steps, experiment, store) == {1: EPOCHS * (BATCHES + 1) + 1, 4: 6}[steps]
    assert tree(store) == undisturbed


def test_interrupting_and_training_on_in_the_same_process_changes_nothing(
    experiment: Path, undisturbed: dict[str, bytes]
) -> None:
    store, at = experiment.parent / "runs", [1, 4, 5, 7, 14]
    trainer: Trainer

    def watch(progress: Progress) -> None:
        if at and (progress.epoch - 1) * BATCHES + progress.iteration == at[0]:
            at.pop(0)
            trainer.interrupt()

    trainer = Trainer.from_experiment(experiment, store=store, watch=watch)
    one_by_one(trainer)
    while at:
        with pytest.raises(Interrupted, match=r"stopped in epoch \d after \d of 5 iterations; a checkpoint holds"):
            trainer.train()
    trainer.train()
    trainer.close()
    assert tree(store) == undisturbed


def test_the_size_of_fused_groups_changes_no_byte(experiment: Path, undisturbed: dict[str, bytes]) -> None:
    store = experiment.parent / "runs"
    trainer = Trainer.from_experiment(experiment, store=store)
    one_by_one(trainer, 4)
    trainer.train()
    trainer.close()
    assert tree(store) == undisturbed


@pytest.mark.parametrize("seconds", [1e-9, 1e9])
def test_how_often_it_is_saved_changes_no_byte(seconds: float, experiment: Path, undisturbed: dict[str, bytes]) -> None:
    """After every iteration, or never in between."""
    store = experiment.parent / "runs"
    settings = {"training.autosave_seconds": seconds}
    trainer = Trainer.from_experiment(experiment, store=store, settings=settings)
    one_by_one(trainer)
    trainer.train()
    trainer.close()
    assert tree(store) == undisturbed


def test_checkpoints_of_other_code_or_other_data_are_not_gone_on_from(
    experiment: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They are another training's, which stays as it is; put into this one by force they are told and left."""
    store = experiment.parent / "runs"

    def stopped() -> tuple[Path, Trainer]:
        trainer = Trainer.from_experiment(experiment, store=store, settings={"training.autosave_seconds": 1e-9})
        begun = trainer.position.iteration
        trainer.step(BATCHES + 2)
        trainer.close()
        assert begun == 0
        return lineage.read(experiment, store=store).training.directory, trainer

    first, trainer = stopped()
    before = tree(first)
    model = experiment.parent / "my_model.py"
    model.write_text(model.read_text().replace("ReLU()", "ReLU(negative_slope=0.1)"))
    other, _ = stopped()
    raw = experiment.parent / "raw" / "part-1.csv"
    raw.write_text(raw.read_text().replace("a,b,c,d,y\n", "a,b,c,d,y\n9,9,9,9,1\n"))
    last, trainer = stopped()
    assert len({first, other, last}) == 3
    assert tree(first) == before

    for place in ("states", "unfinished"):
        for directory in (last / place).iterdir():
            shutil.rmtree(directory)
        shutil.copytree(first / place, last / place, dirs_exist_ok=True)
    again = Trainer.from_experiment(experiment, store=store)
    assert again.position.iteration == 0
    assert "states/0001: is not the state that epoch 1 recorded; it is set aside" in caplog.text
    again.step(BATCHES + 2)
    expected = trainer.learner.variables()
    for name, value in again.learner.variables().items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    again.close()


def test_a_trainer_that_stays_alive_and_one_restored_for_each_epoch_write_the_same(
    experiment: Path, undisturbed: dict[str, bytes]
) -> None:
    store = experiment.parent / "runs"
    for number in range(1, EPOCHS + 1):
        plan = lineage.read(experiment, store=store)
        reaching = alive.AliveTrainer(lambda _: lambda _: None)
        reaching.reach(plan, number)
        reaching.close()
    assert tree(store) == undisturbed


def test_validating_changes_no_byte_of_training(even: Path) -> None:
    with_validation = Trainer.from_experiment(even)
    without = Trainer.from_experiment(even)
    without.val_data = None
    without.metrics = ()
    for trainer in (with_validation, without):
        trainer.train()
    expected = with_validation.learner.variables()
    for name, value in without.learner.variables().items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_a_script_without_a_store_trains_to_the_same_weights_and_writes_nothing(
    experiment: Path, undisturbed: dict[str, bytes]
) -> None:
    from deeptrain.training import arrays

    trainer = Trainer.from_experiment(experiment)
    trainer.train()
    state = next(data for name, data in undisturbed.items() if name.endswith("states/0003/state.safetensors"))
    assert arrays.encode(trainer.learner.variables()) == state
    left = {path.name for path in experiment.parent.iterdir()} - {"__pycache__"}
    assert left == {"my_model.py", "raw", "tiny.toml"}


def test_more_epochs_later_continue_and_fewer_train_nothing(even: Path) -> None:
    store, fresh = even.parent / "runs", even.parent / "fresh"
    for epochs in (2, 4):
        trainer = Trainer.from_experiment(even, store=store, epochs=epochs)
        assert trainer.position.epoch == {2: 1, 4: 3}[epochs]
        trainer.train()
        trainer.close()
    trainer = Trainer.from_experiment(even, store=fresh, epochs=4)
    trainer.train()
    trainer.close()
    assert tree(store) == tree(fresh)
    again = Trainer.from_experiment(even, store=store, epochs=2)
    again.train()
    again.close()
    assert tree(store) == tree(fresh)


def test_a_pruned_state_is_rebuilt_to_the_recorded_content(even: Path) -> None:
    store = even.parent / "runs"
    trainer = Trainer.from_experiment(even, store=store, epochs=5)
    trainer.train()
    expected = trainer.learner.variables()
    trainer.close()
    plan = lineage.read(even, store=store, epochs=5)
    states = plan.training.directory / "states"
    before = tree(store)
    pruned = next(number for number in range(1, 6) if not (states / f"{number:04d}").exists())
    variables = alive.variables_after(plan, pruned)
    assert variables.keys() == expected.keys()
    assert tree(store) == before


def test_a_rebuilt_state_that_differs_from_the_record_is_refused(even: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from deeptrain.training.keras_learner import KerasLearner

    store = even.parent / "runs"
    trainer = Trainer.from_experiment(even, store=store, epochs=5)
    trainer.train()
    trainer.close()
    plan = lineage.read(even, store=store, epochs=5)
    states = plan.training.directory / "states"
    pruned = next(number for number in range(1, 6) if not (states / f"{number:04d}").exists())
    fit = KerasLearner.fit
    monkeypatch.setattr(KerasLearner, "fit", lambda self, x, y, **rest: fit(self, x * np.float32(1.0001), y, **rest))
    with pytest.raises(TrainingError, match=r"epoch \d trained again ends in other weights than recorded"):
        alive.variables_after(plan, pruned)


def test_a_forgotten_seed_generator_would_be_noticed(
    experiment: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: law 6 broken on purpose by restoring everything but the dropout's generator."""
    from deeptrain.training.keras_learner import KerasLearner

    store = experiment.parent / "runs"
    trainer = Trainer.from_experiment(experiment, store=store, epochs=1)
    trainer.train()
    trainer.close()
    restore = KerasLearner.restore

    def forgetful(self: KerasLearner, variables: dict[str, np.ndarray]) -> None:
        fresh = {name: value for name, value in self.variables().items() if name.startswith("seeds/")}
        restore(self, {**variables, **{name: np.array(value) for name, value in fresh.items()}})

    monkeypatch.setattr(KerasLearner, "restore", forgetful)
    trainer = Trainer.from_experiment(experiment, store=store)
    trainer.train()
    trainer.close()
    assert tree(store) != undisturbed


STATEFUL = '''
def build(data):
    import keras
    from keras import layers

    class Noisy(layers.Layer):
        """Draws from Keras' global generator, which no file of Keras holds."""

        def call(self, x, training=False):
            return x + 0.1 * keras.random.normal(keras.ops.shape(x)) if training else x

    inputs = keras.Input(data.shape)
    x = Noisy()(layers.GaussianNoise(0.05)(inputs))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(layers.Dense(5, "tanh")(x)))
'''


@pytest.mark.parametrize("cut", [2, 7])
def test_layers_that_draw_from_the_global_generator_resume_exactly(
    cut: int, make_experiment: Callable[..., Path]
) -> None:
    one = make_experiment("one", builder=STATEFUL, toml=TOML)
    trainer = Trainer.from_experiment(one, store=one.parent / "runs")
    trainer.train()
    trainer.close()
    two = make_experiment("two", builder=STATEFUL, toml=TOML)

    def watch(progress: Progress) -> None:
        if (progress.epoch - 1) * BATCHES + progress.iteration == cut:
            trainer.interrupt()

    trainer = Trainer.from_experiment(two, store=two.parent / "runs", watch=watch)
    one_by_one(trainer)
    with pytest.raises(Interrupted):
        trainer.train()
    trainer.close()
    trainer = Trainer.from_experiment(two, store=two.parent / "runs")
    trainer.train()
    trainer.close()
    assert tree(two.parent / "runs") == tree(one.parent / "runs")


def test_a_training_that_dies_in_durable_operations_ends_in_the_same_bytes(
    experiment: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between state and epoch, between epoch and tidying up, inside a checkpoint: everywhere a directory is written."""
    store = experiment.parent / "runs"
    settings = {"training.autosave_seconds": 1e-9}
    left, lengths = 0, itertools.count(1, 4)  # so many operations each process has: more and more, or none gets on

    def dying(real: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Killed
            real(*arguments)

        return call

    died = 0
    while True:
        left = next(lengths)
        trainer = Trainer.from_experiment(experiment, store=store, settings=settings)
        one_by_one(trainer)
        try:
            with monkeypatch.context() as patch:
                patch.setattr(files, "sync_directory", dying(files.sync_directory))
                patch.setattr(os, "rename", dying(os.rename))
                trainer.train()
        except Killed:
            died += 1
        else:
            break
        finally:
            trainer.close()
    assert died >= 5
    assert tree(store) == undisturbed


def test_a_damaged_epoch_in_the_middle_is_made_again_and_the_ones_behind_it_are_not_trained(experiment: Path) -> None:
    store, settings = experiment.parent / "runs", {"training.keep_every": 1}
    trainer = Trainer.from_experiment(experiment, store=store, settings=settings)
    trainer.train()
    trainer.close()
    before = tree(store)
    plan = lineage.read(experiment, store=store)
    (plan.training.epoch(2).directory / "metrics.json").write_bytes(b"{}")
    fitted: set[int] = set()

    def watch(progress: Progress) -> None:
        if progress.phase == "fit":
            fitted.add(progress.epoch)

    trainer = Trainer.from_experiment(experiment, store=store, settings=settings, watch=watch)
    trainer.train()
    trainer.close()
    assert {name: data for name, data in tree(store).items() if "quarantine" not in name} == before
    assert fitted == {2}
    assert trainer.position.epoch == 4


def test_checkpoints_of_a_past_that_was_trained_again_are_not_gone_on_from(
    experiment: Path, undisturbed: dict[str, bytes]
) -> None:
    """Stopped in epoch 3, then epoch 1 is lost: what is saved from there on must not be thrown away for being older."""
    store = experiment.parent / "runs"

    def stop_in(epoch: int, iteration: int) -> Trainer:
        def watch(progress: Progress) -> None:
            if (progress.epoch, progress.iteration) == (epoch, iteration):
                trainer.interrupt()

        trainer = Trainer.from_experiment(experiment, store=store, watch=watch)
        one_by_one(trainer)
        with pytest.raises(Interrupted):
            trainer.train()
        trainer.close()
        return trainer

    stop_in(3, 2)
    plan = lineage.read(experiment, store=store)
    (plan.training.epoch(1).directory / "metrics.json").unlink()
    for state in (plan.training.directory / "states").iterdir():
        shutil.rmtree(state)
    stop_in(1, 3)
    trainer = Trainer.from_experiment(experiment, store=store)
    assert (trainer.position.epoch, trainer.position.batch) == (1, 3)
    trainer.train()  # epoch 1, and on from the checkpoint in epoch 3, which comes from the same epoch 2
    trainer.close()
    reaching = alive.AliveTrainer(lambda _: lambda _: None)
    reaching.reach(lineage.read(experiment, store=store), EPOCHS)  # the states that are to stay
    reaching.close()
    assert {name: data for name, data in tree(store).items() if "quarantine" not in name} == undisturbed


def test_a_rebuild_that_is_stopped_goes_on_where_it_stopped(even: Path) -> None:
    store = even.parent / "runs"
    trainer = Trainer.from_experiment(even, store=store, epochs=6)
    trainer.train()
    trainer.close()
    before = tree(store)
    plan = lineage.read(even, store=store, epochs=6, settings={"training.autosave_seconds": 1e-9})
    kept = {int(path.name) for path in (plan.training.directory / "states").iterdir()}
    pruned = max(set(range(1, 7)) - kept)

    def stop(progress: Progress) -> None:
        if progress.epoch == pruned and progress.iteration:
            raise Killed

    with pytest.raises(Killed):
        alive.variables_after(plan, pruned, stop)
    begun: list[tuple[int, int]] = []
    plan = lineage.read(even, store=store, epochs=6)
    alive.variables_after(plan, pruned, lambda progress: begun.append((progress.epoch, progress.iteration)))
    assert begun[0][0] == pruned
    assert tree(store) == before


def test_a_trainer_that_failed_trains_no_more(experiment: Path, undisturbed: dict[str, bytes]) -> None:
    store = experiment.parent / "runs"

    def fail(progress: Progress) -> None:
        if progress.iteration == 3:
            raise Killed

    trainer = Trainer.from_experiment(experiment, store=store, watch=fail)
    one_by_one(trainer)
    with pytest.raises(Killed):
        trainer.train()
    with pytest.raises(TrainingError, match="this trainer failed, and may stand in the middle of an iteration"):
        trainer.train()
    trainer = Trainer.from_experiment(experiment, store=store)
    trainer.train()
    trainer.close()
    assert tree(store) == undisturbed
