"""Every operation of a durable step meets a fault, one after the other; what follows is told, a line each.

    python -m tests.reliability.explore training                 every fault at every operation
    python -m tests.reliability.explore training kill --at 17    that one, to see what happened
    unshare --mount python -m tests.reliability.explore training cut --on ext4 --way snapshot

Each fault comes to a fork of this process, in a directory of its own, and so does the run after it, which goes on.
What must hold: under final names everything is whole; a step that said that it was done is done; an error leaves
nothing half done; and whatever happened, the run after it ends in the bytes of the run that met no fault.
"""

import itertools
import json
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, get_args

from deeptrain.errors import ArtifactError, DeeptrainError
from deeptrain.store import artifact
from tests.conftest import tree
from tests.reliability import power, tools
from tests.reliability.durable_steps import RUN, STEPS, Step
from tests.reliability.faults import FAULTS, Disk
from tests.reliability.places import Place, Plain, Powered

CUT = "cut"
"""The power fails."""
DONE, DONE_ALL_THE_SAME, TOLD, CRASHED = range(4)


class Seen(NamedTuple):
    """What came of a fault.

    Attributes:
        fault: in words.
        at: which operation met it, from 1.
        operation: its name.
        path: what it was about, relative to the directory.
        outcome: "done", "done all the same", "told: ..." or "ended by signal 9".
        wrong: what does not hold, empty if all does.
    """

    fault: str
    at: int
    operation: str
    path: str
    outcome: str
    wrong: list[str]


def explore(step: Step, fault: str, place: Place, ats: Iterable[int]) -> Iterator[Seen]:
    """Give a step a fault at one operation after the other, until it does not come to it any more.

    Args:
        step: what is done.
        fault: in words.
        place: where.
        ats: the operations, from 1 on.
    """
    before, after = states(step, place)
    for at in ats:
        with place.attempt() as attempt:
            outcome, done = in_fork(step, attempt.root, at, attempt.fault)
            met = done[at - 1][0] if at <= len(done) else ""
            wrong = judged(step, attempt.left(), before, after, outcome, fault, met)
        if outcome[0] != DONE:
            yield Seen(fault, at, *done[at - 1], _in_words(outcome), wrong)
            continue
        if fault == CUT:
            yield Seen(fault, at, "after all of it", "", "done", wrong)
        return


def states(step: Step, place: Place) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """What is there before and after a step that meets no fault."""
    with place.attempt() as attempt:
        before = contents(attempt.root)
        outcome, _ = in_fork(step, attempt.root)
        assert outcome[0] == DONE, outcome
        return before, contents(attempt.root)


def judged(
    step: Step,
    root: Path,
    before: dict[str, bytes],
    after: dict[str, bytes],
    outcome: tuple[int, str],
    fault: str,
    met: str,
) -> list[str]:
    """What does not hold after a fault, which an operation met, and after the run that follows it."""
    wrong = [f"it crashed: {outcome[1]}"] if outcome[0] == CRASHED else []
    left = contents(root)
    # What was let go may be there again after a power cut; the next run lets it go again.
    there = left if fault != CUT else {name: data for name, data in left.items() if name in after}
    if outcome[0] in (DONE, DONE_ALL_THE_SAME) and there != after:
        wrong.append(f"it said that it is done, and differs in {different(left, after)}")
    if step.at_once and left not in (before, after):
        wrong.append(f"between two states: {different(left, after)}")
    wrong += [f"not whole: {told}" for told in spoilt(root, before)]
    if outcome[0] == TOLD:
        if fault == "EINTR":
            wrong.append(f"a signal ended it: {outcome[1]}")
        if fault.startswith("ENOSPC") and not any(one in outcome[1] for one in ("disk is full", "No space left")):
            wrong.append(f"a full disk is told as {outcome[1]}")
        if str(root) not in outcome[1]:
            wrong.append(f"it names no file: {outcome[1]}")
        removing = fault.endswith("from then on") or met in {"unlink", "rmdir"} or "cannot be removed" in outcome[1]
        if litter(root) and not removing:
            wrong.append(f"left behind: {litter(root)}")
    again, _ = in_fork(step, root)
    if again[0] != DONE:
        wrong.append(f"the run after it: {_in_words(again)}")
    elif contents(root) != after:
        wrong.append(f"the run after it differs in {different(contents(root), after)}")
    elif step.sweeps and litter(root):
        wrong.append(f"the run after it left {litter(root)}")
    return wrong


