"""Law 6 where most can be forgotten: one command with every option at once, killed where each of them is half done."""

from pathlib import Path

from deeptrain.training import Trainer
from tests.conftest import BUILDER, EVEN, write_experiment
from tests.pipelines import command
from tests.pipelines.command import Warm
from tests.reliability.remembering import DECAY, PIECES

KILLER = '''

class Killer:
    """Kills its process at each place for which there is a file, once. It keeps nothing."""

    def asked(self, stage, trainer):
        from pathlib import Path

        at = trainer.position
        for name in (stage, f"{stage} {at.iteration}", f"{stage} of {at.epoch}"):
            point = Path("points") / name
            if point.exists():
                point.unlink()
                return True
        return False

    def at(self, stage, trainer):
        if self.asked(stage, trainer):
            kill()

    def epoch_begin(self, trainer):
        self.at("epoch_begin", trainer)

    def iteration_end(self, trainer):
        self.at("iteration_end", trainer)

    def validation_iteration_end(self, trainer):
        self.at("validation_iteration_end", trainer)

    def load(self, trainer):
        self.at("load", trainer)

    def epoch_end(self, trainer, results):
        self.at("epoch_end", trainer)
        if self.asked("publish", trainer):
            kill_in_write(5)

    def save(self, trainer):
        if self.asked("save", trainer):
            kill_in_write(2)


def kill():
    import os

    os.kill(os.getpid(), 9)


def kill_in_write(number):
    """When the n-th file or directory from here on is synced."""
    import os

    real, left = os.fsync, [number]

    def sync(descriptor):
        left[0] -= 1
        if left[0] == 0:
            kill()
        real(descriptor)

    os.fsync = sync
'''
EXPERIMENT = BUILDER + PIECES + DECAY + KILLER
EVERYTHING = (
    EVEN.replace(
        "epochs = 3",
        "epochs = 4\nautosave_seconds = 0.000001\nvalidate = { iterations = 4, epochs = 1 }\n"
        'callbacks = [{ use = "my_model:Decay", every = { iterations = 3 } }, "my_model:Killer"]\n'
        'optimizer = { use = "adam", arguments = { learning_rate = 0.01, gradient_accumulation_steps = 3 } }',
    )
    .replace('["normalise"]', '["normalise", "my_model:Pieces"]')
    .replace(
        "[calibration]",
        """[[training.phases]]
epoch = 3
optimizer = { use = "sgd", arguments = { learning_rate = 0.01, momentum = 0.9, gradient_accumulation_steps = 2 } }
batch_size = 32

[[training.phases]]
epoch = 4
frozen = ["batch_norm*"]

[calibration]""",
    )
)
POINTS = (
    "iteration_end 7",  # after changes by hand, in a batch of several pieces, between two updates of the optimizer
    "load",  # as soon as it stands where it was
    "save 10",  # a checkpoint's first file is on disk, and no more
    "validation_iteration_end 8",  # of a validation within the epoch
    "epoch_end of 2",  # judged, but not published
    "publish of 2",  # its state is there, and it is not
    "epoch_begin of 3",  # what the phase changed is in no checkpoint
    "iteration_end of 4",
)
PREDICTIONS = ("--module", "pipelines", "Predictions", "--experiment", "tiny.toml", "--local-scheduler")


def test_killed_wherever_something_is_half_done_the_command_ends_in_the_same_bytes(warm: Warm, tmp_path: Path) -> None:
    """With phases, accumulation, pieces, callbacks and preprocessors that remember, validation within epochs, changes.

    Each start is killed at the next point, and the one behind it goes on with what it left.
    """
    begun = write_experiment(tmp_path / "begun", toml=EVERYTHING, builder=EXPERIMENT)
    trainer = Trainer.from_experiment(begun, store=begun.parent / "runs")
    trainer.step(batches=1)
    trainer.repeat()
    trainer.change(learning_rate=0.02)
    trainer.close()
    undisturbed, here = (command.copied(begun.parent, tmp_path / name) for name in ("undisturbed", "here"))
    assert warm(*PREDICTIONS, cwd=undisturbed).err == ""

    points = here / "points"
    points.mkdir()
    for name in POINTS:
        (points / name).touch()
    for left in range(len(POINTS) - 1, -1, -1):
        finished = warm(*PREDICTIONS, cwd=here)
        assert (finished.code, finished.err) == (-9, "")
        assert len(list(points.iterdir())) == left
    assert warm(*PREDICTIONS, cwd=here).err == ""
    assert command.litter(here / "runs") == []
    assert command.contents(here / "runs") == command.contents(undisturbed / "runs")
