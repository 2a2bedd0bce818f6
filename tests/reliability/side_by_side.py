"""What others keep states with, and what is here, under the same faults: counted, for `docs/reliability.md`.

    python -m tests.reliability.side_by_side                          everything, a table at the end
    python -m tests.reliability.side_by_side --peer np.save --fault kill --tries 10

A fork saves state 2 where state 1 is (or nothing, of a task's output) and meets a fault: at one of its system calls,
by strace, so it does not matter whether Python, HDF5 or C++ makes them; at a limit on the size of a file; or the power
is cut, or what was saved is damaged. Then its program is started again, twice at most, as if
nothing were known of it. A line of JSON tells of each try. It *survived* if that ends in state 2 with the right values;
it is *stuck* if the program ends with an error every time, so that a person has to delete what is there and begin
again; and it was *silent* if it went on, without a word, from values that nobody saved, or with the loss of a state
whose save had returned or that had been there before.
"""

import collections
import importlib
import itertools
import json
import logging
import mmap
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar, get_args

from tests.conftest import tree
from tests.reliability import power, tools
from tests.reliability.durable_steps import RUN, Step
from tests.reliability.peers import NOTHING, PEERS, WRONG, Peer
from tests.reliability.places import Attempt, Place, Plain, Powered

CALLS = (
    *("openat", "write", "pwrite64", "writev", "ftruncate", "fallocate", "fsync", "fdatasync", "close"),
    *("rename", "renameat", "renameat2", "mkdir", "unlink", "rmdir"),
)
"""System calls that change what is on a disk, or bring it there, or come between those that do."""
FAILING = tuple(name for name in CALLS if name not in {"openat", "unlink", "rmdir"})
OF_CALLS = {"kill": CALLS, "ENOSPC": tuple(name for name in FAILING if name != "close"), "EIO": FAILING}
FAULTS = (*OF_CALLS, "short", "cut", "flip", "damage")
DAMAGES = ("cut in half", "512 bytes zeroed", "emptied", "bytes at its end")
DONE, TOLD, KILLED = "done", "told", "killed"
SURVIVED, STUCK, SILENT = "survived", "stuck", "silent"
NAMESPACE = "DEEPTRAIN_TESTS_MOUNT"
"""Set where file systems that are mounted are seen by nobody else."""


class Tried(NamedTuple):
    """What came of one fault.

    Attributes:
        peer: who met it.
        fault: one of `FAULTS`.
        at: where, in words.
        said: what the save came to: "done", "told" (an error, or a warning) or "killed".
        verdict: "survived", "stuck" or "silent".
        why: what was seen.
        strays: files that are left beside those of a run that met nothing.
    """

    peer: str
    fault: str
    at: str
    said: str
    verdict: str
    why: str
    strays: int


def lacking(fault: str) -> str | None:
    """Why there can be no such fault here; None if there can."""
    if fault in OF_CALLS and shutil.which("strace") is None:
        return "strace is not installed"
    return power.lacking("ext4") if fault == "cut" else None