def in_fork(step: Step, root: Path, at: int = 0, fault: Any = "kill") -> tuple[tuple[int, str], list[tuple[str, str]]]:
    """Do a step in a fork: how it ended, and the operations it came to."""
    told = os.memfd_create("told")
    pid = os.fork()
    if pid == 0:
        _do(step, root, at, fault, told)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with os.fdopen(told, "rb") as file:
        file.seek(0)
        lines = [json.loads(line) for line in file]
    said = lines.pop() if lines and isinstance(lines[-1], str) else ""
    return (status, said), [(name, os.path.relpath(path, root)) for name, path in lines]


def _do(step: Step, root: Path, at: int, fault: Any, told: int) -> NoReturn:
    logging.getLogger("deeptrain").setLevel(logging.ERROR)  # it warns of what it sets aside
    write, leave = os.write, os._exit
    disk = Disk(root, at, fault)
    disk.watch = lambda one: write(told, f"{json.dumps(one)}\n".encode())
    status, said = CRASHED, ""
    try:
        step.act(root)
        status = DONE_ALL_THE_SAME if disk.met else DONE
    except (DeeptrainError, OSError) as error:
        status, said = TOLD, f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001 - it is told
        said = traceback.format_exc()
    write(told, f"{json.dumps(said)}\n".encode())
    leave(status)


def contents(root: Path) -> dict[str, bytes]:
    """What a run must have in common with one that met no fault."""
    run = root / RUN
    return {
        name: data
        for name, data in tree(run).items()
        if "quarantine" not in name and not any(part.startswith(".") for part in name.split("/"))
    }


def litter(root: Path) -> list[str]:
    """What is hidden, and so nobody's."""
    return sorted(path.name for path in (root / RUN).rglob(".*"))


def spoilt(root: Path, before: dict[str, bytes]) -> list[str]:
    """What is under the final name of an artifact and is none, unless it was so before."""
    found = []
    for path in (root / RUN).rglob("manifest.json"):
        name = path.relative_to(root / RUN).as_posix()
        if "quarantine" in name or any(part.startswith(".") for part in name.split("/")):
            continue
        try:
            artifact.verify(path.parent)
        except ArtifactError as error:
            if before.get(name) != path.read_bytes():
                found.append(str(error))
    return found


def different(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """The names of what two states do not have in common."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def _in_words(outcome: tuple[int, str]) -> str:
    status, said = outcome
    if status < 0:
        return f"ended by signal {-status}"
    return ("done", "done all the same", f"told: {said}", f"crashed: {said}")[status]


def main() -> int:
    """Explore one step, and print what came of each fault as a line of JSON."""
    parser = tools.parser("explore", __doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("fault", nargs="?", choices=[*FAULTS, CUT], help="only this one; by default all but the cut")
    parser.add_argument("--at", type=int, help="only this operation")
    parser.add_argument("--every", type=int, default=1, help="only every n-th operation, of each fault others")
    parser.add_argument("--on", choices=get_args(power.Kind), default="ext4", help="whose power is cut")
    parser.add_argument("--way", choices=get_args(power.Way), default="shutdown", help="how it is cut")
    asked = parser.parse_args()
    step = STEPS[asked.step]
    for number, fault in enumerate([asked.fault] if asked.fault else FAULTS):
        first = number * asked.every // len(FAULTS) + 1
        ats = itertools.count(first, asked.every) if asked.at is None else [asked.at]
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
            directory = Path(name)
            place: Place = (
                Powered(step, directory, asked.on, asked.way) if fault == CUT else Plain(step, directory, fault)
            )
            for seen in explore(step, fault, place, ats):
                tools.tell(json.dumps(seen._asdict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
