"""Several worker processes, and a central scheduler that is there, or dies."""

import contextlib
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from luigi.rpc import RemoteScheduler

from deeptrain.errors import MessageError
from deeptrain.training import mailbox
from deeptrain.training.progress_file import read as read_progress
from tests.conftest import EVEN, write_experiment
from tests.luigid import Luigid
from tests.pipelines import command
from tests.pipelines.command import SLOW_BUILDER, SLOW_TOML, Fork, Warm, start
from tests.pipelines.conftest import Trained
from tests.pretender import pretending

ASKED, EPOCHS = (("--module", "pipelines", task, "--experiment", "tiny.toml") for task in ("TrainModel", "Epochs"))


@pytest.fixture
def luigid(tmp_path: Path) -> Iterator[Luigid]:
    """A central scheduler."""
    scheduler = Luigid(tmp_path)
    yield scheduler
    scheduler.kill()


class PaperPlane:
    """What the scheduler's page knows of the tasks that run, and its way to speak to them."""

    def __init__(self, luigid: Luigid, process: "subprocess.Popen[str] | Fork") -> None:
        """Of a scheduler, and the command whose tasks are spoken to."""
        self._scheduler = RemoteScheduler(f"http://127.0.0.1:{luigid.port}")
        self._process = process

    def running(self, epoch: int) -> dict[str, Any]:
        """The task of an epoch, by its name, that runs and has told its page; empty while none does."""
        tasks = self._scheduler._request("/api/task_list", {"status": "RUNNING", "upstream_status": ""})
        names = [name for name, task in tasks.items() if name.startswith("Epoch") and task["tracking_url"]]
        return {name: tasks[name] for name in names if tasks[name]["params"]["number"] == str(epoch)}

    def found(self, epoch: int) -> tuple[str, dict[str, Any]]:
        """The same, waited for."""
        found: dict[str, Any] = {}
        command.wait_until(lambda: found.update(self.running(epoch)) or found, self._process)
        ((name, task),) = found.items()
        return name, task

    def send(self, name: str, task: dict[str, Any], text: str) -> dict[str, Any]:
        """Say something to a task; what its answer is asked for with."""
        to = {"worker": task["worker_running"], "task": name, "content": text}
        sent = self._scheduler._request("/api/send_scheduler_message", to)
        return {"task_id": name, "message_id": sent["message_id"]}

    def answer(self, sent: dict[str, Any]) -> str:
        """The answer, waited for."""
        answers: list[str] = []

        def came() -> bool:
            said = self._scheduler._request("/api/get_scheduler_message_response", sent)["response"]
            answers.extend([said] if said else [])
            return bool(answers)

        command.wait_until(came, self._process)
        return answers[0]

    def ask(self, name: str, task: dict[str, Any], text: str) -> str:
        """Say something to a task, and wait for its answer."""
        return self.answer(self.send(name, task, text))


def test_two_workers_make_the_same_bytes_and_the_first_epoch_task_trains_all(
    trained: Trained, tmp_path: Path, warm: Warm
) -> None:
    """The process that is forked never has TensorFlow: what it holds cannot be forked."""
    here = write_experiment(tmp_path, EVEN).parent
    process = start(*command.JOB, "--workers", "2", cwd=here)
    loaded = ""

    def ended() -> bool:
        nonlocal loaded
        with contextlib.suppress(OSError):
            loaded = Path(f"/proc/{process.pid}/maps").read_text() or loaded
        return process.poll() is not None

    command.wait_until(ended)
    finished = command.end(process)
    assert (finished.code, finished.err) == (0, "")
    assert "python" in loaded
    assert "tensorflow" not in loaded
    assert command.contents(here / "runs") == trained.contents
    stages = command.stages(here / "runs")
    assert stages[:5] == ["samples", "part 1", "shards", "epoch 1", "predictions"]
    assert re.search(r"^epochs 1-3 +3 ran ", finished.out, re.MULTILINE)
    assert warm.job("--workers", "2", cwd=here).out.startswith("tiny: everything is there already")