def tries(name: str, fault: str, most: int, directory: Path, rng: random.Random) -> Iterator[Tried]:
    """Give somebody a fault at as many places as there are; at `most`, evenly chosen, where they are more.

    Args:
        name: of `PEERS`.
        fault: of `FAULTS`.
        most: how many.
        directory: for what is written meanwhile.
        rng: of the bits that are flipped.
    """
    peer = PEERS[name]
    for module in peer.imports:
        importlib.import_module(module)
    step = Step(lambda root: _prepared(peer, root), lambda _: None)
    with tempfile.TemporaryDirectory(dir=directory) as at:
        here = Path(at)
        plain = Plain(step, here, fault)
        with plain.attempt() as attempt:
            before = tree(attempt.root / RUN)
            calls = _calls(peer, attempt.root)
            saved = tree(attempt.root / RUN)
            kept = Path(shutil.copytree(attempt.root, here / "saved"))
        new = [name for name, data in saved.items() if data != before.get(name) and data]
        meetings: Iterator[tuple[str, Path, str]]
        if fault in OF_CALLS:
            met = [call for call in calls if call[0] in OF_CALLS[fault]]
            meetings = _at_calls(peer, plain, fault, _some(met, most))
        elif fault == "short":
            meetings = _at_sizes(peer, plain, _some(range(1, max(len(saved[one]) for one in new)), most))
        elif fault == "cut":
            meetings = _without_power(peer, step, here, calls, most)
        else:
            meetings = _damaged(kept, new, fault, most, rng)
        judge = Judge(peer)
        for words, root, said in meetings:
            verdict, why = judge.judged(root, said)
            if fault == "cut":
                judge.close()
            strays = len({one for one in tree(root / RUN) if "quarantine" not in one} - saved.keys())
            yield Tried(name, fault, words, said, verdict, why, strays)
        judge.close()


def _prepared(peer: Peer, root: Path) -> None:
    (root / RUN).mkdir()
    if peer.over:
        assert _saved(peer, root, 1) == DONE


Call = tuple[str, int]
"""A system call: its name, and of how many of that name it is, from 1."""


def _calls(peer: Peer, root: Path) -> list[Call]:
    """The system calls about files below a directory, of a save that meets nothing."""
    with tempfile.NamedTemporaryFile("r") as file:
        assert _saved(peer, root, 2, strace=["-y", "-e", f"trace={','.join(CALLS)}", "-o", file.name]) == DONE
        lines = file.read().splitlines()
    seen: collections.Counter[str] = collections.Counter()
    found = []
    for line in lines:
        name, _, arguments = line.partition("(")
        seen[name] += 1
        if str(root) in arguments:
            found.append((name, seen[name]))
    return found


One = TypeVar("One")


def _some(of: Sequence[One], most: int) -> list[One]:
    """At most so many, evenly chosen, with the first and the last."""
    if len(of) <= most:
        return list(of)
    return [of[round(at * (len(of) - 1) / max(most - 1, 1))] for at in range(most)]


def _at_calls(peer: Peer, plain: Place, fault: str, calls: Iterable[Call]) -> Iterator[tuple[str, Path, str]]:
    what = "signal=KILL" if fault == "kill" else f"error={fault}"
    for name, number in calls:
        with plain.attempt() as attempt:
            yield f"{name} {number}", attempt.root, _saved(peer, attempt.root, 2, strace=_injected(name, number, what))


def _injected(name: str, number: int, what: str) -> list[str]:
    return ["-o", os.devnull, "-e", f"trace={name}", "-e", f"inject={name}:{what}:when={number}"]


def _at_sizes(peer: Peer, plain: Place, sizes: Iterable[int]) -> Iterator[tuple[str, Path, str]]:
    """Files that get so many bytes and no more: the last write is short, the next an error."""
    for size in sizes:
        with plain.attempt() as attempt:
            yield f"{size} bytes", attempt.root, _saved(peer, attempt.root, 2, file_bytes=size)


