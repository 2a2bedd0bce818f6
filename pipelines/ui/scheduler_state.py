"""What Luigi's scheduler knows, as JSON beside the runs: it outlives the server, and reading it runs nothing.

Luigi itself keeps its state as a pickle, which is never written or read here.
"""

import collections
from typing import Any

import luigi.scheduler
from luigi.scheduler import OrderedSet, RetryPolicy, Scheduler, Task, Worker

from deeptrain.errors import MISSHAPEN, ArtifactError, in_one_line

FORMAT = 1
STATUSES = frozenset(
    getattr(luigi.scheduler, name)
    for name in ("PENDING", "RUNNING", "BATCH_RUNNING", "DONE", "FAILED", "DISABLED", "UNKNOWN")
)
OF_A_TASK = (
    "status",
    "time",
    "updated",
    "retry",
    "remove",
    "worker_running",
    "time_running",
    "expl",
    "priority",
    "resources",
    "family",
    "module",
    "accepts_messages",
    "first_failure_time",
    "tracking_url",
    "status_message",
    "progress_percentage",
    "scheduler_disable_time",
    "runnable",
    "batchable",
    "batch_id",
)
"""What is kept of a task as it is."""
NUMBERS = frozenset(
    {"time", "updated", "retry", "remove", "time_running", "priority", "first_failure_time", "progress_percentage"}
    | {"scheduler_disable_time"}
)
"""Of these what is a number, if it is anything."""


def plain(scheduler: Scheduler) -> dict[str, Any]:
    """Tasks and workers as JSON holds them; messages on their way are not among them."""
    tasks, workers, _ = scheduler._state.get_state()
    return {
        "format": FORMAT,
        "paused": scheduler.is_paused()["paused"],
        "tasks": {name: _plain_task(task) for name, task in tasks.items()},
        "workers": {name: _plain_worker(worker) for name, worker in workers.items()},
    }


def restore(scheduler: Scheduler, value: Any) -> None:
    """Give a scheduler that knows nothing yet what was kept.

    Raises:
        ArtifactError: when it is not what `plain` gives; the scheduler still knows nothing then.
    """
    try:
        if value["format"] != FORMAT:
            raise ValueError(f"format must be {FORMAT}, got {value['format']!r}")
        tasks = {str(name): _task(str(name), kept) for name, kept in value["tasks"].items()}
        workers = {str(name): _worker(str(name), kept, tasks) for name, kept in value["workers"].items()}
        paused = bool(value["paused"])
    except MISSHAPEN as error:
        raise ArtifactError(f"not the state of a scheduler: {in_one_line(error)}") from error
    scheduler._state.set_state((tasks, workers, {}))
    for task in tasks.values():
        scheduler._state._status_tasks[task.status][task.id] = task
    if paused:
        scheduler.pause()


def _plain_task(task: Task) -> dict[str, Any]:
    return {
        **{name: getattr(task, name) for name in OF_A_TASK},
        "params": dict(task.params),
        "param_visibilities": dict(task.param_visibilities),
        "deps": sorted(task.deps),
        "workers": list(task.workers),
        "stakeholders": sorted(task.stakeholders),
        "failures": list(task.failures),
        "retry_policy": list(task.retry_policy),
    }


def _plain_worker(worker: Worker) -> dict[str, Any]:
    return {
        "reference": worker.reference,
        "started": worker.started,
        "last_get_work": worker.last_get_work,
        "info": dict(worker.info),
        "disabled": worker.disabled,
        "tasks": sorted(task.id for task in worker.tasks),
    }


def _task(name: str, kept: dict[str, Any]) -> Task:
    if kept["status"] not in STATUSES:
        raise ValueError(f"a task cannot be {kept['status']!r}")
    numbers = [None if number is None else int(number) for number in kept["retry_policy"]]
    task = Task(
        name,
        kept["status"],
        map(str, kept["deps"]),
        params={str(key): str(value) for key, value in kept["params"].items()},
        param_visibilities={str(key): int(value) for key, value in kept["param_visibilities"].items()},
        retry_policy=RetryPolicy(*numbers),
    )
    for attribute in OF_A_TASK:
        given = kept[attribute]
        if attribute in NUMBERS and not (given is None or type(given) in {int, float}):
            raise ValueError(f"{attribute} of a task cannot be {given!r:.40}")
        setattr(task, attribute, given)
    task.resources = {str(key): int(value) for key, value in (kept["resources"] or {}).items()}
    task.workers = OrderedSet(map(str, kept["workers"]))
    task.stakeholders = set(map(str, kept["stakeholders"]))
    task.failures = collections.deque(map(float, kept["failures"]))
    return task


def _worker(name: str, kept: dict[str, Any], tasks: dict[str, Task]) -> Worker:
    worker = Worker(name)  # active from now: it had no chance to say so while this server was away
    worker.reference = kept["reference"]
    worker.started = float(kept["started"])
    worker.last_get_work = kept["last_get_work"]
    worker.info = dict(kept["info"])
    worker.disabled = bool(kept["disabled"])
    worker.tasks = {tasks[str(task)] for task in kept["tasks"] if str(task) in tasks}
    return worker
