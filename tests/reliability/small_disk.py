"""The whole job on disks of our own that are too small for it, which become larger: a line of JSON an attempt.

    unshare --mount --map-root-user python -m tests.reliability.small_disk --size 48k --size 144k
    unshare --mount --map-root-user python -m tests.reliability.small_disk --grow

A disk of a given size gets room after the first attempt. One that grows has a page more at each, and the job goes on
with what is there: so each write is the one that fails, once. What must hold: the error names what was written, and
says how much was needed; nothing is half published and nothing hidden is left; with room the job ends in the same
bytes.
"""

import argparse
import contextlib
import itertools
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from deeptrain.errors import ArtifactError
from deeptrain.store import verification
from tests.conftest import write_experiment
from tests.pipelines import command
from tests.pipelines.command import Finished, Warm, lines_of

FULL = re.compile(
    r"deeptrain: (?P<where>\S+): the disk is full: at least (?P<needed>[\d,]+) bytes are needed for (?P<name>\S+), "
    r"[\d,]+ are free; nothing was published; free some space and run again"
)
PAGE = 4096
ROOM = 64 << 20


class Attempt(NamedTuple):
    """The job on a disk.

    Attributes:
        bytes: of the disk.
        code: the job's exit code.
        full: what could not be written, empty where all was.
        published: how many artifacts are whole after it.
        wrong: what does not hold, empty if all does.
    """

    bytes: int
    code: int
    full: str
    published: int
    wrong: list[str]


class Small:
    """An experiment whose store is a disk."""

    def __init__(self, directory: Path, warm: Warm, expected: dict[str, bytes]) -> None:
        """Write the experiment.

        Args:
            directory: for it, new.
            warm: runs the job.
            expected: what it makes.
        """
        self._here = write_experiment(directory).parent
        self._disk = self._here / "disk"
        self._disk.mkdir()
        self._warm = warm
        self._expected = expected

    @contextlib.contextmanager
    def mounted(self, size: int) -> Iterator[None]:
        """With a disk of so many bytes within the block."""
        _mount("-t", "tmpfs", "-o", f"size={size}", "small", str(self._disk))
        try:
            yield
        finally:
            subprocess.run(["umount", self._disk], check=True)

    def attempt(self, size: int) -> Attempt:
        """The job, with so many bytes in all."""
        _mount("-o", f"remount,size={size}", str(self._disk))
        finished = job(self._warm, self._here)
        made = command.contents(self._disk)
        published, wrong = self._whole()
        full = ""
        if finished.code == 0:
            wrong += [f"it says {finished.err}"] if finished.err else []
            wrong += [f"other bytes in {different(made, self._expected)}"] if made != self._expected else []
        else:
            told = [FULL.fullmatch(line) for line in lines_of(finished.err) if "warning" not in line]
            full = told[0]["name"] if len(told) == 1 and told[0] is not None else ""
            wrong += [] if full and finished.code == 30 else [f"it ends with {finished.code} and says {finished.err}"]
            other = [name for name, data in made.items() if self._expected.get(name) != data]
            wrong += [f"other bytes in {other}"] if other else []
        hidden = sorted(path.name for path in self._disk.rglob(".*"))
        wrong += [f"left behind: {hidden}"] if hidden else []
        return Attempt(size, finished.code, full, published, wrong)

    def _whole(self) -> tuple[int, list[str]]:
        try:
            seen = verification.verify(self._disk)
        except ArtifactError:  # nothing is there
            return 0, []
        return seen.artifacts, [f"not whole: {fault}" for fault in seen.faults]


def attempts(size: int, small: Small) -> Iterator[Attempt]:
    """The job on a disk that is too small, and again with room."""
    with small.mounted(size):
        yield small.attempt(size)
        yield small.attempt(ROOM)


def growing(small: Small) -> Iterator[Attempt]:
    """The job on a disk of a page, of two, and so on, which each goes on with what is there, until it is through."""
    with small.mounted(PAGE):
        for pages in itertools.count(1):
            made = small.attempt(pages * PAGE)
            yield made
            if made.code == 0:
                return


def job(warm: Warm, here: Path) -> Finished:
    """The job, whose store is the directory `disk`."""
    return warm.job("--store", "disk", cwd=here)


def different(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """The names of what two stores do not have in common."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def in_bytes(text: str) -> int:
    """A size as it is typed: 48k."""
    return int(text.removesuffix("k")) * (1024 if text.endswith("k") else 1)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def main() -> int:
    """Try the disks that are asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability.small_disk",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--size", action="append", default=[], help="of a disk, such as 48k")
    parser.add_argument("--grow", action="store_true", help="a disk that grows by a page")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "warm").mkdir()
        warm = Warm(directory / "warm")
        try:
            large = write_experiment(directory / "large").parent
            finished = job(warm, large)
            assert (finished.code, finished.err) == (0, ""), finished
            expected = command.contents(large / "disk")
            disks = [attempts(in_bytes(size), Small(directory / size, warm, expected)) for size in asked.size]
            disks += [growing(Small(directory / "growing", warm, expected))] if asked.grow else []
            for made in itertools.chain.from_iterable(disks):
                print(json.dumps(made._asdict()), flush=True)  # noqa: T201 - what it is asked for
        finally:
            warm.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
