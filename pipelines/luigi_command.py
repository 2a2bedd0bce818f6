"""The `luigi` command as our users meet it: honest defaults, one clear line for a mistake, a closing table.

Luigi imports `pipelines` before it reads its own settings, so what is set here counts unless the user set it.
"""

import argparse
import atexit
import contextlib
import functools
import multiprocessing
import os
import signal
import socket
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import luigi
from luigi.configuration import get_config
from luigi.parameter import UnconsumedParameterWarning

import tasks
from deeptrain.errors import ArtifactError, DeeptrainError, Interrupted
from deeptrain.lineage import Lineage
from deeptrain.store.locks import Lock, run_lock
from pipelines import mistakes, scheduler
from pipelines.closing import Closing
from pipelines.log_lines import LogLines, attach, explain
from pipelines.terminal import Terminal
from tasks import base, children, watching

DEFAULT_EXPERIMENT = Path(__file__).parent / "experiments" / "digits.toml"

DEFAULTS = {
    # Zero only for a job that is complete: Luigi's own defaults are zero for failed and missing tasks too.
    "retcode": {
        "already_running": "10",
        "missing_data": "20",
        "not_run": "25",
        "task_failed": "30",
        "scheduling_error": "35",
        "unhandled_exception": "40",
    },
    "worker": {"check_complete_on_run": "true", "keep_alive": "false"},
    # What failed is not tried again by itself: our errors are mistakes to mend, not accidents of a cluster.
    "scheduler": {"retry_count": "1", "stable_done_cooldown_secs": "0"},
    # Locks of the kernel, one an artifact, are finer than one lock a command line.
    "core": {
        "no_lock": "true",
        "no_configure_logging": "true",
        # A central scheduler that is gone is not waited for: the local one takes over.
        "rpc_connect_timeout": "5",
        "rpc_retry_wait": "1",
    },
}


def set_defaults() -> None:
    """Set what the user has not set, in Luigi's configuration."""
    config = get_config()
    for section, options in DEFAULTS.items():
        for option, value in options.items():
            _set(config, section, option, value)
    for name in tasks.__all__:
        if issubclass(getattr(tasks, name), base.ExperimentTask):
            _set(config, name, "experiment", str(DEFAULT_EXPERIMENT))


def is_running() -> bool:
    """Whether this process is the `luigi` command, or `python -m luigi`."""
    program = Path(sys.argv[0])
    return program.stem == "luigi" or program.match("luigi/__main__.py")


def take_part() -> None:
    """Be the command's terminal: progress, one line an error, a table at the end, the scheduler that answers."""
    terminal = Terminal()
    debug = "--debug" in sys.argv
    begun: list[luigi.Task] = []
    asked: list[luigi.Task] = []
    luigi.Task.event_handler(luigi.Event.START)(begun.append)

    @luigi.Task.event_handler(luigi.Event.DEPENDENCY_DISCOVERED)
    def discovered(task: luigi.Task, _: luigi.Task) -> None:
        _hand_on()
        if not asked:
            asked.append(task)

    lines = LogLines(
        terminal.complain,
        debug=debug,
        understood=lambda error: mistakes.understood(error, tasks.__all__),
        following=lambda error: None if begun else mistakes.next_command(error, DEFAULT_EXPERIMENT),
    )
    attach(lines)
    argparse.ArgumentParser.error = mistakes.wrong_arguments  # type: ignore[method-assign, assignment]
    absence = scheduler.Absence()
    lines.addFilter(absence)
    closing = Closing(terminal)
    base.on_plan.append(lambda plan: _on_plan(plan, closing))
    watching.displays.append(lambda: terminal)
    _tell_stages(terminal)
    _tell_lost_processes(terminal)
    # Luigi reads these two where it does not look for them, and warns of it.
    warnings.filterwarnings("ignore", ".*'rpc_.* not consumed", UnconsumedParameterWarning)
    sys.excepthook = _ending(terminal, lines, closing, None)
    mistakes.check_task_is_named()
    scheduler.ask_directly()
    central = scheduler.choose(terminal)
    sys.excepthook = _ending(terminal, lines, closing, central)
    signal.signal(signal.SIGTERM, _stop)
    atexit.register(_end, terminal, lines, closing, absence, central, asked)
    # "Write a checkpoint": training takes it; everywhere else there is nothing to write, and no reason to die.
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def _stop(number: int, _: FrameType | None) -> None:
    """End on SIGTERM as on Ctrl-C; while a training runs, its own handler stands here."""
    raise Interrupted("", number)


@functools.cache
def _hand_on() -> None:
    """SIGUSR1 ends the training of a child process after its epoch, and Luigi gives out no more tasks.

    Luigi takes the signal when it makes its worker, and then discovers what each missing task needs. (Its event
    DEPENDENCY_MISSING tells only of what no task makes.)
    """
    children.hand_on(signal.SIGUSR1)


