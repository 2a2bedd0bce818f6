"""The command as a user runs it: a process of its own, with no terminal, in any directory."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.conftest import BUILDER, TOML, tree

ROOT = Path(__file__).parents[2]
JOB = ("--module", "pipelines", "TrainModel", "--experiment", "tiny.toml", "--local-scheduler")
TRAINING = ("--module", "pipelines", "Epoch", "--experiment", "tiny.toml", "--local-scheduler", "--number")
PATIENCE = 300

SLOW_BUILDER = (
    BUILDER
    + '''

class Slow:
    """Takes its time, so that a signal finds the training at work; changes nothing.

    While there is a file `held.N` it takes half a second for each batch in the second half of any epoch after the N-th.
    """

    def __init__(self, data, seconds):
        self.seconds = seconds

    def process(self, batch, rng):
        import time

        time.sleep(self.seconds if rng else 0)
        waited = 0
        while rng and batch.number > 8 and waited < 0.5 and held():
            time.sleep(0.01)
            waited += 0.01
        return batch


def held():
    from pathlib import Path

    done = len(list(Path("runs").glob("*/training-*/epochs/[0-9]*")))
    here = any(int(path.suffix[1:]) <= done for path in Path().glob("held.*"))
    if here:
        Path("arrived").touch()
    return here
'''
)
SLOW_TOML = (
    TOML.replace("train = 70, val = 30", "train = 72, val = 28")
    .replace("epochs = 3", "epochs = 6\nautosave_seconds = 0.1")
    .replace("batch_size = 16", "batch_size = 4")
    .replace('["normalise"]', '["normalise", { use = "my_model:Slow", arguments = { seconds = 0.03 } }]')
)
"""Six epochs of 18 iterations of one size, together at least 3.2 s, with a checkpoint after every three.

What a test does to a training in the midst of an epoch comes in time however busy the machine is, if the training is
held there: `hold` before it is started, then `arrive`, at last `let_go`.
"""


class Finished(NamedTuple):
    """What a command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """A plain environment: nothing of the test's own gets into the command but where the sources are."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **more}


def start(*arguments: str, cwd: Path, module: str = "luigi", **more: str) -> "subprocess.Popen[str]":
    """Start `python -m luigi ARGUMENTS` (or another module) as the leader of a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_hear_ctrl_c,
    )


def _hear_ctrl_c() -> None:
    """What is started in the background of a shell would not, and neither would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end(process: "subprocess.Popen[str] | Fork", seconds: float = PATIENCE) -> Finished:
    """Wait for a process; one that hangs is killed with its children, and fails the test."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill_group(process)
        raise
    return Finished(code_of(process), out, err)


def code_of(process: "subprocess.Popen[str] | Fork") -> int:
    """The exit code of a process that has ended."""
    code = process.poll()
    assert code is not None
    return code


def kill_group(process: "subprocess.Popen[str] | Fork") -> Finished:
    """Kill a process and all its children at once, as a power cut would."""
    os.killpg(process.pid, signal.SIGKILL)
    out, err = process.communicate()
    return Finished(code_of(process), out, err)


def run(*arguments: str, cwd: Path, module: str = "luigi", **more: str) -> Finished:
    """Run it to its end."""
    return end(start(*arguments, cwd=cwd, module=module, **more))


def job(*arguments: str, cwd: Path, **more: str) -> Finished:
    """Run the job of `tiny.toml` in a directory to its end."""
    return run(*JOB, *arguments, cwd=cwd, **more)


def group_lives(process: "subprocess.Popen[str] | Fork") -> bool:
    """Whether a process or one of its children is there."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(holds: Callable[[], object], process: "subprocess.Popen[str] | Fork | None" = None) -> None:
    """Look until a condition holds; fails when the process ends and it does not."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if process is not None and process.poll() is not None:
            assert holds(), f"it ended too early: {process.communicate()}"
            return
        assert time.monotonic() < deadline
        time.sleep(0.005)


def hold(here: Path, epoch: int) -> None:
    """Let the slow experiment of a directory take half a second for each batch from the middle of an epoch on."""
    (here / "arrived").unlink(missing_ok=True)
    (here / f"held.{epoch - 1}").touch()


