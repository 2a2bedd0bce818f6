"""The server as browsers, workers and strangers meet it."""

import json
import logging
import os
import pickle
import re
import stat
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.rpc import RemoteScheduler

from deeptrain.errors import DataError
from deeptrain.store.locks import lock_of
from pipelines.ui import scheduler_page, server
from tests.pipelines.ui.served import Served, serving

PAGES = ("/", "/scheduler", "/static/visualiser/index.html", "/static/visualiser/js/luigi.js", "/ui/style.css",
         "/api/task_list", "/nowhere", "/ui/nothing.js", "/compare")  # fmt: skip
HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'


@pytest.fixture
def scheduler(served: Served) -> RemoteScheduler:
    return RemoteScheduler(served.url, connect_timeout=60)


def add_task(scheduler: RemoteScheduler, worker: str = "a worker", **more: Any) -> None:
    told = {"family": "Epoch", "params": {"number": "1"}, "deps": [], "runnable": True, "resources": {}}
    scheduler.add_task(worker=worker, task_id="Epoch_1", status="PENDING", **told, **more)


def test_every_answer_tells_the_browser_to_load_nothing_from_elsewhere(served: Served, place: str) -> None:
    strange = served.ask("/", Host="evil.example")
    assert (strange.status, "127.0.0.1 or localhost" in strange.text) == (403, True)
    answers = [strange, *(served.ask(path) for path in (*PAGES, f"/runs/{place}", "/files/tiny/x.html"))]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "Server" not in answer.headers
        assert "Access-Control-Allow-Origin" not in answer.headers
    for path in ("/", f"/runs/{place}", "/nowhere"):
        assert "unsafe" not in served.ask(path).headers["Content-Security-Policy"]
        assert " style=" not in served.ask(path).text


def test_no_page_names_anything_of_another_server(served: Served, place: str) -> None:
    for path in ("/", f"/runs/{place}", "/ui/style.css", "/ui/page.js", scheduler_page.PATH, scheduler_page.STYLE):
        answer = served.ask(path)
        assert answer.status == 200
        assert not any(f'{name}="http' in answer.text for name in ("src", "href", "action"))
        assert "@import url(http" not in answer.text


def test_whatever_a_page_links_of_this_server_is_served(served: Served, place: str) -> None:
    page = served.ask(f"/runs/{place}").text
    linked = set(re.findall(r'(?:src|href)="(/ui/[^"]+)"', page))
    assert {"/ui/graph.css", "/ui/samples.css", "/ui/style.css", "/ui/page.js"} <= linked
    for path in linked:
        answer = served.ask(path)
        kind = "text/css" if path.endswith(".css") else "text/javascript"
        assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, kind)
    assert served.ask("/ui/page.html").status == 404


def test_a_worker_of_luigi_is_served_as_by_luigid(served: Served, scheduler: RemoteScheduler) -> None:
    add_task(scheduler)
    work = scheduler.get_work(worker="a worker", host="here", current_tasks=[])
    assert work["task_id"] == "Epoch_1"
    listed = json.loads(served.ask("/api/task_list?data=" + '{"status":"RUNNING","upstream_status":""}').text)
    assert list(listed["response"]) == ["Epoch_1"]
    assert served.ask("/", "HEAD").status == 200


def test_luigis_page_changes_things_with_the_token_only(served: Served, scheduler: RemoteScheduler) -> None:
    add_task(scheduler)
    scheduler.get_work(worker="a worker", host="here", current_tasks=[])
    mark = "/api/mark_as_done?data=%7B%22task_id%22%3A%22Epoch_1%22%7D"
    origin = served.url.rstrip("/")
    assert served.ask(mark).status == 405
    assert served.ask(mark, "POST", Origin=origin).status == 403
    assert served.ask(mark, "POST", Origin="http://evil.example", X_Deeptrain_Token=served.token).status == 403
    done = '/api/task_list?data={"status":"DONE","upstream_status":""}'
    assert json.loads(served.ask(done).text)["response"] == {}
    assert served.ask(mark, "POST", Origin=origin, X_Deeptrain_Token=served.token).status == 200
    assert list(json.loads(served.ask(done).text)["response"]) == ["Epoch_1"]


def test_luigis_page_runs_no_script_but_those_it_is_made_of(served: Served) -> None:
    answer = served.ask(scheduler_page.PATH)
    inline = scheduler_page.INLINE.findall(answer.text)
    policy = answer.headers["Content-Security-Policy"]
    assert len(inline) == policy.count("'sha256-") == 1
    scripts = policy.partition("script-src ")[2].partition(";")[0]
    assert "unsafe" not in scripts
    assert answer.text.index("js/luigi.js") < answer.text.index("/ui/scheduler.js") < answer.text.index(inline[0])
    assert served.token in answer.text


