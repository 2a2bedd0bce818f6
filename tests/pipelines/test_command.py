"""`luigi --module pipelines TrainModel`, as a user runs it."""

import json
import re
import shutil
import socket
from pathlib import Path

import pytest

from tests.conftest import TOML, write_experiment
from tests.pipelines import command
from tests.pipelines.command import JOB, lines_of, run
from tests.pipelines.conftest import Trained

STAGES = ["shards", "predictions", "threshold", "subset", "evaluation", "report"]
HEAVY = {"tensorflow", "keras", "numpy", "pandas", "matplotlib", "sklearn", "scipy", "pyarrow", "rich", "jinja2"}


def test_the_complete_job_makes_every_artifact_and_says_where_the_report_is(trained: Trained) -> None:
    assert trained.finished.code == 0
    assert trained.finished.err == ""
    run_directory = trained.directory / "runs/tiny"
    for stage in [*STAGES, "training"]:
        assert len(list(run_directory.glob(f"{stage}-*"))) == 1, stage
    assert sorted(path.name for path in run_directory.glob("training-*/epochs/*")) == ["0001", "0002", "0003"]
    assert command.litter(trained.directory / "runs") == []
    assert re.search(r"^model M1__tiny__min\.[0-9]+$", trained.finished.out, re.MULTILINE)
    *_, last = lines_of(trained.finished.out)
    report = re.fullmatch(r"report +(runs/tiny/report-[0-9a-f]{16}/index\.html)", last)
    assert report is not None
    assert (trained.directory / report[1]).read_text().startswith("<!DOCTYPE html>")


def test_the_closing_table_has_a_line_for_each_stage(trained: Trained) -> None:
    *_, table, _ = trained.finished.out.split("\n\n")
    head, *rows = lines_of(table)
    assert head.split() == ["stage", "state", "seconds", "artifact"]
    assert [row.split()[0] for row in rows] == ["samples", "shards", "epochs", *STAGES[1:]]
    assert all(" ran " in row for row in rows)
    assert re.search(r"^epochs 1-3 +3 ran +[0-9.]+ +runs/tiny/training-[0-9a-f]{16}/epochs$", table, re.MULTILINE)


def test_a_second_run_has_nothing_to_do_says_so_and_imports_nothing_heavy(here: Path) -> None:
    before = command.contents(here / "runs")
    again = command.job(cwd=here, PYTHONPROFILEIMPORTTIME="1")
    assert again.code == 0
    first, last = lines_of(again.out)
    assert first == "tiny: everything is there already, nothing to do"
    assert last.endswith("/index.html")
    assert command.contents(here / "runs") == before
    assert len(command.stages(here / "runs")) == len(STAGES) + 3 + 2  # epochs; samples and a part of the shards
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in again.err.splitlines()}
    assert "luigi" in imported
    assert imported & HEAVY == set()
    assert [line for line in again.err.splitlines() if not line.startswith("import time:")] == []


def test_what_a_command_left_that_was_killed_when_all_was_there_goes_though_nothing_is_to_be_done(
    here: Path, warm: command.Warm
) -> None:
    """The report was published, or the last epoch, and what was beside it was not yet deleted."""
    before = command.contents(here / "runs")
    (training,) = here.glob("runs/tiny/training-*")
    shutil.copytree(training / "epochs/0003", training / "unfinished/00003.0000000015")
    shutil.copytree(training / "epochs/0003", training / "unfinished/.00003.0000000014.123.0123abcd")
    (here / "runs/tiny/.report-0123.123.0123abcd").mkdir()
    assert len(set(command.litter(here / "runs"))) == 3
    again = warm.job(cwd=here)
    assert lines_of(again.out)[0] == "tiny: everything is there already, nothing to do"
    assert command.litter(here / "runs") == []
    assert command.contents(here / "runs") == before


def test_a_split_that_chose_something_is_refused_in_one_line_though_all_is_there(here: Path) -> None:
    asked = ("--experiment", "tiny.toml", "--local-scheduler", "--split", "val")
    refused = run("--module", "pipelines", "Evaluate", *asked, cwd=here)
    assert refused.code == 40
    said, following = command.mistake(refused)
    assert re.fullmatch(r"deeptrain: split to score: expected one that chose nothing, got 'val': it .*\n", said)
    assert following == "python -m pipelines plan tiny.toml"


