"""What a user would keep states and results with, and what is here, all by one interface.

State number 1, 2, ... is numbers that follow from it, 80 kB of them. A program that is started again does what a user's
would: it loads what is there, and where that is not the state that is wanted, it saves that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import luigi
import numpy as np

from deeptrain.errors import AlteredError
from deeptrain.loading.position import Position
from deeptrain.store import artifact, sweep
from deeptrain.store.completeness import Checker
from deeptrain.store.specification import Specification
from deeptrain.training.history import History
from deeptrain.training.journal import Checkpoint, Journal
from deeptrain.training.run import TrainingRun
from deeptrain.training.state import TrainState
from tests.reliability.durable_steps import RUN

NOTHING, WRONG = 0, -1
"""In place of a state's number: there is none; what was loaded without a word is none that was ever saved."""
FEATURES, UNITS = 199, 100
VALUES = (FEATURES + 1) * UNITS


class Peer(Protocol):
    """Keeps one state, or the newest of several.

    Attributes:
        over: whether a state takes the place of one before it; otherwise it is a result, made once.
        imports: what is imported before any fork, since it takes long.
    """

    over: bool
    imports: tuple[str, ...]

    def ready(self, root: Path, number: int) -> Callable[[], object]:
        """What saves a state, with everything done that is none of it, such as building a model."""
        ...

    def load(self, root: Path) -> int:
        """The number of the state that a program goes on from; it raises what the program would end with."""
        ...


def values(number: int) -> np.ndarray:
    """The state with a number: (20,000,) float32."""
    return np.random.Generator(np.random.Philox(number)).normal(size=VALUES).astype(np.float32)


def number_of(found: np.ndarray) -> int:
    """The state that these values are, of 1 and 2."""
    flat = np.ravel(found).astype(np.float32)
    return next((one for one in (1, 2) if np.array_equal(flat, values(one))), WRONG)


class Numpy:
    """`np.save` to one path."""

    over = True
    imports: tuple[str, ...] = ()

    def ready(self, root: Path, number: int) -> Callable[[], object]:
        what = values(number)
        return lambda: np.save(root / RUN / "state.npy", what)

    def load(self, root: Path) -> int:
        path = root / RUN / "state.npy"
        return number_of(np.load(path)) if path.exists() else NOTHING


KERAS = ("tensorflow", "keras", "keras.src.saving.saving_lib", "h5py")


def _model() -> Any:
    """A model and its optimizer, of which both have variables."""
    import keras

    keras.backend.clear_session()
    model = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(UNITS)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def _variables(model: Any) -> list[Any]:
    return [*model.weights, *model.optimizer.variables]


def _assign(model: Any, number: int) -> None:
    for variable in _variables(model):
        size = int(np.prod(variable.shape))
        variable.assign((100 * values(number)[:size].reshape(variable.shape)).astype(variable.dtype))


def _number_of_model(model: Any) -> int:
    found = [np.array(variable) for variable in _variables(model)]
    for number in (1, 2):
        _assign(model, number)
        if all(np.array_equal(one, variable) for one, variable in zip(found, _variables(model), strict=True)):
            return number
    return WRONG


class SavedModel:
    """`model.save` to one `.keras` file, with its optimizer."""

    over = True
    imports: tuple[str, ...] = KERAS

    def ready(self, root: Path, number: int) -> Callable[[], object]:
        model = _model()
        _assign(model, number)
        return lambda: model.save(root / RUN / "model.keras")

    def load(self, root: Path) -> int:
        import keras

        path = root / RUN / "model.keras"
        return _number_of_model(keras.models.load_model(path)) if path.exists() else NOTHING


