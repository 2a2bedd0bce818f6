"""The whole pipeline under random settings, killed at random until it is through, again and again.

    python -m tests.reliability.soak --kills 1000            about two hours on two cores
    python -m tests.reliability.soak --seed 7 --kills 0      that experiment once, from its beginning

What must come out of each experiment is computed by a run that nobody kills, and kept outside of what is killed. Kills
come after 0.05 to 20 seconds, mostly early, to the command with all its processes. A line of JSON tells of each
experiment; what does not hold ends the soak with the seed that repeats it.
"""

import argparse
import itertools
import json
import math
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.conftest import BUILDER, TOML, write_experiment
from tests.pipelines import command
from tests.pipelines.command import Warm
from tests.reliability.test_kills import killed_after

CHOICES: Mapping[str, Sequence[str]] = {
    "epochs": ("1", "2", "5"),
    "batch_size": ("5", "16", "70"),
    "autosave_seconds": ("0.000001", "0.1", "60"),
    "epochs_per_task": ("1", "2"),
    "keep_every": ("0", "2"),
    "validate": ("{ epochs = 1 }", "{ iterations = 3, epochs = 1 }"),
    "optimizer": (
        '"adam"',
        '{ use = "sgd", arguments = { learning_rate = 0.05, momentum = 0.9 } }',
        '{ use = "adam", arguments = { learning_rate = 0.01, gradient_accumulation_steps = 3 } }',
        '{ use = "adam", arguments = { use_ema = true, ema_overwrite_frequency = 4 } }',
    ),
    "preprocessors": ('["normalise"]', '["normalise", { use = "noise", arguments = { std = 0.1 } }]', "[]"),
}
"""Settings of the training, and what each may be."""
ARGUMENTS: Sequence[Sequence[str]] = ((), ("--workers", "2"))
FIRST, LAST = 0.05, 20.0
"""Seconds after which a kill comes, at the earliest and at the latest."""


class Lived(NamedTuple):
    """One experiment that came through.

    Attributes:
        seed: that makes it again.
        kills: how many met it.
        files: how many files came out.
        seconds: it took in all.
    """

    seed: int
    kills: int
    files: int
    seconds: float


def soak(seeds: Iterator[int], kills: int, warm: Warm, directory: Path) -> Iterator[Lived]:
    """Bring one experiment after the other through, until so many kills met them.

    Args:
        seeds: of the experiments.
        kills: how many there have to be; at least one experiment is brought through.
        warm: runs commands.
        directory: for the experiments, each of which is deleted when it is through.

    Raises:
        AssertionError: with the seed, when an experiment ends otherwise than undisturbed.
    """
    done = 0
    for seed in seeds:
        lived = _live(seed, warm, directory / str(seed), killed=kills > 0)
        yield lived
        done += lived.kills
        if done >= kills:
            return


def _live(seed: int, warm: Warm, directory: Path, *, killed: bool) -> Lived:
    rng = random.Random(seed)
    begun = time.monotonic()
    settings = {name: rng.choice(choices) for name, choices in CHOICES.items()}
    arguments = rng.choice(ARGUMENTS)
    expected = _experiment(directory / "expected", settings)
    job = (*command.JOB, *arguments)
    finished = warm(*job, cwd=expected)
    assert (finished.code, finished.err) == (0, ""), f"seed {seed}: undisturbed: {finished}"
    here = _experiment(directory / "here", settings)
    kills = 0
    while killed:
        seconds = math.exp(rng.uniform(math.log(FIRST), math.log(LAST)))
        finished = killed_after(seconds, warm.start(*job, cwd=here))
        assert finished.err == "", f"seed {seed}, after {kills} kills: {finished}"
        if finished.code == 0:
            break
        kills += 1
    else:
        finished = warm(*job, cwd=here)
        assert (finished.code, finished.err) == (0, ""), f"seed {seed}: {finished}"
    assert command.litter(here / "runs") == [], f"seed {seed}, after {kills} kills"
    made, wanted = command.contents(here / "runs"), command.contents(expected / "runs")
    different = sorted(name for name in {*made, *wanted} if made.get(name) != wanted.get(name))
    assert not different, f"seed {seed}, after {kills} kills: other bytes in {different}"
    shutil.rmtree(directory)
    return Lived(seed, kills, len(made), round(time.monotonic() - begun, 1))


def _experiment(directory: Path, settings: Mapping[str, str]) -> Path:
    lines = [line for line in TOML.splitlines() if line.split(" = ")[0] not in settings]
    at = lines.index("[training]") + 1
    lines[at:at] = [f"{name} = {value}" for name, value in settings.items()]
    return write_experiment(directory, toml="\n".join(lines) + "\n", builder=BUILDER).parent


def main() -> int:
    """Soak, and tell of each experiment."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=1000, help="how many there have to be")
    parser.add_argument("--seed", type=int, default=1, help="of the first experiment; each next one is one more")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "warm").mkdir()
        warm = Warm(directory / "warm")
        try:
            for lived in soak(itertools.count(asked.seed), asked.kills, warm, directory):
                print(json.dumps(lived._asdict()), flush=True)  # noqa: T201 - what it is asked for
        except AssertionError as error:
            print(f"soak: {error}", file=sys.stderr)  # noqa: T201
            return 1
        finally:
            warm.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
