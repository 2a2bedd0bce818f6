"""The server of the page is killed while a run asks its scheduler, and started again."""

import re
import signal
from pathlib import Path

from deeptrain import inventory
from tests.conftest import write_experiment
from tests.pipelines import command
from tests.pipelines.command import SLOW_BUILDER, SLOW_TOML, Warm
from tests.pipelines.test_command import HEAVY

ASKED = ("--module", "pipelines", "TrainModel", "--experiment", "tiny.toml")


def test_a_run_ends_complete_when_the_server_dies_and_returns(tmp_path: Path, warm: Warm) -> None:
    here = write_experiment(tmp_path / "here", toml=SLOW_TOML, builder=SLOW_BUILDER).parent
    first = command.start("ui", "--port", "0", cwd=here, module="pipelines")
    assert first.stdout is not None
    url = first.stdout.readline().split()[0]
    command.hold(here, 2)
    job = warm.start(*ASKED, "--scheduler-url", url, cwd=here)
    state = here / "runs/.scheduler.json"
    command.wait_until(lambda: state.exists() and "Epoch_" in state.read_text(), job)
    command.arrive(here, job)
    before = command.trained(here / "runs")[0]
    first.kill()
    command.let_go(here)
    first.communicate()
    assert (here / "runs/.ui.json").exists()
    command.wait_until(lambda: command.trained(here / "runs")[0] > before, job)
    port = url.rstrip("/").rpartition(":")[2]
    second = command.start("ui", "--port", port, cwd=here, module="pipelines")
    assert second.stdout is not None
    assert second.stdout.readline().split()[0] == url
    finished = command.end(job)
    assert (finished.code, finished.err) == (0, "")
    second.send_signal(signal.SIGTERM)
    assert command.end(second).code == 143
    (one,) = inventory.of(here / "runs")
    assert (one.state, one.epochs) == ("finished", 6)


def test_the_command_ends_as_others_do_and_loads_nothing_heavy_before_it_must(tmp_path: Path) -> None:
    process = command.start("ui", "--port", "0", cwd=tmp_path, module="pipelines", PYTHONPROFILEIMPORTTIME="1")
    assert process.stdout is not None
    told = process.stdout.readline()
    assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/   the runs in runs, and the scheduler; Ctrl-C ends it\n", told)
    process.send_signal(signal.SIGINT)
    finished = command.end(process)
    lines = finished.err.splitlines()
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert imported & HEAVY == {"jinja2"}
    assert (finished.code, [line for line in lines if not line.startswith("import time:")]) == (130, ["stopped"])
    assert not (tmp_path / "runs/.ui.json").exists()


def test_a_port_that_is_taken_and_a_store_that_is_a_run_are_told(tmp_path: Path) -> None:
    first = command.start("ui", "--port", "0", cwd=tmp_path, module="pipelines")
    assert first.stdout is not None
    port = first.stdout.readline().split()[0].rstrip("/").rpartition(":")[2]
    taken = command.run("ui", "--port", port, cwd=tmp_path, module="pipelines")
    assert taken.code == 1
    assert f"port {port} of 127.0.0.1 is taken by process {first.pid} (" in taken.err
    assert "choose another with --port\n" in taken.err
    first.terminate()
    command.end(first)
    (tmp_path / "runs/tiny/training-0").mkdir(parents=True)
    told = command.run("ui", "--store", "runs/tiny", cwd=tmp_path, module="pipelines")
    assert (told.code, told.err) == (1, "deeptrain: --store runs/tiny: is a run; name the directory of runs, runs\n")
