"""A command and Luigi's scheduler, central or local, as far as no training is needed to see it."""

import base64
import json
import logging
import pickle
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from luigi import rpc
from luigi.rpc import RemoteScheduler, RPCError
from requests.exceptions import ProxyError

from pipelines import scheduler
from tests.luigid import Luigid
from tests.pipelines import command
from tests.pipelines.command import Warm
from tests.pretender import ANSWERS, pretending

SHARDS, EPOCHS = (("--module", "pipelines", task, "--experiment", "tiny.toml") for task in ("Shards", "Epochs"))


def test_under_a_stock_luigid_codes_are_right_and_what_failed_runs_again_at_once(experiment: Path, warm: Warm) -> None:
    here = experiment.parent
    luigid = Luigid(here)
    try:
        # No file may be as large as the samples' origins.
        failed = command.end(warm.start(*SHARDS, *luigid.arguments, cwd=here, file_bytes=4_000))
        assert (failed.code, failed.err.count("\n"), "origin.npy" in failed.err) == (30, 1, True)
        url = f"http://127.0.0.1:{luigid.port}"
        central: Any = RemoteScheduler(url)
        (samples,) = (name for name in central.task_list(limit=False) if name.startswith("Samples_"))
        central.add_worker("other", [("pid", 7), ("host", "there")])
        central.add_task(worker="other", task_id=samples)
        assert central.get_work(worker="other", current_tasks=[])["task_id"] == samples
        kept = warm(*SHARDS, *luigid.arguments, cwd=here)
        assert (kept.code, kept.out) == (10, "")
        assert kept.err == (
            "deeptrain: the central scheduler has given Samples to process 7 on there; run the same command again when "
            "that has ended, two minutes later if it was killed, or let it wait by --worker-keep-alive\n"
        )
        scheduler.give_back(url, "other")
        finished = warm(*SHARDS, *luigid.arguments, cwd=here)
        assert (finished.code, finished.err) == (0, "")
        assert "scheduler" not in finished.out
        assert command.stages(here / "runs") == ["samples", "part 1", "shards"]
        assert warm(*SHARDS, *luigid.arguments, cwd=here).code == 0
        assert len(command.stages(here / "runs")) == 3
    finally:
        luigid.kill()


def test_a_device_that_the_scheduler_does_not_have_is_not_trained_on(experiment: Path, warm: Warm) -> None:
    (experiment.parent / "luigi.cfg").write_text("[resources]\ngpu = 1\n")
    asked = (*EPOCHS, "--local-scheduler", "--Scheduling-gpu", "2")
    finished = warm(*asked, cwd=experiment.parent)
    assert finished.code == 25
    assert command.stages(experiment.parent / "runs") == ["samples", "part 1", "shards"]


NONE = "what answers there is none"
LATE = "no answer within 0.5 s"


@pytest.mark.parametrize(
    ("path", "why"),
    [*((path, NONE) for path in ANSWERS if path not in ("missing", "broken")), ("missing", f"{NONE}, HTTP 404"),
     ("broken", f"{NONE}, HTTP 500"), ("closed", NONE), ("held", LATE), ("drip", LATE)],
)  # fmt: skip
def test_what_is_no_scheduler_is_known_as_none_in_the_time_there_is(path: str, why: str) -> None:
    with pretending() as pretender:
        assert scheduler.lack(f"{pretender.url}{path}", 0.5 if why == LATE else command.PATIENCE) == why