def test_two_fresh_runs_in_two_places_are_byte_equal(trained: Trained, tmp_path: Path) -> None:
    file = write_experiment(tmp_path / "another plâce" / "é")
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    (home / ".keras").mkdir(parents=True)
    (home / ".keras/keras.json").write_text(
        '{"floatx": "float64", "epsilon": 0.01, "image_data_format": "channels_first"}'
    )
    elsewhere.mkdir()
    (elsewhere / "matplotlibrc").write_text("font.size: 30\nlines.linewidth: 7\nsavefig.facecolor: red\n")
    finished = run(
        *("--module", "pipelines", "TrainModel", "--local-scheduler"),
        *("--experiment", str(file), "--store", str(tmp_path / "the störe")),
        cwd=elsewhere,
        HOME=str(home), TZ="Asia/Kolkata", LANG="C", LC_ALL="C", PYTHONHASHSEED="7", PYTHONIOENCODING="ascii",
        COLUMNS="200", TERM="dumb",
    )  # fmt: skip
    assert (finished.code, finished.err) == (0, "")
    assert command.contents(tmp_path / "the störe") == trained.contents
    assert [path.name for path in elsewhere.iterdir()] == ["matplotlibrc"]


def test_artifacts_hold_no_time_no_place_and_no_process(trained: Trained) -> None:
    secrets = [str(trained.directory).encode(), socket.gethostname().encode() + b'"', b"2026-", b"/tmp/", b"\\u002f"]
    texts = {name: data for name, data in trained.contents.items() if name.endswith((".json", ".html", ".parquet"))}
    for name, data in texts.items():
        assert not [secret for secret in secrets if secret in data], name