def arrive(here: Path, process: "subprocess.Popen[str] | Fork") -> None:
    """Wait until it has come to where it is held."""
    wait_until((here / "arrived").exists, process)


def let_go(here: Path) -> None:
    """Let it go on as fast as it did before."""
    for path in here.glob("held.*"):
        path.unlink()


class Warm:
    """Runs the command in forks of a process that has imported TensorFlow already and run none of it.

    Importing takes most of a short job's time. What a fork writes is byte-equal to what a fresh process writes; tests
    of imports, of the command's whole duration and of several processes take fresh ones.
    """

    def __init__(self, directory: Path) -> None:
        """Start importing; the directory is for what the commands write."""
        self._directory = directory
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            cwd="/",
            env=environment(TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C ends the tests, and they end it
        )
        self._forks: list[Fork] = []

    def start(
        self,
        *arguments: str,
        cwd: Path,
        module: str = "luigi",
        file_bytes: int | None = None,
        stopped: bool = False,
        before: str = "",
    ) -> "Fork":
        """Start `python -m luigi ARGUMENTS` (or another module) in a directory.

        Args:
            arguments: of the command.
            cwd: the directory.
            module: what is run.
            file_bytes: the most bytes a file may get (RLIMIT_FSIZE), from the first instruction of the command on.
            stopped: whether it stops before anything, until it gets a SIGCONT.
            before: Python that the process runs before the command, such as to become another user's.
        """
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        written = self._directory / os.urandom(8).hex()
        asked = {
            "module": module,
            "arguments": arguments,
            "cwd": str(cwd),
            "written": str(written),
            "limit": file_bytes,
            "stopped": stopped,
            "before": before,
        }
        with contextlib.suppress(BrokenPipeError):
            self._server.stdin.write(json.dumps(asked) + "\n")
            self._server.stdin.flush()
        pid = self._server.stdout.readline()
        if not pid:
            raise RuntimeError(f"the process that forks commands has ended with {self._server.wait(PATIENCE)}")
        fork = Fork(int(pid), written)
        self._forks = [*(other for other in self._forks if other.poll() is None), fork]
        return fork

    def __call__(self, *arguments: str, cwd: Path, module: str = "luigi") -> Finished:
        """Run `python -m luigi ARGUMENTS` (or another module) in a directory to its end."""
        return end(self.start(*arguments, cwd=cwd, module=module))

    def job(self, *arguments: str, cwd: Path) -> Finished:
        """Run the job of `tiny.toml` in a directory to its end."""
        return self(*JOB, *arguments, cwd=cwd)

    def train(self, epoch: int, *arguments: str, cwd: Path) -> Finished:
        """Train `tiny.toml` up to an epoch and do nothing with it."""
        return self(*TRAINING, str(epoch), *arguments, cwd=cwd)

    def close(self) -> None:
        """End it, with the commands that still run because a test was broken off."""
        for fork in self._forks:
            if fork.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(fork.pid, signal.SIGKILL)
        with contextlib.suppress(BrokenPipeError):
            self._server.communicate()


class Fork:
    """A command that runs in a fork, used as a `Popen`.

    Attributes:
        pid: of the process, which leads a process group of its own.
        returncode: its exit code, or minus the signal that ended it; None while it runs.
    """

    def __init__(self, pid: int, written: Path) -> None:
        """Name what runs and where its exit code and outputs will be."""
        self.pid = pid
        self.returncode: int | None = None
        self._written = written

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        code = self._written.with_suffix(".code")
        if self.returncode is None and code.exists():
            self.returncode = int(code.read_text())
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait until it has ended."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("luigi", timeout)
            time.sleep(0.002)
        return code

    def communicate(self, timeout: float = PATIENCE) -> tuple[str, str]:
        """Wait until it has ended, and return what it wrote."""
        self.wait(timeout)
        out, err = (self._written.with_suffix(suffix).read_text() for suffix in (".out", ".err"))
        return out, err


