"""Messages of the scheduler's page reach the training, every one is answered, and a task goes on accepting them."""

import json
import queue
import threading
import time
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.rpc import RemoteScheduler, RPCError
from luigi.scheduler import Scheduler
from luigi.worker import TaskStatusReporter, Worker

import tasks.epoch
from deeptrain.errors import MessageError
from deeptrain.lineage import Lineage
from deeptrain.training import sparkline
from deeptrain.training.progress import Progress
from tasks import Epoch, Epochs, messages
from tasks.messages import Listener, Serving
from tasks.watching import SchedulerStatus
from tests.published_runs import publish_epoch, publish_shards


class Said:
    """A message as Luigi hands it on, which keeps its answer."""

    def __init__(self, content: object, failure: Exception | None = None) -> None:
        self.content, self.failure = content, failure
        self.answer: str | None = None

    def respond(self, answer: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.answer = answer


def heard(text: str) -> "Future[str] | None":
    if text == "x":
        raise MessageError("unknown message '<x>'")
    if text == "later":
        return None
    answer: Future[str] = Future()
    if text != "open":
        answer.set_result(f"did {text}")
    return answer


def test_every_message_is_answered_as_text() -> None:
    said, introduced = queue.Queue[Any](), []
    sent = [Said("pause"), Said("x"), Said("later"), Said("open"), Said(7)]
    sent += [Said("stop", error) for error in (RPCError("no scheduler"), KeyError("response"), ConnectionResetError())]
    for one in sent:
        said.put(one)
    with Listener(0.01).serving(Serving(said, heard, lambda: introduced.append(1))):
        while sent[4].answer is None:
            time.sleep(0.01)
        late = Said("pause")
        said.put(late)
    assert [one.answer for one in [*sent, late]] == [
        "did pause",
        "unknown message &#x27;&lt;x&gt;&#x27;",
        "was not done: nothing was trained at that moment; say it again",
        "was taken; it is done when training comes to it",
        "did 7",
        *[None] * 3,
        "did pause",
    ]
    assert introduced == [1]


def test_one_thread_serves_the_tasks_of_a_process_one_after_the_other_also_when_one_of_them_broke_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = []
    monkeypatch.setattr(threading, "excepthook", broken.append)
    listener, before, said = Listener(0.01), threading.active_count(), Said("pause")
    for number in range(3):
        with listener.serving(Serving(queue.Queue(), heard, lambda: None)):
            assert threading.active_count() == before + 1, number

    def fail(_: str) -> None:
        raise ZeroDivisionError

    asked = queue.Queue[Any]()
    asked.put(Said("pause"))
    with listener.serving(Serving(asked, fail, lambda: None)):
        while not broken:
            time.sleep(0.01)
    asked.put(said)
    with listener.serving(Serving(asked, heard, lambda: None)):
        pass
    assert said.answer == "did pause"
    assert [one.exc_type for one in broken] == [ZeroDivisionError]


class Precious(luigi.Task):
    """Has all that Luigi's own way to a tracking URL takes away."""

    resources = {"gpu": 1}  # noqa: RUF012 - as Luigi has it
    retry_count = 7
    priority = 5
    accepts_messages = True  # type: ignore[assignment]


def test_the_page_is_told_without_taking_anything_away_also_after_a_retry() -> None:
    scheduler, task = Scheduler(), Precious()
    known = {
        "worker": "w",
        "task_id": task.task_id,
        "resources": task.resources,
        "priority": task.priority,
        "retry_policy_dict": {"retry_count": 7},
    }
    scheduler.add_worker("w", [])
    scheduler.update_resources(gpu=1)
    scheduler.add_task(**known, accepts_messages=True)
    for _ in range(2):
        assert scheduler.get_work(worker="w")["task_id"] == task.task_id
        reporter = TaskStatusReporter(scheduler, task.task_id, "w", queue.Queue())
        reporter.update_tracking_url("http://x/")
        assert not scheduler.task_list("RUNNING", "")[task.task_id]["accepts_messages"]
        messages.register(task, reporter, "http://127.0.0.1:1/runs/a/b")
        found = scheduler.task_list("RUNNING", "")[task.task_id]
        assert (found["accepts_messages"], found["tracking_url"]) == (True, "http://127.0.0.1:1/runs/a/b")
        assert (found["resources"], found["priority"]) == ({"gpu": 1}, 5)
        assert scheduler._state.get_task(task.task_id).retry_policy.retry_count == 7
        scheduler.add_task(**known, status="FAILED")
        scheduler.add_task(**known, status="PENDING")  # which is how it is tried again: without its messages
    assert Epoch.accepts_messages is not luigi.Task.accepts_messages


def test_the_scheduler_is_told_where_training_stands_as_escaped_lines_and_a_curve() -> None:
    now = [0.0]
    status, task = SchedulerStatus(clock=lambda: now[0]), Precious()
    lines: list[str] = []
    parts: list[int] = []
    task.set_status_message, task.set_progress_percentage = lines.append, parts.append  # as Luigi does when it runs
    status.task = task
    shown = {
        "phase": "fit",
        "epochs": 8,
        "iterations": 350,
        "fitting": lambda: "<script>1</script>",
        "key_metric": "<b>",
    }
    for iteration, loss in ((100, 3.0), (200, 2.0), (280, 1.0)):
        now[0] += 0.5
        status.show(Progress(**shown, epoch=1, iteration=iteration, loss=loss))  # type: ignore[arg-type]
    assert lines[-1].endswith("\n10.0 % of the whole training, loss █▅▁")
    assert parts == [29, 80]  # not more than once a second
    losses = tuple(float(number) for number in range(90, 0, -1))
    best = {"best": 0.9, "best_epoch": 2, "metrics": {"<b>": 0.8}}
    status.show(Progress(**shown, **best, epoch=5, iteration=35, loss=0.5, losses=losses))  # type: ignore[arg-type]
    assert lines[-1].splitlines() == [
        "epoch 5 of 8, iteration 35 of 350, set &lt;script&gt;1&lt;/script&gt;, loss",
        "0.5000, &lt;b&gt; 0.8000, best &lt;b&gt; 0.9000 in epoch 2",
        "51.2 % of the whole training, loss",
        sparkline.of(losses, 40),
    ]
    assert parts[-1] == 10
    paused = {**shown, "phase": "paused"}
    status.show(Progress(**paused, epoch=5, iteration=35))  # type: ignore[arg-type]
    assert lines[-1].startswith("paused, epoch 5 of 8, iteration 35 of 350")


def test_the_page_is_that_of_the_server_that_runs_for_the_store_or_a_file(tmp_path: Path) -> None:
    training = tmp_path / "runs" / "tiny" / "training-1"
    training.mkdir(parents=True)
    file = (training.resolve() / "live" / "index.html").as_uri()
    assert messages.page_of(training) == file
    told = tmp_path / "runs" / messages.UI
    told.write_text(json.dumps({"url": "http://127.0.0.1:8123/", "pid": 1}))
    assert messages.page_of(training) == "http://127.0.0.1:8123/runs/tiny/training-1"
    for url in ("javascript:alert(1)//http://127.0.0.1:1/", "http://127.0.0.1:1/x", "http://example.org/", 7, None):
        told.write_text(json.dumps({"url": url}))
        assert messages.page_of(training) == file
    told.write_text("[")
    assert messages.page_of(training) == file


def test_without_a_central_scheduler_nothing_is_done() -> None:
    task = Precious()
    task.scheduler_messages = queue.Queue()  # type: ignore[attr-defined]
    reporter = TaskStatusReporter(Scheduler(), task.task_id, "w", task.scheduler_messages)  # type: ignore[attr-defined]
    task.set_tracking_url = reporter.update_tracking_url
    before = threading.active_count()
    with messages.answered(task, pytest.fail, heard):
        assert threading.active_count() == before


class Counted(RemoteScheduler):
    """Luigi's way to a central scheduler, which is in this process and counts what it is asked."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1/")
        self.scheduler, self.asked = Scheduler(), Counter[str]()

    def _request(self, url: str, data: Any, attempts: int = 3, allow_null: bool = True) -> Any:  # noqa: ARG002
        name = url.removeprefix("/api/")
        self.asked[name] += 1
        return json.loads(json.dumps(getattr(self.scheduler, name)(**json.loads(json.dumps(data)))))


class Published:
    """Trains at once."""

    def reach(self, plan: Lineage, until: int, *, shared: bool) -> bool:
        assert shared
        publish_epoch(plan, until)
        return True

    def ask(self, _: str) -> None:
        return None


def test_a_task_that_is_soon_over_asks_the_scheduler_nothing_beside_what_luigi_does(
    experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Listener(3600)
    monkeypatch.setattr(messages, "listener", lambda _: own)
    monkeypatch.setattr(tasks.epoch, "alive_trainer", Published)
    task, scheduler, count = Epochs(experiment=str(experiment), store=str(experiment.parent / "runs")), Counted(), 3
    publish_shards(task.plan)
    worker = Worker(scheduler=scheduler, worker_id="w", no_install_shutdown_handler=True)
    assert worker.add(task)
    assert worker.run()
    assert task.complete()
    # Told when it is planned and when it is done, each epoch and all of them; the shards are there already.
    assert scheduler.asked == {"add_worker": 1, "add_task": 2 * (count + 1) + 1, "get_work": count + 2}


def test_a_task_that_goes_on_tells_the_scheduler_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Listener(0.01)
    monkeypatch.setattr(messages, "listener", lambda _: own)
    task, scheduler, told = Precious(), Counted(), threading.Event()
    scheduler.add_task(worker="w", task_id=task.task_id)
    assert scheduler.get_work(worker="w")["task_id"] == task.task_id
    reporter = TaskStatusReporter(scheduler, task.task_id, "w", queue.Queue())
    task.set_tracking_url, task.scheduler_messages = reporter.update_tracking_url, queue.Queue()  # type: ignore[attr-defined]

    def heard_then(_: str) -> "Future[str]":
        told.set()  # messages are looked at when the page is told
        return Future()

    task.scheduler_messages.put(Said("status"))  # type: ignore[attr-defined]
    with messages.answered(task, lambda: "http://127.0.0.1:1/runs/a/b", heard_then):
        assert told.wait(60)
    found = scheduler.scheduler.task_list("RUNNING", "")[task.task_id]
    assert (found["accepts_messages"], found["tracking_url"]) == (True, "http://127.0.0.1:1/runs/a/b")
    assert scheduler.asked["add_task"] == 2
