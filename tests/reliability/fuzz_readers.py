"""Any bytes in place of a file of ours, guided by what they reach: `make fuzz ARGS="manifest shard --seconds 60"`.

With atheris (the extra `fuzz`: pip install -e '.[fuzz]') one reader at a time is fuzzed by libFuzzer, which keeps what
reaches new code. Without it the same readers are given real files with something wrong, at random, from a seed. What
breaks the law is told with the bytes that do, kept in `fuzz/`, and can be read again: `--again FILE`.
"""

import importlib.util
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.reliability import tools
from tests.reliability.fuzzed import TARGETS, Place, within
from tests.reliability.spoiling import spoilt

GUIDED = ("manifest", "progress", "state", "shard", "data", "labels", "checks", "events")
"""Whose instructions atheris follows by default: manifests, progress, shards."""
PLACE = Path("fuzz")


def at_random(name: str, seconds: float, seed: int) -> int:
    """Give a reader spoilt files until the time is over; how many."""
    chance, end, tried = random.Random(f"{name} {seed}"), time.monotonic() + seconds, 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as directory:
        place = Place(TARGETS[name], Path(directory))
        while time.monotonic() < end:
            data = spoilt(place.whole, chance)
            with within(name, data, keep=PLACE):
                place.read(data)
            tried += 1
    return tried


def again(name: str, file: Path) -> None:
    """Read the bytes that a run kept."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as directory:
        tools.tell("refused" if Place(TARGETS[name], Path(directory)).read(file.read_bytes()) else "read")


def main() -> int:
    """Fuzz what was asked for; the exit code is 1 where something broke the law."""
    parser = tools.parser("fuzz_readers", __doc__)
    parser.add_argument("readers", nargs="*", choices=[*TARGETS, []], help="by default those of manifests and shards")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each")
    parser.add_argument("--seed", type=int, default=0, help="of what is tried without atheris")
    parser.add_argument("--again", type=Path, help="a file that was kept, for the one reader that is named")
    asked = parser.parse_args()
    names = asked.readers or GUIDED
    PLACE.mkdir(exist_ok=True)
    if asked.again is not None:
        again(names[0], asked.again)
        return 0
    failed = []
    for name in names:
        if importlib.util.find_spec("atheris") is None:
            tools.tell(f"{name}: {at_random(name, asked.seconds, asked.seed):,} spoilt files, at random")
            continue
        command = [sys.executable, "-m", "tests.reliability.fuzz_guided", name, str(asked.seconds), str(PLACE)]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        tools.tell(f"the law was broken by: {', '.join(failed)}; the bytes are in {PLACE}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