@pytest.mark.parametrize(
    "path",
    ["../secret.json", "tiny/../../secret.json", "%2e%2e/secret.json", "tiny/%2e%2e%2f..%2fsecret.json", "/etc/x.json",
     "tiny//manifest.json", ".ui.json", "tiny/live/link.json", "tiny/out/secret.json", "tiny/pipe.json", "tiny/0.json",
     "tiny/live", "tiny/secret.toml", "tiny/live/\0.json".replace("\0", "%00"), "a" * 3000 + ".json"],
)  # fmt: skip
def test_no_address_leads_out_of_the_store(served: Served, store: Path, path: str) -> None:
    (store.parent / "secret.json").write_text('"the secret"')
    (store / "tiny/secret.toml").write_text("the secret")
    (store / "tiny/live").mkdir(exist_ok=True)
    (store / "tiny/live/link.json").symlink_to(store.parent / "secret.json")
    (store / "tiny/out").symlink_to(store.parent)
    os.mkfifo(store / "tiny/pipe.json")
    answer = served.ask(f"/files/{path}")
    assert answer.status == 404
    assert "the secret" not in answer.text


def test_a_page_of_the_store_is_shown_as_one_of_nobody(served: Served, store: Path) -> None:
    report = next(store.glob("tiny/report-*"))
    (report / "index.html").write_text(HOSTILE)
    answer = served.ask(f"/files/tiny/{report.name}/index.html")
    assert (answer.status, answer.text) == (200, HOSTILE)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none';")


def test_what_a_store_says_is_text_and_nothing_else(store: Path, training: Path) -> None:
    run = store / "tiny"
    (training / "live").mkdir(exist_ok=True)
    (training / "live/name.json").write_text(json.dumps({"number": 1, "description": HOSTILE}))
    (training / "live/progress.json").write_text(json.dumps(progress(log=[HOSTILE], findings=[HOSTILE], batch=HOSTILE)))
    hostile = run.rename(store / "<script>alert(2)<")
    with serving(store) as served, lock_of(hostile, hostile / training.name):
        for path in (
            "/",
            "/?find=%3Cscript%3E",
            f"/runs/%3Cscript%3Ealert(2)%3C/{training.name}",
            "/files/%3Cscript%3E.html",
        ):
            answer = served.ask(path)
            assert "alert" in answer.text or "script" in answer.text
            assert "<script>" not in answer.text
            assert "<img src=x" not in answer.text


def progress(**changed: Any) -> dict[str, Any]:
    """What a running training tells of itself."""
    told = {
        "format": 1, "name": "M1__tiny", "stage": "training", "pid": 1, "host": "here", "running": True, "phase": "fit",
        "started": "2026-01-01T00:00:00.000+00:00", "updated": "2026-01-01T00:00:01.000+00:00", "paused": False,
        "epoch": 2, "epochs": 3, "iteration": 4, "iterations": 9, "batch": "b1", "loss": 0.25, "best": None,
        "iterations_per_second": 3.0, "seconds_left_epoch": 1.5, "seconds_left_run": "inf", "best_epoch": None,
        "metrics": {"loss": "nan"}, "key_metric": "loss", "maximize": False, "findings": [], "log": ["a line"],
        "curves": {"loss": [], "validation_loss": [], "key": [], "now": [[0.5, 1.0], [1.5, "nan"], [1.6, 0.25]]},
    }  # fmt: skip
    return told | changed


def test_a_training_that_runs_is_told_as_it_stands(served: Served, training: Path, place: str) -> None:
    (training / "live").mkdir(exist_ok=True)
    (training / "live/progress.json").write_text(json.dumps(progress()))
    with lock_of(training.parent, training):
        listed, shown = served.ask("/").text, served.ask(f"/runs/{place}").text
    for said in ("epoch 2, iteration 4 of 9, loss 0.2500", 'class="state training"'):
        assert said in listed
        assert said in shown
    for said in ("a line", "Left of the run", "<dd>?</dd>", "Loss of single iterations, from 0.50 epochs done to 1.60"):
        assert said in shown


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", json.dumps(progress(format=2)), json.dumps(progress(epoch="many")), json.dumps(progress(curves=1)),
     json.dumps(progress(metrics=[1])), json.dumps(progress(log=None)), "[" * 100_000],
)  # fmt: skip
def test_what_a_training_says_wrongly_of_itself_is_left_out(
    served: Served, training: Path, place: str, text: str
) -> None:
    (training / "live").mkdir(exist_ok=True)
    (training / "live/progress.json").write_text(text)
    with lock_of(training.parent, training):
        assert 'class="state training"' in served.ask("/").text
        assert served.ask(f"/runs/{place}").status == 200