def test_a_port_that_answers_nothing_at_all_and_a_host_that_nobody_knows_are_no_scheduler() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        assert scheduler.lack(f"http://127.0.0.1:{deaf.getsockname()[1]}/", 0.5) == LATE
    assert scheduler.lack("http://nowhere.invalid/", command.PATIENCE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert scheduler.lack(f"http://127.0.0.1:{free.getsockname()[1]}/", command.PATIENCE) == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_scheduler_of_this_machine_is_asked_without_the_proxy_of_the_environment(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "RequestsFetcher", rpc.RequestsFetcher)
    with socket.socket() as nobody, pretending() as pretender:
        nobody.bind(("127.0.0.1", 0))
        for name in ("http_proxy", "no_proxy", "HTTP_PROXY", "NO_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{nobody.getsockname()[1]}" if "http" in name.lower() else "")
        url = pretender.url.replace("127.0.0.1", host)
        scheduler.ask_directly()
        assert scheduler.lack(url, command.PATIENCE) is None
        assert RemoteScheduler(url)._request("/api/is_paused", {}) == {"paused": False}
        elsewhere: Any = RemoteScheduler("http://192.0.2.1/")
        elsewhere._rpc_retry_attempts = 1
        with pytest.raises(RPCError) as caught:
            elsewhere._request("/api/is_paused", {})
        assert isinstance(caught.value.sub_exception, ProxyError)


@pytest.fixture
def directly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler of this machine is asked as a command does it, without trying again after 30 s."""
    monkeypatch.setattr(rpc, "RequestsFetcher", rpc.RequestsFetcher)
    scheduler.ask_directly()
    monkeypatch.setattr(RemoteScheduler, "_get_retryer", lambda _: lambda act, *given: act(*given))


@pytest.mark.usefixtures("directly")
def test_a_scheduler_that_was_started_again_answers_at_once_also_in_a_child(tmp_path: Path) -> None:
    luigid = Luigid(tmp_path)
    try:
        central: Any = RemoteScheduler(f"http://127.0.0.1:{luigid.port}")
        assert not central.is_paused()["paused"]
        luigid.kill()
        luigid.start()
        assert not central.is_paused()["paused"]
        pool, central._fetcher.process_id = central._fetcher._pool, 0
        assert not central.is_paused()["paused"]
        assert central._fetcher._pool is not pool
        handed_on = pickle.loads(pickle.dumps(central))
        assert not handed_on.is_paused()["paused"]
        central.close()
    finally:
        luigid.kill()
    with pytest.raises(RPCError):
        central.is_paused()


@pytest.mark.usefixtures("directly")
def test_who_asks_makes_himself_known_and_hears_when_he_is_turned_away() -> None:
    with pretending() as pretender:
        known: Any = RemoteScheduler(pretender.url.replace("http://", "http://me:secret@"))
        assert not known.is_paused()["paused"]
        assert pretender.known == "Basic " + base64.b64encode(b"me:secret").decode()
        for pretender.manner in ("missing", "broken", "closed"):
            with pytest.raises(RPCError) as caught:
                known.is_paused()
            assert "secret" not in str(caught.value.sub_exception)


@pytest.mark.parametrize("manner", ["page", "garbage", "number", "binary", "nested"])
def test_what_answers_in_the_place_of_a_scheduler_is_its_absence(manner: str) -> None:
    absence = scheduler.Absence()
    with pretending() as pretender:
        pretender.manner = manner
        assert not absence.filter(failed(lambda: RemoteScheduler(pretender.url)._request("/api/get_work", {})))
    assert absence.noticed


def test_what_fails_elsewhere_is_no_absence_of_the_scheduler() -> None:
    absence = scheduler.Absence()
    assert absence.filter(failed(lambda: json.loads("{")))
    assert not absence.noticed


def failed(act: Callable[[], object]) -> logging.LogRecord:
    """What Luigi logs of an error."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is
        act()
    told = (caught.type, caught.value, caught.tb)
    return logging.LogRecord("luigi-interface", logging.ERROR, "", 0, "Uncaught exception in luigi", None, told)


@pytest.mark.parametrize(("path", "why"), [("page", NONE), ("held", LATE)])
def test_what_is_no_scheduler_is_told_in_a_line_and_the_local_one_is_used(
    path: str, why: str, experiment: Path, warm: Warm
) -> None:
    here = experiment.parent
    (here / "luigi.cfg").write_text(f"[core]\nrpc_connect_timeout = {0.5 if why == LATE else command.PATIENCE}\n")
    with pretending() as pretender:
        finished = warm(*SHARDS, "--scheduler-url", f"{pretender.url}{path}", cwd=here)
    assert (finished.code, finished.err) == (0, "")
    place = pretender.url.removeprefix("http://").rstrip("/")
    assert [line for line in finished.out.splitlines() if "scheduler" in line] == [
        f"no central scheduler at {place}, so the local one is used: {why}"
    ]
    assert command.stages(here / "runs") == ["samples", "part 1", "shards"]


def test_a_scheduler_below_a_path_of_its_host_is_used(experiment: Path, warm: Warm) -> None:
    with pretending() as pretender:
        finished = warm(*SHARDS, "--scheduler-url", f"{pretender.url}api/luigi/", cwd=experiment.parent)
    assert (finished.code, finished.err) == (0, "")
    assert "scheduler" not in finished.out
    assert {"is_paused", "add_task", "get_work"} <= set(pretender.asked)


@pytest.mark.parametrize("deps", [[], ["before"]])
def test_what_a_stopped_command_had_begun_another_one_is_given_at_once(deps: list[str], tmp_path: Path) -> None:
    luigid = Luigid(tmp_path)
    try:
        url = f"http://127.0.0.1:{luigid.port}"
        central: Any = RemoteScheduler(url)

        def given(worker: str) -> str | None:
            central.add_task(worker=worker, task_id="before", status="DONE", family="Shards")
            central.add_task(worker=worker, task_id="begun", family="Epoch", params={}, deps=deps)
            found: str | None = central.get_work(worker=worker, current_tasks=[])["task_id"]
            return found

        assert given("stopped") == "begun"
        assert given("other") is None
        scheduler.give_back(url, "somebody")
        assert given("other") is None
        scheduler.give_back(url, "stopped")
        assert central.dep_graph(task_id="begun")["begun"]["deps"] == deps
        assert given("other") == "begun"
    finally:
        luigid.kill()
    scheduler.give_back(url, "other")
