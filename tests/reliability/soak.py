"""The whole pipeline under random settings, killed at random until it is through, again and again.

    python -m tests.reliability.soak --kills 1000            some hours on two cores
    python -m tests.reliability.soak --seed 7 --kills 1      that experiment alone, with the same kills
    python -m tests.reliability.soak --seed 7 --kills 0      once, from its beginning, with nothing happening to it

What must come out of each experiment is computed by a run that nobody kills, and kept outside of what is killed. Kills
come after 0.05 to 20 seconds, mostly early, to the command with all its processes; half the experiments are told to
pause, go on and write checkpoints meanwhile, and of those under a central scheduler some see it killed, too. A line of
JSON tells of each experiment; what does not hold ends the soak with the seed that repeats it, and leaves its files.
"""

import contextlib
import itertools
import json
import math
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from deeptrain.errors import MessageError
from deeptrain.training import mailbox
from tests.luigid import Luigid
from tests.pipelines import command
from tests.pipelines.command import Warm
from tests.reliability import random_experiments, tools
from tests.reliability.random_experiments import Drawn
from tests.reliability.slow_runs import killed_after

FIRST, LAST = 0.05, 20.0
"""Seconds after which a kill comes, at the earliest and at the latest; later where an undisturbed run takes longer."""
PATIENCE = 3600
"""Seconds that a run may take which nothing happens to: a soak is what a machine does beside other work."""
MESSAGES = ("status", "checkpoint", "pause")


class Lived(NamedTuple):
    """One experiment that came through.

    Attributes:
        seed: that makes it again.
        kills: how many met it.
        answers: how many messages were answered.
        files: how many files came out.
        seconds: it took in all.
        of: its format, and what else was asked of the command.
    """

    seed: int
    kills: int
    answers: int
    files: int
    seconds: float
    of: str


def soak(seeds: Iterator[int], kills: int, warm: Warm, directory: Path) -> Iterator[Lived]:
    """Bring one experiment after the other through, until so many kills met them.

    Args:
        seeds: of the experiments.
        kills: how many there have to be; at least one experiment is brought through.
        warm: runs commands.
        directory: for the experiments, each of which is deleted when it is through.

    Raises:
        AssertionError: when an experiment ends otherwise than undisturbed. This, and whatever else is raised, has a
            note with the command that repeats it.
    """
    done = 0
    for seed in seeds:
        try:
            lived = _live(seed, warm, directory / str(seed), killed=kills > 0)
        except Exception as error:
            again = f"python -m tests.reliability.soak --seed {seed} --kills {min(kills, 1)}"
            error.add_note(f"again by: {again}\nits files: {directory / str(seed)}")
            raise
        yield lived
        done += lived.kills
        if done >= kills:
            return


def _live(seed: int, warm: Warm, directory: Path, *, killed: bool) -> Lived:
    rng = random.Random(seed)
    begun = time.monotonic()
    drawn = random_experiments.draw(rng)
    expected = random_experiments.write(directory / "expected", drawn)
    finished = command.end(warm.start(*command.JOB, *drawn.arguments, cwd=expected), PATIENCE)
    assert (finished.code, finished.err) == (0, ""), f"undisturbed: {finished}"
    kills, answers, here = 0, 0, expected
    if killed:
        here = random_experiments.write(directory / "here", drawn)
        last = max(LAST, 1.5 * (time.monotonic() - begun))
        kills, answers = _killed(here, drawn, rng, last, warm)
    assert command.litter(here / "runs") == [], f"after {kills} kills"
    made, wanted = (command.contents(one / "runs") | command.beside(one / "runs") for one in (here, expected))
    different = sorted(name for name in {*made, *wanted} if made.get(name) != wanted.get(name))
    assert not different, f"after {kills} kills: other bytes in {different}"
    shutil.rmtree(directory)
    extras = [*drawn.arguments, *(["central"] if drawn.central else []), *(["messages"] if drawn.messages else [])]
    seconds = round(time.monotonic() - begun, 1)
    return Lived(seed, kills, answers, len(made), seconds, " ".join([drawn.format, *extras]))


def _killed(here: Path, drawn: Drawn, rng: random.Random, last: float, warm: Warm) -> tuple[int, int]:
    """Start an experiment until it is through: how many kills met it, and how many messages were answered."""
    talk = Talk(here / "runs", rng.randrange(1 << 32)) if drawn.messages else None
    with contextlib.ExitStack() as stack:
        luigid = None
        if drawn.central:
            luigid = Luigid(here)
            stack.callback(luigid.kill)
        if talk is not None:
            stack.enter_context(talk)
        kills = 0
        while True:
            scheduler = luigid.arguments if luigid is not None else ("--local-scheduler",)
            job = (*(word for word in command.JOB if word != "--local-scheduler"), *scheduler, *drawn.arguments)
            seconds = math.exp(rng.uniform(math.log(FIRST), math.log(last)))
            finished = killed_after(seconds, warm.start(*job, cwd=here))
            assert finished.err == "", f"after {kills} kills: {finished}"
            if finished.code == 0:
                return kills, talk.answers if talk is not None else 0
            assert finished.code == -signal.SIGKILL, f"after {kills} kills: {finished}"
            kills += 1
            if luigid is not None and rng.random() < 0.25:
                luigid.kill()
                luigid.start()


class Talk:
    """Says something to whatever trains, at random instants, from a thread of its own; nothing that changes a byte.

    Attributes:
        answers: how many there were.
    """

    def __init__(self, store: Path, seed: int) -> None:
        """Name the store, and what decides what is said when."""
        self.answers = 0
        self._store = store
        self._rng = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._speak)

    def __enter__(self) -> "Talk":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Fall silent."""
        self._over.set()
        self._thread.join()

    def _speak(self) -> None:
        while not self._over.wait(self._rng.uniform(0, 0.5)):
            for training in self._store.glob("*/training-*"):
                text = self._rng.choice(MESSAGES)
                self._say(training, text)
                if text == "pause":
                    self._say(training, "resume")

    def _say(self, training: Path, text: str) -> None:
        with contextlib.suppress(MessageError):  # nobody trains there, or it was killed before it answered
            mailbox.send(training, text)
            self.answers += 1


def main() -> int:
    """Soak, and tell of each experiment."""
    parser = tools.parser("soak", __doc__)
    parser.add_argument("--kills", type=int, default=1000, help="how many there have to be")
    parser.add_argument("--seed", type=int, default=1, help="of the first experiment; each next one is one more")
    asked = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="soak-"))
    (directory / "warm").mkdir()
    warm = Warm(directory / "warm")
    total = 0
    try:
        for lived in soak(itertools.count(asked.seed), asked.kills, warm, directory):
            total += lived.kills
            tools.tell(json.dumps({**lived._asdict(), "kills_in_all": total}))
    except AssertionError as error:
        sys.stderr.write("\n".join([f"soak: {error}", *error.__notes__, ""]))
        return 1
    finally:
        warm.close()
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