@dataclass
class Backup:
    """`keras.callbacks.BackupAndRestore`, asked at an epoch's end and at the beginning of `fit`, as `fit` does."""

    double: bool
    over: bool = True
    imports: tuple[str, ...] = KERAS

    def ready(self, root: Path, number: int) -> Callable[[], object]:
        model = _model()
        _assign(model, number)
        backup = self._of(model, root)
        return lambda: backup.on_epoch_end(number - 1)

    def load(self, root: Path) -> int:
        model = _model()
        before = [np.array(variable) for variable in _variables(model)]
        model._initial_epoch = 0
        self._of(model, root).on_train_begin()
        epoch = int(model._initial_epoch)
        after = zip(before, _variables(model), strict=True)
        if epoch == 0 and all(np.array_equal(one, variable) for one, variable in after):
            return NOTHING
        return epoch if epoch == _number_of_model(model) else WRONG

    def _of(self, model: Any, root: Path) -> Any:
        import keras

        backup = keras.callbacks.BackupAndRestore(root / RUN / "backup", double_checkpoint=self.double)
        backup.set_model(model)
        return backup


@dataclass
class LuigiTarget:
    """A task's output of text in a `LocalTarget`, written by its own atomic `open` or by Python's."""

    atomic: bool
    over: bool = False
    imports: tuple[str, ...] = ()

    def ready(self, root: Path, number: int) -> Callable[[], object]:
        lines = [f"{value!r}\n" for value in values(number).tolist()]

        def save() -> None:
            target = self._target(root)
            with target.open("w") if self.atomic else Path(target.path).open("w") as file:
                for line in lines:
                    file.write(line)

        return save

    def load(self, root: Path) -> int:
        target = self._target(root)
        if not target.exists():
            return NOTHING
        with target.open() as file:
            return number_of(np.array([float(line) for line in file]))

    def _target(self, root: Path) -> luigi.LocalTarget:
        return luigi.LocalTarget(str(root / RUN / "result.txt"))


class Artifact:
    """The output of a task of ours."""

    over = False
    imports: tuple[str, ...] = ()

    def ready(self, root: Path, number: int) -> Callable[[], object]:
        made, what = self._made(root), values(number).tobytes()

        def save() -> None:
            sweep.sweep(made.root)
            with artifact.writing(made, {}) as writer:
                writer.write("values.bin", what)

        return save

    def load(self, root: Path) -> int:
        found = Checker().check(self._made(root)).artifact
        if found is None:
            return NOTHING
        try:
            return number_of(np.frombuffer(found.verified("values.bin"), np.float32))
        except AlteredError as error:
            artifact.set_aside(error.directory)  # as tasks do; the same command makes it anew
            raise

    def _made(self, root: Path) -> Specification:
        return Specification("thing", 1, root / RUN, {"of": "a test"})


class Training:
    """The checkpoints of a training of ours, of which two are kept."""

    over = True
    imports: tuple[str, ...] = ("pyarrow.parquet",)

    def ready(self, root: Path, number: int) -> Callable[[], object]:
        what = {"values": values(number)}
        state = TrainState(Position(1, number, number))

        def save() -> None:
            sweep.sweep(root / RUN)
            journal = self._journal(root)
            journal.open()
            try:
                journal.resume(1)
                journal.save(Checkpoint(state, what, History.empty()))
            finally:
                journal.close()

        return save

    def load(self, root: Path) -> int:
        found = self._journal(root).resume(1)
        if found is None:
            return NOTHING
        number = number_of(found.variables["values"])
        return number if number == found.state.position.iteration else WRONG

    def _journal(self, root: Path) -> Journal:
        shards = Specification("shards", 1, root / RUN, {"of": "a test"})
        if not shards.directory.exists():
            with artifact.writing(shards, {}) as writer:
                writer.write("data", b"x")
        return Journal(TrainingRun(root / RUN, {"training": {}}, shards, None, {}, Checker()))


PEERS: Mapping[str, Peer] = {
    "deeptrain: a checkpoint": Training(),
    "deeptrain: a task's output": Artifact(),
    "np.save": Numpy(),
    "model.save": SavedModel(),
    "BackupAndRestore": Backup(double=False),
    "BackupAndRestore, double_checkpoint": Backup(double=True),
    "Luigi LocalTarget, open(path, 'w')": LuigiTarget(atomic=False),
    "Luigi LocalTarget, target.open('w')": LuigiTarget(atomic=True),
}