TWICE = """
import luigi
from tasks.shards import Shards

asked = [Shards(experiment="tiny.toml", seed=seed) for seed in (1, 2)]
raise SystemExit(not luigi.build(asked, workers=2, local_scheduler=True, log_level="ERROR"))
"""


def test_of_two_workers_that_come_to_make_the_same_shards_one_waits_for_the_other(tmp_path: Path, warm: Warm) -> None:
    """As members of an ensemble with other seeds do: two tasks, and one artifact."""
    here = write_experiment(tmp_path, samples=20_000).parent
    (here / "twice.py").write_text(TWICE)
    finished = warm(module="twice", cwd=here)
    assert (finished.code, finished.err) == (0, "")
    assert {*command.stages(here / "runs")} == {"samples", "part 1", "shards"}
    assert command.litter(here / "runs") == []


def test_with_a_central_scheduler_the_job_completes_and_a_killed_one_goes_on_at_once(
    luigid: Luigid, tmp_path: Path, warm: Warm
) -> None:
    """Nor does one with other settings in the same file wait for what the scheduler believes the killed one to run."""
    here = write_experiment(tmp_path / "here", toml=SLOW_TOML, builder=SLOW_BUILDER).parent
    command.hold(here, 3)
    killed = warm.start(*ASKED, *luigid.arguments, cwd=here)
    command.arrive(here, killed)
    command.kill_group(killed)
    command.let_go(here)
    done = command.trained(here / "runs")[0]
    (here / "tiny.toml").write_text(SLOW_TOML.replace("seconds = 0.03", "seconds = 0.0"))
    edited = warm(*EPOCHS, *luigid.arguments, cwd=here)
    assert (edited.code, edited.err) == (0, "")
    (here / "tiny.toml").write_text(SLOW_TOML)
    before = len(command.stages(here / "runs"))
    finished = warm(*ASKED, *luigid.arguments, cwd=here)
    assert (finished.code, finished.err) == (0, "")
    assert "no central scheduler" not in finished.out
    ran = [stage for stage in command.stages(here / "runs")[before:] if stage.startswith("epoch ")]
    assert ran == [f"epoch {number}" for number in range(done + 1, 7)]


def test_a_running_training_is_spoken_to_by_the_scheduler_and_by_its_mailbox(
    luigid: Luigid, tmp_path: Path, warm: Warm
) -> None:
    """It can be spoken to in the second task as in the first; a learning rate stays in the run, which ends complete."""
    toml = SLOW_TOML.replace("epochs = 6", "epochs = 3")
    here = write_experiment(tmp_path / "here", toml=toml, builder=SLOW_BUILDER).parent
    command.hold(here, 1)
    process = warm.start(*ASKED, *luigid.arguments, cwd=here)
    plane = PaperPlane(luigid, process)
    name, task = plane.found(1)
    # The scheduler is told of the page before the training's first file is written.
    command.wait_until(lambda: any(here.glob("runs/tiny/training-*")), process)
    (training,) = here.glob("runs/tiny/training-*")
    assert task["accepts_messages"]
    assert task["tracking_url"] == (training / "live" / "index.html").as_uri()
    assert plane.ask(name, task, "pause").startswith("paused in epoch 1 after ")
    assert plane.ask(name, task, "paus").startswith("unknown message &#x27;paus&#x27;; did you mean pause")
    assert mailbox.send(training, "status", 60).startswith("paused, epoch 1 of 3, iteration ")
    command.wait_until(lambda: plane.running(1)[name]["status_message"].startswith("paused, epoch 1 of 3"), process)
    command.wait_until(lambda: (read_progress(training / "live") or {}).get("paused"), process)
    assert mailbox.send(training, "lr 0.02", 60).startswith("learning rate 0.02, was 0.001, from iteration ")
    command.let_go(here)
    command.hold(here, 2)
    assert plane.ask(name, task, "resume").startswith("goes on in epoch 1 after ")

    assert plane.found(2)[1]["accepts_messages"]
    assert mailbox.send(training, "stop-after-epoch", 60).startswith("stops when epoch ")
    command.let_go(here)
    stopped = command.end(process)
    assert stopped.code == 128 + signal.SIGUSR1
    assert re.fullmatch(
        r"deeptrain: stopped after epoch [23] of 3; a checkpoint holds everything: run the same command to go on\n",
        stopped.err,
    )
    with pytest.raises(MessageError, match="nobody is training there"):
        mailbox.send(training, "status", 60)
    finished = warm(*ASKED, *luigid.arguments, cwd=here)
    assert (finished.code, finished.err) == (0, "")
    assert command.trained(here / "runs") == (3, [])
    assert warm(*ASKED, *luigid.arguments, cwd=here).out.startswith("tiny: everything is there already")


