"""Every durable step on a machine that is otherwise than expected: it ends in the same bytes, or says what is amiss.

    python -m tests.reliability.conditions DIRECTORY    a line of JSON for each condition and step

Each step is done in a fork, undisturbed and under each condition, in directories of their own below the one given.
"""

import errno
import fcntl
import hashlib
import itertools
import json
import os
import stat
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deeptrain.training import adoption
from tests.reliability import tools
from tests.reliability.durable_steps import RUN, STEPS, Step
from tests.reliability.explore import contents, in_fork, litter

YEAR = 365 * 86_400
UMASK = 0o027


def _nothing() -> None:
    """The machine as it is."""


def _slow() -> None:
    """A disk that takes its time for each write, and more to have it for good."""
    write, sync = os.write, os.fsync

    def slow_write(*arguments: Any) -> int:
        time.sleep(0.0005)
        return write(*arguments)

    def slow_sync(descriptor: int) -> None:
        time.sleep(0.005)
        sync(descriptor)

    os.write, os.fsync = slow_write, slow_sync  # type: ignore[assignment]


def _directories_do_not_sync() -> None:
    """As some network file systems are, and some in user space: a directory is none of what can be synced."""
    real = os.fsync

    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(descriptor)

    os.fsync = sync  # type: ignore[assignment]


def _no_links() -> None:
    """As on a memory card."""

    def link(source: str, target: str, **_: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), source, None, target)

    os.link = link


def _no_locks() -> None:
    """As on a network file system whose server does not lock."""

    def lock(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    fcntl.flock = lock


def _a_year_back() -> None:
    """A clock that was set back: what is on the disk is from the future."""
    for name, unit in (("time", 1), ("time_ns", 10**9)):
        real = getattr(time, name)
        setattr(time, name, lambda real=real, unit=unit: real() - YEAR * unit)


def _another_umask() -> None:
    """A group reads, nobody else does."""
    os.umask(UMASK)


CONDITIONS: Mapping[str, Callable[[], None]] = {
    "nothing": _nothing,
    "slow": _slow,
    "directories do not sync": _directories_do_not_sync,
    "no links": _no_links,
    "no locks": _no_locks,
    "a year back": _a_year_back,
    "another umask": _another_umask,
}


def _taken_over(root: Path) -> None:
    adoption.link(root / RUN / "deep/er" / _made(root), root / RUN / "other")


def _made(root: Path) -> str:
    return next(path.name for path in (root / RUN / "deep/er").iterdir())


ALL_STEPS = {**STEPS, "taken-over": Step(STEPS["artifact"].act, _taken_over, sweeps=True)}


def tried(name: str, condition: str, root: Path) -> dict[str, Any]:
    """What comes of a step under a condition."""
    step, change = ALL_STEPS[name], CONDITIONS[condition]
    root.mkdir()
    step.prepare(root)
    for path in root.rglob("*") if change is _a_year_back else ():
        os.utime(path, (time.time(),) * 2)

    def act(at: Path) -> None:
        change()
        step.act(at)

    before = set(root.rglob("*"))
    (outcome, said), _ = in_fork(Step(step.prepare, act), root)
    # what is set aside keeps its modes
    made = [path for path in (root / RUN).rglob("*") if path not in before and "quarantine" not in path.parts]
    return {
        "step": name,
        "condition": condition,
        "outcome": ("done", "done all the same", "told", "crashed")[outcome],
        "said": said,
        "contents": {path: hashlib.sha256(data).hexdigest() for path, data in sorted(contents(root).items())},
        "litter": litter(root),
        "files": sorted({stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()}),
        "directories": sorted({stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()}),
    }


def main(directory: Path) -> int:
    """Try all of it."""
    for number, (name, condition) in enumerate(itertools.product(ALL_STEPS, CONDITIONS)):
        told = tried(name, condition, directory / str(number))
        tools.tell(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
