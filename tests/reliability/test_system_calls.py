"""A whole job with a fault at one of the system calls by which it writes, and run again: the same bytes (L2, law 6).

Everything is in it: raw files are converted, a model trained with checkpoints, predictions, thresholds, a report. In
`make sample` a few of the calls by chance, with `--thorough` all, each with another of its faults.
"""

import itertools
import os
import shlex
import shutil
from collections import Counter
from pathlib import Path

import pytest

from deeptrain.errors import ArtifactError
from deeptrain.store import verification
from tests.conftest import write_experiment
from tests.pipelines import command
from tests.pipelines.command import JOB, Warm, lines_of
from tests.reliability import system_calls
from tests.reliability.sample import chosen, randomly
from tests.reliability.system_calls import FAULTS, KINDS, Call
from tests.reliability.test_every_kill import FULL

SAMPLE = 3


@pytest.fixture(scope="session")
def undisturbed(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Call], dict[str, bytes]]:
    """The system calls of the job by which it writes, and the bytes that are there after it."""
    lacking = system_calls.lacking()
    if lacking is not None:
        assert "CI" not in os.environ, lacking
        pytest.skip(lacking)
    directory = tmp_path_factory.mktemp("undisturbed")
    # Once before, so that in no run Python compiles modules and writes them: calls are counted
    assert warm.job(cwd=write_experiment(directory / "before", toml=FULL).parent).code == 0
    here = write_experiment(directory / "here", toml=FULL).parent
    finished = system_calls.run(warm, *JOB, cwd=here, log=directory / "calls.txt")
    assert (finished.code, finished.err) == (0, "")
    return list(system_calls.calls(directory / "calls.txt", here)), command.contents(here / "runs")


def each_with_a_fault(calls: list[Call]) -> list[tuple[Call, str]]:
    """Every call with one of the faults of its kind, in turn."""
    turns = {kind: itertools.cycle(faults) for kind, faults in FAULTS.items()}
    return [(call, next(turns[KINDS[call.name]])) for call in calls]


def test_whatever_a_system_call_says_the_job_that_runs_after_it_makes_the_same_bytes(
    share: int, undisturbed: tuple[list[Call], dict[str, bytes]], tmp_path: Path, warm: Warm, thorough: bool
) -> None:
    calls, expected = undisturbed
    assert Counter(KINDS[call.name] for call in calls).keys() >= {"openat", "write", "fsync", "close", "rename"}
    every, rng = each_with_a_fault(calls), randomly("system calls")
    asked = chosen(every, share, thorough=thorough, count=SAMPLE, rng=rng)
    hits = 0
    for number, (call, fault) in enumerate(asked):
        here = write_experiment(tmp_path / str(number), toml=FULL).parent
        log = tmp_path / f"{number}.txt"
        finished = system_calls.run(warm, *JOB, cwd=here, log=log, fault=(call.name, call.number, fault))
        met = [line for line in log.read_text(errors="replace").splitlines() if "(INJECTED)" in line]
        hits += bool(met) or finished.code == -9
        strace = ["strace", "-e", f"inject={call.name}:{fault}:when={call.number}", "python", "-m", "luigi", *JOB]
        told = f"{fault} at {call}, met at {met}: {finished}; again by: {shlex.join(strace)}"
        if finished.code == -9:
            assert (fault, finished.err) == ("signal=KILL", ""), told
        else:
            # Others than the one that was meant may be met, and be in files of Python's
            elsewhere = bool(met) and not any(f"{here / 'runs'}" in line or '"runs' in line for line in met)
            assert finished.code in {0, 30, *([40] if elsewhere else [])}, told
            assert "Traceback" not in finished.err, told
            assert all(line.startswith("deeptrain: ") for line in lines_of(finished.err)), told
            assert finished.code == 0 or elsewhere or "runs" in finished.err, told
            assert "EINTR" not in fault or finished.code == 0, told
            hidden = [name for name in command.litter(here / "runs") if "unfinished/0" not in name]
            assert hidden == [] or KINDS[call.name] in {"unlink", "rmdir"}, f"{told}; left behind: {hidden}"
        assert whole(here), told
        finished = warm.job(cwd=here)
        assert finished.code == 0, f"{told}; the run after it: {finished}"
        assert command.litter(here / "runs") == [], told
        assert command.contents(here / "runs") == expected, told
        shutil.rmtree(here)
    # The clock decides over some calls, so that some of the last may be none.
    assert hits >= 0.9 * len(asked) - 1


def whole(here: Path) -> bool:
    """Whether everything under a final name is what its manifest says, or nothing is there."""
    try:
        return verification.verify(here / "runs").faults == ()
    except ArtifactError:
        return True
