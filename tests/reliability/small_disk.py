"""The whole job on disks of our own that are too small for it, which become larger: a line of JSON an attempt.

    unshare --mount --map-root-user python -m tests.reliability.small_disk --size 48k --size 144k
    unshare --mount --map-root-user python -m tests.reliability.small_disk --grow

A disk has one size after the other, and room at last; one that grows has a page more at each attempt. The job goes on
with what is there: so, where it grows, each write is the one that fails, once. What must hold: the error names what was
written, and says how much was needed; nothing is half published and nothing hidden is left; with room the job ends in
the same bytes.
"""

import contextlib
import itertools
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from deeptrain.errors import ArtifactError
from deeptrain.store import verification
from tests.conftest import EVEN, write_experiment
from tests.pipelines import command
from tests.pipelines.command import Finished, Warm, lines_of
from tests.reliability import tools

FULL = re.compile(
    r"deeptrain: (?P<where>\S+): the disk is full: (?:at least (?P<needed>[\d,]+) bytes are|space is) needed "
    r"for (?P<name>\S+), [\d,]+ are free; nothing was published; free some space and run again"
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
        self._here = write_experiment(directory, EVEN).parent
        self._disk = self._here / "disk"
        self._disk.mkdir()
        self._warm = warm
        self._expected = expected

    @contextlib.contextmanager
    def mounted(self) -> Iterator[None]:
        """With a disk within the block."""
        _mount("-t", "tmpfs", "small", str(self._disk))
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
            # Of what does not need one another each task may fail
            told = [FULL.fullmatch(line) for line in lines_of(finished.err) if "warning" not in line]
            full = " ".join(line["name"] for line in told if line is not None) if None not in told else ""
            wrong += [] if full and finished.code == 30 else [f"it ends with {finished.code} and says {finished.err}"]
            # States that retention lets go later are there, too
            other = [name for name, data in made.items() if self._expected.get(name, data) != data]
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


def attempts(sizes: Iterable[int], small: Small) -> Iterator[Attempt]:
    """The job on a disk of one size after the other, which each goes on with what is there, until it is through."""
    with small.mounted():
        for size in sizes:
            made = small.attempt(size)
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
    parser = tools.parser("small_disk", __doc__)
    parser.add_argument("--size", action="append", default=[], help="of the disk, such as 48k; several in their order")
    parser.add_argument("--grow", action="store_true", help="a disk that grows by a page")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "warm").mkdir()
        warm = Warm(directory / "warm")
        try:
            large = write_experiment(directory / "large", EVEN).parent
            finished = job(warm, large)
            assert (finished.code, finished.err) == (0, ""), finished
            expected = command.contents(large / "disk")
            disks: dict[str, Iterable[int]] = {}
            if asked.size:
                disks["small"] = [*map(in_bytes, asked.size), ROOM]
            if asked.grow:
                disks["growing"] = itertools.count(PAGE, PAGE)
            for disk, sizes in disks.items():
                for made in attempts(sizes, Small(directory / disk, warm, expected)):
                    tools.tell(json.dumps(made._asdict()))
        finally:
            warm.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