def test_training_does_not_notice_when_the_central_scheduler_dies(luigid: Luigid, tmp_path: Path, warm: Warm) -> None:
    """Luigi itself cannot go on without it: the same command goes on by itself with the local scheduler."""
    here = write_experiment(tmp_path / "here", toml=SLOW_TOML, builder=SLOW_BUILDER).parent
    command.hold(here, 3)
    process = warm.start(*ASKED, *luigid.arguments, cwd=here)
    command.arrive(here, process)
    luigid.kill()
    command.let_go(here)
    finished = command.end(process)
    assert (finished.code, finished.err) == (0, "")
    assert "the central scheduler does not answer any more: going on with the local one" in finished.out
    assert command.trained(here / "runs") == (6, [])
    assert len(list(here.glob("runs/tiny/report-*/index.html"))) == 1
    epochs = [stage for stage in command.stages(here / "runs") if stage.startswith("epoch")]
    assert epochs == [f"epoch {number}" for number in range(1, 7)]


@pytest.mark.thorough
def test_when_the_central_scheduler_returns_the_job_has_gone_on_and_ends_complete(
    luigid: Luigid, tmp_path: Path, warm: Warm
) -> None:
    here = write_experiment(tmp_path / "here", toml=SLOW_TOML, builder=SLOW_BUILDER).parent
    command.hold(here, 2)
    process = warm.start(*ASKED, *luigid.arguments, cwd=here)
    command.arrive(here, process)
    luigid.kill()
    before = command.trained(here / "runs")
    command.wait_until(lambda: command.trained(here / "runs") != before, process)
    luigid.start()
    command.let_go(here)
    finished = command.end(process)
    assert (finished.code, finished.err) == (0, "")
    assert command.trained(here / "runs") == (6, [])
    assert len(list(here.glob("runs/tiny/report-*/index.html"))) == 1
    epochs = [stage for stage in command.stages(here / "runs") if stage.startswith("epoch")]
    assert epochs == [f"epoch {number}" for number in range(1, 7)]


ONCE = """
    from pathlib import Path

    if not Path("tried").exists():
        Path("tried").touch()
        raise OSError("busy")
"""
WAITING = """
    import time

    Path("again").touch()
    while not Path("go").exists():
        time.sleep(0.01)
"""
RETRYING = """
[scheduler]
retry_count = 2
retry_delay = 1
prune_on_get_work = true

[worker]
keep_alive = true
wait_interval = 1
"""


def failing_once(more: str = "") -> str:
    """A builder that raises when it is called first, and the second time does more."""
    return SLOW_BUILDER.replace("    import keras\n", f"    import keras\n{ONCE}{more}", 1)


