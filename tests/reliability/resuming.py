"""A training that is killed and started again: `fit` with `BackupAndRestore`, and ours, in final weights.

    python -m tests.reliability.resuming --kills 20

Both train the same model (batch normalisation, dropout, Adam) on the same samples for 4 epochs of 8 iterations, are
killed after a random one, and started again by the same program. Seeds are set and operations are deterministic, so
what nobody kills ends in the same bytes on every run: that is checked first. A line of JSON tells of each kill, and a
table at the end of all.
"""

import importlib
import json
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.conftest import BUILDER, EVEN, write_experiment
from tests.reliability import tools

EPOCHS, ITERATIONS = 4, 8
ALL = EPOCHS * ITERATIONS
OURS = "deeptrain"
SAVING = {"BackupAndRestore": "epoch", "BackupAndRestore, save_freq=3": 3}
"""How often Keras' callback is told to save: at each epoch's end, as by default, or after so many batches."""
TOML = EVEN.replace("epochs = 3", f"epochs = {EPOCHS}\nautosave_seconds = 0.000001").replace(
    "batch_size = 16", "batch_size = 8"
)


class Resumed(NamedTuple):
    """What came of one kill.

    Attributes:
        who: trained.
        after: how many iterations it was killed.
        same: whether the final weights have the bytes of the undisturbed run's.
        fit: how many iterations made them; 32 where nothing is lost or fit twice.
        difference: the largest of any weight.
    """

    who: str
    after: int
    same: bool
    fit: int
    difference: float


class Trained(NamedTuple):
    """What a training ended with."""

    weights: np.ndarray
    fit: int


def resumed(who: str, afters: list[int], directory: Path) -> Iterator[Resumed]:
    """Kill a training after so many iterations, and start it again, each time anew."""

    def train(name: str, after: int | None = None) -> Trained | None:
        return _in_fork(lambda: _train(who, directory / name, after))

    undisturbed, twin = train("undisturbed"), train("twin")
    assert undisturbed is not None
    assert twin is not None
    assert undisturbed.weights.tobytes() == twin.weights.tobytes(), f"{who}: differs without a kill"
    for after in afters:
        name = f"after-{after}"
        assert train(name, after) is None
        ended = train(name)
        assert ended is not None
        difference = float(np.abs(ended.weights - undisturbed.weights).max())
        yield Resumed(who, after, ended.weights.tobytes() == undisturbed.weights.tobytes(), ended.fit, difference)


def _train(who: str, directory: Path, after: int | None) -> Trained:
    """Train, from what is there on, until the end or the kill."""
    file = directory / "tiny.toml"
    if not file.exists():
        write_experiment(directory, toml=TOML)
    return _ours(file, after) if who == OURS else _keras(directory, SAVING[who], after)


def _ours(file: Path, after: int | None) -> Trained:
    from deeptrain.training import Trainer

    trainer = Trainer.from_experiment(file, store=file.parent / "runs")
    if after is not None:
        trainer.step(after)
        os.kill(os.getpid(), signal.SIGKILL)
    trainer.train()
    variables = trainer.learner.variables()
    steps = next(int(value) for name, value in variables.items() if name.endswith("iteration"))
    return Trained(_flat([value for name, value in variables.items() if name.startswith("model/")]), steps)


def _keras(directory: Path, save_freq: Any, after: int | None) -> Trained:
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(3)
    tf.config.experimental.enable_op_determinism()

    class Kill(keras.callbacks.Callback):
        seen = 0

        def on_train_batch_end(self, *_: Any, **__: Any) -> None:
            self.seen += 1
            if self.seen == after:
                os.kill(os.getpid(), signal.SIGKILL)

    rows = np.concatenate(
        [np.loadtxt(path, delimiter=",", skiprows=1) for path in sorted((directory / "raw").iterdir())]
    )[: 8 * ITERATIONS].astype(np.float32)
    code: dict[str, Any] = {}
    exec(BUILDER, code)
    model = code["build"](type("Data", (), {"shape": (4,)}))
    model.compile("adam", "binary_crossentropy")
    model.fit(
        rows[:, :4],
        rows[:, 4:],
        batch_size=8,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[keras.callbacks.BackupAndRestore(directory / "backup", save_freq=save_freq), Kill()],
    )
    return Trained(_flat([np.array(one) for one in model.weights]), int(model.optimizer.iterations))


def _flat(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.ravel(one).astype(np.float64) for one in arrays if one.dtype.kind == "f"])


def _in_fork(work: Callable[[], Trained]) -> Trained | None:
    """What it returns; None where it was killed."""
    with tempfile.TemporaryFile() as told:
        pid = os.fork()
        if pid == 0:
            np.savez(told, **work()._asdict())
            told.flush()
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status == -signal.SIGKILL:
            return None
        assert status == 0, f"it ended with {status}"
        told.seek(0)
        found = np.load(told)
        return Trained(found["weights"], int(found["fit"]))


def table(found: list[Resumed]) -> str:
    """Markdown: of each who trained, over all kills."""
    lines = [
        "| | killed | same weights | iterations in them | largest difference of a weight |",
        "|---|---|---|---|---|",
    ]
    for who in dict.fromkeys(one.who for one in found):
        of = [one for one in found if one.who == who]
        fits = [one.fit for one in of]
        many = f"{min(fits)}" if min(fits) == max(fits) else f"{min(fits)} to {max(fits)}"
        most = max(one.difference for one in of)
        lines.append(f"| {who} | {len(of)} | {sum(one.same for one in of)} | {many} of {ALL} | {most:.2g} |")
    return "\n".join(lines)


def main() -> int:
    """Kill and resume, tell of each, and print a table."""
    parser = tools.parser("resuming", __doc__)
    parser.add_argument("--kills", type=int, default=20, help="of each")
    parser.add_argument("--seed", type=int, default=1, help="of the iterations after which they come")
    asked = parser.parse_args()
    for module in ("tensorflow", "keras", "deeptrain.training.keras_learner", "deeptrain.training.trainer"):
        importlib.import_module(module)  # before any fork
    afters = random.Random(asked.seed).sample(range(1, ALL), asked.kills)
    found = []
    with tempfile.TemporaryDirectory() as at:
        for who in (OURS, *SAVING):
            for one in resumed(who, afters, Path(at) / who.replace(" ", "-")):
                found.append(one)
                tools.tell(json.dumps(one._asdict()))
    tools.tell(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