SERVER = """
import gc, io, json, os, resource, runpy, signal, sys
import tensorflow, keras, matplotlib.figure, matplotlib.backends.backend_agg, pyarrow.csv, pyarrow.parquet
import jinja2, sklearn.metrics, sklearn.preprocessing, tenacity, tornado.ioloop, xxhash
import deeptrain.predictor, deeptrain.report, deeptrain.session, deeptrain.training
import deeptrain.training.keras_learner, deeptrain.training.trainer

matplotlib.figure.Figure().text(0, 0, "fonts are looked up").figure.savefig(io.BytesIO())
gc.collect()
gc.freeze()  # what is there is shared with the forks, not copied by their first collection

def serve(asked):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if asked["stopped"]:
            os.kill(os.getpid(), signal.SIGSTOP)
        os.chdir(asked["cwd"])
        for number, name in enumerate((os.devnull, asked["written"] + ".out", asked["written"] + ".err")):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
        if asked["limit"] is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (asked["limit"], asked["limit"]))
        exec(asked["before"], {})
        sys.argv = ["", *asked["arguments"]]
        sys.orig_argv = [sys.executable, "-m", asked["module"], *asked["arguments"]]
        sys.path[0] = ""
        runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)
        sys.exit(0)
    print(pid, flush=True)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with open(asked["written"] + ".part", "w") as file:
        file.write(str(code))
    os.rename(asked["written"] + ".part", asked["written"] + ".code")
    os._exit(0)

keepers = set()
for line in iter(sys.stdin.readline, ""):
    keeper = os.fork()
    if keeper == 0:
        serve(json.loads(line))
    keepers = {other for other in keepers | {keeper} if os.waitpid(other, os.WNOHANG)[0] == 0}
"""


def of_training(contents: dict[str, bytes]) -> dict[str, bytes]:
    """What of it is there when nothing was done with the trained epochs."""
    return {
        name: data
        for name, data in contents.items()
        if any(f"/{stage}-" in name for stage in ("samples", "shards", "training"))
    }


def contents(store: Path) -> dict[str, bytes]:
    """What two stores must have in common: all files but those in `live/` and what was set aside as damaged."""
    return {name: data for name, data in tree(store).items() if "quarantine" not in name}


def beside(store: Path) -> dict[str, bytes]:
    """What callbacks that look wrote beside trainings: the same as well, since they act where the training says."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for folder in ("data_logger", "layer_histograms", "watch")
        for path in store.glob(f"*/training-*/live/{folder}/[!.]*")
    }


def litter(store: Path) -> list[str]:
    """Whatever a killed run may have left: hidden files, and checkpoints of epochs that are done."""
    left = [*store.rglob(".*"), *store.glob("*/training-*/unfinished/*")]
    return sorted(str(path.relative_to(store)) for path in left if "live" not in path.relative_to(store).parts)


def trained(store: Path) -> tuple[int, list[str]]:
    """How many epochs of the one training are published, and its mid-epoch checkpoints."""
    checkpoints = sorted(path.name for path in store.glob("*/training-*/unfinished/[0-9]*"))
    return len(list(store.glob("*/training-*/epochs/[0-9]*"))), checkpoints


def stages(store: Path, outcome: str = "ran") -> list[str]:
    """The tasks of all commands so far with an outcome, in their order."""
    lines = (store / "tiny/live/events.jsonl").read_text().splitlines()
    return [event["stage"] for event in map(json.loads, lines) if event.get("outcome") == outcome]


def copied(experiment: Path, to: Path) -> Path:
    """A copy of an experiment's directory with its runs."""
    return Path(shutil.copytree(experiment, to))


def mistake(finished: Finished) -> tuple[str, str]:
    """What a command said of a mistake that it found before anything ran, and the command to type next."""
    *said, following = lines_of(finished.err)
    before = "deeptrain: next: "
    assert following.startswith(before), finished
    assert finished.out == ""
    return "".join(f"{line}\n" for line in said), following.removeprefix(before)


def lines_of(text: str) -> Sequence[str]:
    """The lines of an output, without empty ones."""
    return [line for line in text.splitlines() if line.strip()]