def test_a_task_that_fails_is_tried_again_as_often_as_the_settings_say(tmp_path: Path, warm: Warm) -> None:
    """Luigi's own settings, which are none of ours: by default what failed is a mistake to mend."""
    here = write_experiment(tmp_path / "here", builder=failing_once()).parent
    (here / "luigi.cfg").write_text(RETRYING)
    finished = warm.job("--epochs", "1", cwd=here)
    assert (finished.code, "raised OSError: busy" in finished.err) == (0, True)
    assert command.stages(here / "runs", "failed") == ["epoch 1"]
    assert "epoch 1" in command.stages(here / "runs")


def test_a_task_that_is_tried_again_is_spoken_to_as_before(tmp_path: Path, warm: Warm) -> None:
    """It tries again by the settings above; help is answered while the model is built, pause when it fits."""
    here = write_experiment(tmp_path / "here", toml=SLOW_TOML, builder=failing_once(WAITING)).parent
    (here / "luigi.cfg").write_text(RETRYING)
    luigid = Luigid(here)
    try:
        process = warm.start(*ASKED, "--epochs", "1", *luigid.arguments, cwd=here)
        plane = PaperPlane(luigid, process)
        command.wait_until((here / "again").exists, process)
        # The page is known from the first try; that the second one can be spoken to is told anew, after a moment.
        command.wait_until(lambda: any(task["accepts_messages"] for task in plane.running(1).values()), process)
        name, task = plane.found(1)
        assert task["accepts_messages"]
        pause = plane.send(name, task, "pause")
        assert "stop-after-epoch" in plane.ask(name, task, "help")
        (here / "go").touch()
        assert plane.answer(pause).startswith("paused in epoch 1 after ")
        assert plane.ask(name, task, "resume").startswith("goes on in epoch 1 after ")
        finished = command.end(process)
        assert (finished.code, "raised OSError: busy" in finished.err) == (0, True)
        assert command.stages(here / "runs", "failed") == ["epoch 1"]
    finally:
        luigid.kill()


PATIENT = "[core]\nrpc_connect_timeout = {seconds}\n"


def test_training_does_not_wait_for_a_scheduler_that_does_not_answer(tmp_path: Path, warm: Warm) -> None:
    """What is told while it trains is told by other threads: all epochs of a task end, though nobody hears of them."""
    toml = SLOW_TOML.replace("[training]", "[training]\nepochs_per_task = 6")
    here = write_experiment(tmp_path / "here", toml=toml, builder=SLOW_BUILDER).parent
    (here / "luigi.cfg").write_text(PATIENT.format(seconds=10 * command.PATIENCE))
    with pretending() as pretender:
        pretender.slow = frozenset({"set_task_status_message", "set_task_progress_percentage"})
        process = warm.start(*ASKED, "--scheduler-url", pretender.url, cwd=here)
        command.wait_until(lambda: command.trained(here / "runs")[0] == 6, process)
        assert pretender.slow.intersection(pretender.asked)
        pretender.over.set()
        finished = command.end(process)
    assert (finished.code, finished.err) == (0, "")


@pytest.mark.parametrize("manner", ["held", pytest.param("garbage", marks=pytest.mark.thorough)])
def test_a_scheduler_that_becomes_something_else_is_left(manner: str, tmp_path: Path, warm: Warm) -> None:
    here = write_experiment(tmp_path / "here", toml=SLOW_TOML, builder=SLOW_BUILDER).parent
    (here / "luigi.cfg").write_text(PATIENT.format(seconds=1))
    with pretending() as pretender:
        command.hold(here, 3)
        process = warm.start(*ASKED, "--scheduler-url", pretender.url, cwd=here)
        command.arrive(here, process)
        pretender.manner = manner
        command.let_go(here)
        finished = command.end(process)
    assert (finished.code, finished.err) == (0, "")
    assert "the central scheduler does not answer any more: going on with the local one" in finished.out
    epochs = [stage for stage in command.stages(here / "runs") if stage.startswith("epoch")]
    assert epochs == [f"epoch {number}" for number in range(1, 7)]