def test_without_a_central_scheduler_one_line_says_how_to_have_one(here: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [argument for argument in JOB if argument != "--local-scheduler"]
    finished = run(*arguments, "--scheduler-port", str(port), cwd=here)
    assert (finished.code, finished.err) == (0, "")
    assert lines_of(finished.out)[0] == (
        f"no central scheduler at localhost:{port}, so the local one is used "
        f"(web page: python -m pipelines ui --port {port})"
    )


PLAN, HELP = "python -m pipelines plan tiny.toml", "python -m luigi --module pipelines TrainModel --help"
OF_EPOCH = HELP.replace("TrainModel", "Epoch")


@pytest.mark.parametrize(
    ("arguments", "line", "following"),
    [
        (["--settings", "{"], "--settings: expected a JSON object, got '{': Expecting property name enclosed in double "
         "quotes: line 1 column 2 (char 1)", HELP),
        (["--settings", "[1]"], '--settings: expected a JSON object such as {"training.batch_size": 64}, got \'[1]\'',
         HELP),
        (["--settings", '{"training.bach_size": 8}'], "--settings: training.bach_size: unknown key; did you mean "
         "batch_size?", HELP),
        (["--epochs", "x"], "--epochs: expected an integer, got 'x'", HELP),
        (["--epochs", "\uff11"], "--epochs: expected an integer, got '\uff11'", HELP),
        (["--epochs", "0"], "--epochs: training.epochs: expected int >= 1, got 0", HELP),
        (["--seed", "-1"], "--seed: experiment.seed: expected int >= 0, got -1", HELP),
        (["--seed", "1.5"], "--seed: expected an integer, got '1.5'", HELP),
        (["--epochs"], "argument --epochs: expected one argument", HELP),
        (["--workers", "x"], "--workers: invalid literal for int() with base 10: 'x'", HELP),
        (["more"], "more: expected one task and its options, got another word", HELP),
        (["--epocs=3"], "--epocs: no such option; did you mean --epochs?",
         "python -m luigi --module pipelines TrainModel --experiment tiny.toml --local-scheduler --epochs=3"),
        (["--experiment", "gone.toml"], "gone.toml: cannot be read: No such file or directory",
         "python -m pipelines new --help"),
        (["--experiment", "tinny.toml", "--store", "a b"],
         "tinny.toml: cannot be read: No such file or directory; did you mean tiny.toml?",
         "python -m luigi --module pipelines TrainModel --local-scheduler --experiment tiny.toml --store 'a b'"),
        (
            ["--experiment", "."],
            ".: cannot be read: Is a directory; name an experiment's TOML file, such as my.toml",
            "python -m pipelines plan .",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_the_arguments_is_a_line_and_the_next_command(
    arguments: list[str], line: str, following: str, experiment: Path, warm: command.Warm
) -> None:
    asked = [word for word in JOB if "--experiment" not in arguments or word not in ("--experiment", "tiny.toml")]
    finished = warm(*asked, *arguments, cwd=experiment.parent)
    assert command.mistake(finished) == (f"deeptrain: {line}\n", following)
    assert finished.code == 40
    assert list(experiment.parent.glob("runs/**/manifest.json")) == []


@pytest.mark.parametrize(
    ("task", "line", "following"),
    [
        (["TrainModle"], "TrainModle: no such task; did you mean TrainModel?", "python -m luigi --module pipelines "
         "TrainModel --experiment tiny.toml --local-scheduler"),
        (["Qux"], "Qux: no such task; there are Calibrate, Epoch, EpochPredictions, Epochs, ",
         "python -m luigi --module pipelines TrainModel --experiment tiny.toml --local-scheduler"),
        (["Epoch", "--number", "4"], "--number must be between 1 and training.epochs (3), got 4",
         OF_EPOCH),
        (["Epoch", "--number", "two"], "--number: expected an integer, got 'two'", OF_EPOCH),
        (["Epoch"], "--number must be between 1 and training.epochs (3), got None", OF_EPOCH),
        (["Offsets"], "HERE/tiny.toml: Offsets does not apply: it is not asked for in [calibration]", PLAN),
    ],
)  # fmt: skip
def test_a_mistake_in_the_task_is_a_line_and_the_next_command(
    task: list[str], line: str, following: str, experiment: Path, warm: command.Warm
) -> None:
    here = experiment.parent
    finished = warm("--module", "pipelines", *task, "--experiment", "tiny.toml", "--local-scheduler", cwd=here)
    told, then = command.mistake(finished)
    assert told.startswith(f"deeptrain: {line.replace('HERE', str(here))}")
    assert (told.count("\n"), then, finished.code) == (1, following, 40)


@pytest.mark.parametrize("address", ["nonsense://x", "http://x:y/", "8082"])
def test_a_schedulers_address_that_is_none_is_told(address: str, experiment: Path, warm: command.Warm) -> None:
    asked = ("--module", "pipelines", "Shards", "--experiment", "tiny.toml", "--scheduler-url", address)
    finished = warm(*asked, cwd=experiment.parent)
    told = f"deeptrain: --scheduler-url: expected http://HOST:PORT, got '{address}'\n"
    assert command.mistake(finished) == (told, "python -m luigi --module pipelines Shards --help")
    assert finished.code == 40


def test_a_command_without_a_task_is_told_the_main_one(experiment: Path, warm: command.Warm) -> None:
    finished = warm("--module", "pipelines", "--local-scheduler", cwd=experiment.parent)
    following = "python -m luigi --module pipelines TrainModel --local-scheduler"
    assert command.mistake(finished) == ("deeptrain: no task was named\n", following)
    assert finished.code == 40
    assert warm("--module", "pipelines", "--help", cwd=experiment.parent).code == 0


def test_options_before_their_task_are_put_behind_it(experiment: Path, warm: command.Warm) -> None:
    asked = ("--module", "pipelines", "--experiment", "tiny.toml", "Shards", "--local-scheduler")
    finished = warm(*asked, cwd=experiment.parent)
    assert command.mistake(finished) == (
        "deeptrain: tiny.toml: no such task; the options of Shards stand behind it\n",
        "python -m luigi --module pipelines Shards --experiment tiny.toml --local-scheduler",
    )


def test_a_code_of_ones_own_for_mistakes_is_used_and_debug_shows_where_it_was_found(
    experiment: Path, warm: command.Warm
) -> None:
    (experiment.parent / "luigi.cfg").write_text("[retcode]\nunhandled_exception = 77\n")
    assert warm.job("--epocs", "3", cwd=experiment.parent).code == 77
    told = warm.job("--epochs", "0", "--debug", cwd=experiment.parent)
    assert told.code == 77
    assert told.err.startswith("deeptrain: --epochs: training.epochs: expected int >= 1, got 0\nTraceback (most recent")


def test_a_failed_task_has_an_exit_code_of_its_own(experiment: Path) -> None:
    (experiment.parent / "raw/part-2.csv").write_text("a,b,c,d,y\n")
    finished = command.job(cwd=experiment.parent)
    assert finished.code == 30
    assert (
        finished.err == f"deeptrain: {experiment.parent / 'raw/part-2.csv'}: no samples: it has a header and no rows\n"
    )


UNEXPECTED = """
import json

def build(data):
    import keras
    return keras.Sequential([keras.Input(data.shape), keras.layers.Dense(1, activation="sigmoid")])

class Broken:
    def __init__(self, data):
        pass

    def process(self, batch, rng):
        return {}["no such key"]
"""


def test_debug_shows_the_traceback_of_what_was_not_expected(tmp_path: Path, warm: command.Warm) -> None:
    toml = TOML.replace('["normalise"]', '["my_model:Broken"]')
    here = write_experiment(tmp_path, toml=toml, builder=UNEXPECTED).parent
    short = warm.job(cwd=here)
    assert short.code == 30
    assert re.fullmatch(
        r"deeptrain: unexpected KeyError at \S*my_model\.py:13: 'no such key' "
        r"\(run again with --debug for the traceback\)\n",
        short.err,
    )
    whole = warm.job("--debug", cwd=here)
    assert whole.code == 30
    assert "Traceback (most recent call last)" in whole.err
    assert 'return {}["no such key"]' in whole.err


def test_the_event_log_tells_what_ran_and_for_how_long(trained: Trained) -> None:
    lines = (trained.directory / "runs/tiny/live/events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["stage"] for event in events if event["kind"] == "task"][:6] == [
        "samples", "part 1", "shards", "epoch 1", "epoch 2", "epoch 3",
    ]  # fmt: skip
    assert all(event["outcome"] == "ran" and event["seconds"] >= 0 for event in events)