def test_a_message_to_nobody_and_what_is_no_message_are_answered(served: Served, place: str, training: Path) -> None:
    told = served.say(place, "pause")
    assert told.status == 409
    assert "nobody is training there" in json.loads(told.text)["error"]
    assert "did you mean pause" in json.loads(served.say(place, "puase").text)["error"]
    assert "did you mean lr" not in json.loads(served.say(place, "lr 0").text)["error"]
    for text in (None, 3, ["pause"], "x" * 201):
        assert "expected a text of at most 200 characters" in json.loads(served.say(place, text).text)["error"]
    assert "no training" in json.loads(served.say("tiny/training-0", "pause").text)["error"]
    for names in ("../x", "tiny/../tiny", "tiny/shards-0"):
        assert served.say(names, "pause").status in {404, 409}
    assert served.say(place, "pause", X_Deeptrain_Token="another").status == 403
    assert not (training / "live/mailbox").exists()


def test_without_runs_the_page_says_how_one_is_started(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        page = served.ask("/").text
        port = served.url.rstrip("/").rpartition(":")[2]
        assert "There is no training yet" in page
        assert f"luigi --module pipelines TrainModel --experiment FILE.toml --store {tmp_path}" in page
        assert f"--scheduler-port {port}" in page


def test_a_list_is_searched(served: Served) -> None:
    assert "complete" in served.ask("/?find=TINY+complete").text
    none = served.ask("/?find=tiny+paused").text
    assert "None has that in its name" in none
    assert 'value="tiny paused"' in none


@pytest.mark.parametrize("asked", ["", "run=tiny", "run=tiny/training-0", "run=a/b/c", "run=../x"])
def test_what_cannot_be_compared_is_told(served: Served, place: str, asked: str) -> None:
    answer = served.ask(f"/compare?run={place}&{asked}" if asked else "/compare")
    assert answer.status in {400, 404}
    assert "This cannot be shown" in answer.text
    assert "Traceback" not in answer.text


def test_what_is_kept_in_the_store_is_for_this_user_alone_and_the_address_goes(store: Path) -> None:
    with serving(store) as served:
        add_task(RemoteScheduler(served.url))
        address = store / ".ui.json"
        assert json.loads(address.read_text()) == {"pid": os.getpid(), "url": served.url}
        assert stat.S_IMODE(address.stat().st_mode) == 0o600
    state = store / ".scheduler.json"
    assert not address.exists()
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert list(json.loads(state.read_text())["tasks"]) == ["Epoch_1"]
    assert [path.name for path in store.glob(".*")] == [".scheduler.json"]


def test_a_server_that_is_started_again_knows_the_tasks_and_the_worker_goes_on(store: Path) -> None:
    with serving(store) as first:
        scheduler = RemoteScheduler(first.url)
        add_task(scheduler)
        scheduler.add_worker(worker="a worker", info={"workers": 1})
        assert scheduler.get_work(worker="a worker", host="here", current_tasks=[])["task_id"] == "Epoch_1"
        port = int(first.url.rstrip("/").rpartition(":")[2])
    with serving(store, port) as second:
        scheduler = RemoteScheduler(second.url)
        assert scheduler.task_list("RUNNING", "")["Epoch_1"]["worker_running"] == "a worker"
        scheduler.ping(worker="a worker")
        scheduler.add_task(worker="a worker", task_id="Epoch_1", status="DONE", family="Epoch", params={"number": "1"})
        assert scheduler.task_list("DONE", "")["Epoch_1"]["name"] == "Epoch"


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("executed",)


def test_no_pickle_is_read_or_written(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.parent)
    bomb = store.parent / "state.pickle"
    bomb.write_bytes(pickle.dumps(Bomb()))
    before = bomb.read_bytes()
    luigi.configuration.get_config().set("scheduler", "state_path", str(bomb))
    (store / ".scheduler.json").write_bytes(before)
    with serving(store) as served:
        assert served.ask("/api/task_list").status == 200
    assert bomb.read_bytes() == before
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"format": 2}', '{"format":1,"tasks":{"a":{}},"workers":{},"paused":false}']
)
def test_a_state_that_is_damaged_is_told_and_begun_anew(
    store: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (store / ".scheduler.json").write_text(text)
    with caplog.at_level(logging.WARNING, "deeptrain"), serving(store) as served:
        assert json.loads(served.ask("/api/task_list").text) == {"response": {}}
    assert ".scheduler.json: the scheduler begins anew: not the state of a scheduler" in caplog.text


def test_a_port_that_is_taken_is_told_with_who_has_it(served: Served) -> None:
    port = int(served.url.rstrip("/").rpartition(":")[2])
    with pytest.raises(DataError, match=f"port {port} of 127.0.0.1 is taken by process {os.getpid()} .*--port"):
        server.bind(port)


def test_it_listens_on_the_loopback_address_only(served: Served) -> None:
    (one,) = server.bind(0)
    with one:
        assert one.getsockname()[0] == "127.0.0.1"
    assert served.url.startswith("http://127.0.0.1:")