def _on_plan(plan: Lineage, closing: Closing) -> None:
    closing.begin(plan)
    for run in {plan.root, *(other.plan.root for other in plan.others)}:
        _work_on(run)
    _set(get_config(), "worker", "id", worker_id(plan))


def worker_id(plan: Lineage) -> str:
    """By what a central scheduler knows a command: it hands a killed one's task back to the next at once.

    A command that asks for something else is another worker: it would be given all that the killed one left to do. So
    is one of another directory: the paths in what it would be given are of that one.
    """
    return f"deeptrain-{socket.gethostname()}-{os.getuid()}-{Path.cwd()}-{base.asked(plan)}"


@functools.cache
def _work_on(run: Path) -> Lock:
    """Say for the rest of this process that it works on a run, so that nobody deletes from it."""
    lock = run_lock(run, shared=True)
    with contextlib.suppress(OSError, ArtifactError):  # nobody deletes from a store that cannot be written
        lock.acquire()
    return lock


def _set(config: Any, section: str, option: str, value: str) -> None:
    if not config.has_option(section, option):
        config.set(section, option, value)


def _tell_stages(terminal: Terminal) -> None:
    @base.ExperimentTask.event_handler(luigi.Event.START)
    def started(task: base.ExperimentTask) -> None:
        if not isinstance(task, tasks.Epoch | luigi.WrapperTask):
            terminal.stage(task.label)

    @base.ExperimentTask.event_handler(luigi.Event.PROCESSING_TIME)
    def ended(task: base.ExperimentTask, seconds: float) -> None:
        if not isinstance(task, tasks.Epoch | luigi.WrapperTask):
            terminal.stage(task.label, f"made in {seconds:.1f} s")


def _tell_lost_processes(terminal: Terminal) -> None:
    """A process of `--workers 2` that is gone, or was ended by Luigi, could say nothing of it itself."""
    told: set[str] = set()

    def once(task: base.ExperimentTask, line: str) -> None:
        # Luigi looks at its processes again before it has read what it noted at the first look.
        if task.task_id not in told:
            told.add(task.task_id)
            terminal.complain(f"deeptrain: {task.label}: {line}; run the same command to go on")

    @base.ExperimentTask.event_handler(luigi.Event.PROCESS_FAILURE)
    def died(task: base.ExperimentTask, said: str) -> None:
        once(task, mistakes.death(int(said.rsplit(maxsplit=1)[-1])))

    @base.ExperimentTask.event_handler(luigi.Event.TIMEOUT)
    def late(task: base.ExperimentTask, said: str) -> None:
        seconds = said.partition(" timed out after ")[2].partition(" ")[0]
        once(task, f"its process was ended after {seconds} s, which is Luigi's worker timeout")


def _end(
    terminal: Terminal,
    lines: LogLines,
    closing: Closing,
    absence: scheduler.Absence,
    central: str | None,
    asked: Sequence[luigi.Task],
) -> None:
    if multiprocessing.parent_process() is None:
        go_on = None
        if absence.noticed:
            go_on = scheduler.go_on_without
        elif central is not None and asked and not lines.failed and _is_forgotten(central, asked[0]):
            go_on = scheduler.go_on_with
        if go_on is not None:
            closing.forget()
            watching.close()
            go_on(terminal)
    closing.close(refused=lines.failed)
    if central is None or lines.failed:
        return
    if closing.complete:
        # Luigi has a code of its own for a job of which another machine's worker made a part.
        for child in multiprocessing.active_children():
            child.join()
        _exit(0)
    told = scheduler.given_to_another(central, get_config().get("worker", "id", ""))
    if told is not None:
        terminal.complain(f"deeptrain: {told}")


def _is_forgotten(central: str, asked: luigi.Task) -> bool:
    with contextlib.suppress(DeeptrainError):
        return not asked.complete() and scheduler.has_forgotten(central, asked.task_id)
    return False


def _ending(terminal: Terminal, lines: LogLines, closing: Closing, central: str | None) -> Any:
    """What happens to an error that Luigi lets through: a line instead of a traceback, and the right exit code."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        del kind, trace
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            for child in multiprocessing.active_children():
                child.join()  # Luigi has asked it to stop, and it is writing its checkpoint
            watching.close()
            worker = get_config().get("worker", "id", "")
            if central is not None and worker:
                scheduler.give_back(central, worker)
            for line in explain(error) if str(error) else ["deeptrain: stopped; run the same command to go on"]:
                terminal.complain(line)
            closing.forget()
            number = error.signal_number if isinstance(error, Interrupted) else 2
            _exit(128 + number)
        lines.tell(error)
        closing.close(refused=lines.failed)
        _exit(get_config().getint("retcode", "unhandled_exception"))

    return hook


def _exit(code: int) -> None:
    """End with an exit code, which no excepthook could set otherwise."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
