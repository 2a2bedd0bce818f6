"""Log records become lines a user can act on."""

import errno
import logging
import warnings

import luigi.parameter
import luigi.task_register
import pytest

from deeptrain.errors import ArtifactError, DataError, DeeptrainError, Interrupted, SettingsError
from pipelines.log_lines import LOGGERS, LogLines, attach, explain


@pytest.fixture
def lines():
    """What is told while the loggers are attached; `lines.handler` is the handler."""

    class Lines(list):
        handler = None

    told = Lines()
    told.handler = LogLines(told.append)
    detach = attach(told.handler)
    yield told
    detach()


def caught(error, cause=None):
    """The error as it is after being raised, from a cause."""
    try:
        raise error from cause
    except BaseException as raised:  # noqa: BLE001 - it is given back
        return raised


def log_of(name, error):
    logging.getLogger(name).error("[pid 1] Worker(...) failed    Epoch(experiment=...)", exc_info=error)


def test_a_users_mistake_is_its_text_alone(lines):
    log_of("luigi-interface", caught(DataError("labels.csv: 9 labels for 10 samples; give one a sample")))
    assert lines == ["deeptrain: labels.csv: 9 labels for 10 samples; give one a sample"]


def test_each_of_several_mistakes_has_its_line(lines):
    log_of("luigi-interface", caught(SettingsError("a.toml: x: unknown key\n\na.toml: y: missing")))
    assert lines == ["deeptrain: a.toml: x: unknown key", "deeptrain: a.toml: y: missing"]


def test_a_mistake_that_caused_another_error_is_what_is_told(lines):
    outer = caught(RuntimeError("task failed"), caught(ValueError("inner"), caught(ArtifactError("a: damaged"))))
    log_of("luigi-interface", outer)
    assert lines == ["deeptrain: a: damaged"]


def test_a_circle_of_causes_ends():
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert explain(one) == ["deeptrain: unexpected ValueError: one (run again with --debug for the traceback)"]


def test_a_stop_on_a_signal_is_its_text_alone():
    assert explain(caught(Interrupted("stopped after epoch 3; run the same command to go on", 15))) == [
        "deeptrain: stopped after epoch 3; run the same command to go on"
    ]


def test_the_unexpected_is_one_line_with_its_place(lines):
    log_of("luigi-interface", caught(ValueError("\nfirst line\nsecond line")))
    [line] = lines
    assert line.startswith("deeptrain: unexpected ValueError at ")
    assert "test_log_lines.py:" in line
    assert line.endswith(": first line (run again with --debug for the traceback)")


def test_what_the_system_refuses_anyone_is_not_called_unexpected():
    [line] = explain(caught(OSError(errno.EMFILE, "Too many open files")))
    assert line.startswith("deeptrain: the system refused what it was asked at ")
    helps = "[Errno 24] Too many open files; allow more open files (ulimit -n), then run again: what is done stays"
    assert line.endswith(helps)
    assert "unexpected FileExistsError" in explain(OSError(errno.EEXIST, "File exists"))[0]


class ResourceExhaustedError(Exception):
    """What TensorFlow says of a device."""


@pytest.mark.parametrize(
    "error", [MemoryError("Unable to allocate 3 GiB"), ResourceExhaustedError("OOM of [9,9]\nHint")]
)
def test_a_lack_of_memory_is_one_line_that_says_what_needs_less_of_it(error):
    assert explain(caught(error)) == [
        f"deeptrain: there was not memory enough: {str(error).splitlines()[0]}; what is done stays: run again with "
        "more of it, or with a smaller training.batch_size or training.superbatch_bytes"
    ]


def test_what_another_logger_said_of_the_unexpected_comes_first(lines):
    logging.getLogger("deeptrain").error("the report cannot be drawn", exc_info=caught(KeyError("x")))
    assert lines[0] == "deeptrain: the report cannot be drawn"
    assert lines[1].startswith("deeptrain: unexpected KeyError at ")


@pytest.mark.parametrize(
    "error",
    [
        luigi.parameter.MissingParameterException("No value for\n'experiment'"),
        luigi.parameter.UnknownParameterException("No value for\n'experiment'"),
        luigi.task_register.TaskClassNotFoundException("No value for\n'experiment'"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_luigis_own_mistakes_are_one_line(error):
    assert explain(caught(error)) == ["deeptrain: No value for 'experiment'"]


def test_debug_shows_the_traceback_of_everything():
    for error in (DataError("a: wrong"), ValueError("odd")):
        told = explain(caught(error), debug=True)
        assert "Traceback (most recent call last):" in told
        assert any("raise error from cause" in line for line in told)


def test_an_error_is_told_once(lines):
    error = caught(DataError("a: wrong"))
    log_of("luigi-interface", error)
    log_of("luigi", error)
    lines.handler.tell(error)
    lines.handler.tell(caught(DataError("a: wrong")))
    assert lines == ["deeptrain: a: wrong"]


def test_an_error_that_no_logger_saw_can_be_told(lines):
    lines.handler.tell(caught(DeeptrainError("a: wrong")))
    assert lines == ["deeptrain: a: wrong"]


def test_warnings_are_told_as_often_as_they_come_and_less_is_not_told(lines):
    log = logging.getLogger("deeptrain")
    for _ in range(2):
        log.warning("checkpoint %d is damaged", 3)
    log.info("nothing of interest")
    logging.getLogger("luigi-interface").error("no task")
    assert lines == ["deeptrain: warning: checkpoint 3 is damaged"] * 2 + ["luigi: no task"]


def test_a_warning_with_an_exception_is_one_line(lines):
    error = caught(ConnectionError("refused\nby the host"))
    logging.getLogger("luigi").warning("Failed connecting to remote scheduler", exc_info=error)
    assert lines == ["luigi: warning: Failed connecting to remote scheduler (ConnectionError: refused)"]


def test_pythons_warnings_are_one_line(lines):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("this is odd\nand long", UserWarning, stacklevel=1)
    [line] = lines
    assert line.startswith("warning: this is odd (UserWarning, ")
    assert "test_log_lines.py:" in line


def test_a_record_that_cannot_be_told_stops_nothing(capsys):
    def closed(line):
        raise OSError(f"nobody listens to {line}")

    LogLines(closed).tell(DataError("a: wrong"))
    assert "nobody listens to deeptrain: a: wrong" in capsys.readouterr().err


def test_detaching_restores_the_loggers():
    before = [(logging.getLogger(name).handlers[:], logging.getLogger(name).propagate) for name in LOGGERS]
    attach(LogLines([].append))()
    assert [(logging.getLogger(name).handlers, logging.getLogger(name).propagate) for name in LOGGERS] == before


def test_what_the_system_refuses_a_plan_is_not_called_unexpected_either(lines):
    trace = (
        'Traceback (most recent call last):\n  File "a.py", line 1, in b\nOSError: [Errno 28] No space left on device\n'
    )
    logging.getLogger("luigi-interface").warning("Will not run A() due to error in complete() method:\n%s", trace)
    assert lines == [
        "deeptrain: the system refused what it was asked while planning: [Errno 28] No space left on device; "
        "free space, then run again: what is done stays"
    ]