def _without_power(
    peer: Peer, step: Step, here: Path, calls: Sequence[Call], most: int
) -> Iterator[tuple[str, Path, str]]:
    """Killed before a system call, or when the save has returned, and then the power fails.

    Every other time another program has synced a file of its own meanwhile, as some program always does.
    """
    places = [(kind, way) for kind in get_args(power.Kind) for way in get_args(power.Way)]
    each = max(most // len(places), 2)
    for kind, way in places:
        directory = here / f"{kind}-{way}"
        directory.mkdir()
        powered = Powered(step, directory, kind, way)
        before: list[Call | None] = [*_some(calls, each // 2), *[None] * (each - each // 2)]
        for number, call in enumerate(before):
            with powered.attempt() as attempt:
                strace = () if call is None else _injected(*call, "signal=KILL")
                said = _saved(peer, attempt.root, 2, strace=strace)
                synced = number % 2 == 0
                if synced:
                    _sync_another_file(attempt)
                words = f"{kind}, {way}, {'after it' if call is None else f'{call[0]} {call[1]}'}"
                yield f"{words}{', another file synced' if synced else ''}", attempt.left(), said


def _sync_another_file(attempt: Attempt) -> None:
    with (attempt.root.parent / "of another program").open("wb") as file:
        file.write(b"x")
        os.fsync(file.fileno())


def _damaged(
    kept: Path, names: Sequence[str], fault: str, most: int, rng: random.Random
) -> Iterator[tuple[str, Path, str]]:
    """What was saved, with a bit flipped anywhere in it, or each of its files damaged in each way."""
    sizes = [(kept / RUN / name).stat().st_size for name in names]
    flips = (("flip", *rng.choices(names, sizes)) for _ in range(most))
    for how, name in flips if fault == "flip" else itertools.product(DAMAGES, names):
        with tempfile.TemporaryDirectory(dir=kept.parent) as at:
            root = Path(shutil.copytree(kept, Path(at) / "root"))
            path = root / RUN / name
            data = bytearray(path.read_bytes())
            words = how
            if how == "flip":
                bit = rng.randrange(8 * len(data))
                data[bit // 8] ^= 1 << bit % 8
                words = f"bit {bit}"
            elif how == "cut in half":
                del data[len(data) // 2 :]
            elif how == "512 bytes zeroed":
                data[len(data) // 2 : len(data) // 2 + 512] = bytes(len(data[len(data) // 2 :][:512]))
            elif how == "emptied":
                data.clear()
            else:
                data += b"1.5\n"
            path.write_bytes(data)
            yield f"{words} of {name}", root, DONE


class Judge:
    """Starts a user's program again and again, in a fork of its own, and sees what becomes of it."""

    def __init__(self, peer: Peer) -> None:
        """Name whose program it is."""
        self._peer = peer
        self._pid = 0

    def judged(self, root: Path, said: str) -> tuple[str, str]:
        """Start the program, twice at most: what became of state 2, and what was seen."""
        seen = []
        for again in (False, True):
            found, told, error = self._program(root)
            begun = {NOTHING: "nothing", WRONG: "wrong values"}.get(found, f"state {found}")
            seen.append(error or f"it began with {begun}")
            if found == WRONG:
                return SILENT, seen[-1]
            if not again and not told and found != 2:
                if said == DONE:
                    return SILENT, f"the save had returned, and {seen[-1]} without a word"
                if found == NOTHING and self._peer.over:
                    return SILENT, f"state 1 had been there, and {seen[-1]} without a word"
            if not error:
                return SURVIVED, "; ".join(seen)
        return STUCK, "; ".join(dict.fromkeys(seen))

    def close(self) -> None:
        """End it, so that it holds no file of a file system that goes."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._asked.close()
            self._told.close()
            self._pid = 0

    def _program(self, root: Path) -> tuple[int, bool, str]:
        """The state that it found, whether it told of any trouble, and what it ended with."""
        if not self._pid:
            self._fork()
        self._asked.write(f"{root}\n")
        self._asked.flush()
        line = self._told.readline()
        if not line:
            self.close()
            return NOTHING, True, "ended by a signal"
        found, told, error = json.loads(line)
        return found, told, error

    def _fork(self) -> None:
        (asked, to), (told, back) = os.pipe(), os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _quiet()
            with os.fdopen(asked) as questions, os.fdopen(back, "w") as answers:
                for line in questions:
                    answers.write(f"{json.dumps(_started(self._peer, Path(line.rstrip())))}\n")
                    answers.flush()
            os._exit(0)
        os.close(asked)
        os.close(back)
        self._asked, self._told = os.fdopen(to, "w"), os.fdopen(told)


def _started(peer: Peer, root: Path) -> tuple[int, bool, str]:
    heard = _hear()
    found = NOTHING
    try:
        found = peer.load(root)
        if found in (NOTHING, 1):
            peer.ready(root, 2)()
            assert peer.load(root) == 2
    except Exception as error:  # noqa: BLE001 - whatever it is, a user's program ends with it
        return found, True, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return found, bool(heard), ""


def _saved(peer: Peer, root: Path, number: int, strace: Sequence[str] = (), file_bytes: int | None = None) -> str:
    """Save a state in a fork, with something happening to it: "done", "told" or "killed"."""
    shared = mmap.mmap(-1, 1)  # telling makes no system call
    pid = os.fork()
    if pid == 0:
        _save(peer, root, number, file_bytes, shared)
    os.waitpid(pid, os.WUNTRACED)
    tracer = None
    if strace:
        tracer = subprocess.Popen(["strace", "-qq", *strace, "-p", str(pid)], stderr=subprocess.DEVNULL)
        while "TracerPid:\t0\n" in Path(f"/proc/{pid}/status").read_text():
            assert tracer.poll() is None, "strace cannot attach"
    os.kill(pid, signal.SIGCONT)
    os.waitpid(pid, 0)
    if tracer is not None:
        tracer.wait()
    return {0: KILLED, 1: DONE, 2: TOLD}[shared[0]]


def _save(peer: Peer, root: Path, number: int, file_bytes: int | None, shared: mmap.mmap) -> None:
    _quiet()
    try:
        save = peer.ready(root, number)
        os.kill(os.getpid(), signal.SIGSTOP)
        if file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
        heard = _hear()
        save()
        shared[0] = 2 if heard else 1
    except Exception:  # noqa: BLE001 - it is told
        shared[0] = 2
    finally:
        os._exit(0)


def _hear() -> list[logging.LogRecord]:
    """What the library warns of from here on."""
    heard: list[logging.LogRecord] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = heard.append  # type: ignore[method-assign]
    log = logging.getLogger("deeptrain")
    log.handlers, log.propagate = [handler], False
    return heard


def _quiet() -> None:
    """What a program that meets a fault prints is not looked at."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)


def table(found: Iterable[Tried]) -> str:
    """Markdown: of each peer and fault how many survived, were stuck, were silent."""
    counts: dict[tuple[str, str], collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for one in found:
        counts[one.peer, one.fault][one.verdict] += 1
    faults = [fault for fault in FAULTS if any(fault == of for _, of in counts)]
    lines = [f"| | {' | '.join(faults)} |", f"|---|{'---|' * len(faults)}"]
    for name in PEERS:
        cells = [
            " / ".join(str(counts[name, fault][verdict]) for verdict in (SURVIVED, STUCK, SILENT))
            if (name, fault) in counts
            else ""
            for fault in faults
        ]
        if any(cells):
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Try, tell of each try, and print a table."""
    parser = tools.parser("side_by_side", __doc__)
    parser.add_argument("--peer", action="append", choices=PEERS, help="only this one; may be given several times")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only this one; may be given several times")
    parser.add_argument("--tries", type=int, default=40, help="of each fault of each peer, at most")
    parser.add_argument("--seed", type=int, default=1, help="of the bits that are flipped")
    asked = parser.parse_args()
    faults = asked.fault or FAULTS
    for fault in faults:
        why = lacking(fault)
        if why is not None:
            parser.error(f"{fault}: {why}")
    if NAMESPACE not in os.environ and "cut" in faults:
        os.environ[NAMESPACE] = "1"
        os.execvp("unshare", ["unshare", "--mount", *sys.orig_argv])
    found = []
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as at:
        for name, fault in itertools.product(asked.peer or PEERS, faults):
            for tried in tries(name, fault, asked.tries, Path(at), random.Random(asked.seed)):
                found.append(tried)
                tools.tell(json.dumps(tried._asdict()))
    tools.tell(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
