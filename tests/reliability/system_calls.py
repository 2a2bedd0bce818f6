"""Faults at the real system calls of a command, by strace: counted by a first look, then given to one of them.

A command is a fork that waits, stopped, until strace has it; only its main thread is traced, which writes everything
that is durable. strace counts the calls of each name by themselves, and so is told a name and a number.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.pipelines import command
from tests.pipelines.command import Finished, Warm

FAULTS: Mapping[str, tuple[str, ...]] = {
    "openat": ("error=ENOSPC", "error=EMFILE", "error=EIO", "error=EINTR", "signal=KILL"),
    "write": ("error=ENOSPC", "error=EIO", "error=EINTR", "signal=KILL"),
    "pwrite64": ("error=ENOSPC", "error=EIO", "error=EINTR", "signal=KILL"),
    "ftruncate": ("error=EIO", "error=EINTR", "signal=KILL"),
    "fsync": ("error=EIO", "error=ENOSPC", "error=EINTR", "signal=KILL"),
    "close": ("error=EIO", "error=EINTR", "signal=KILL"),
    "rename": ("error=EIO", "error=ENOSPC", "error=EINTR", "signal=KILL"),
    "mkdir": ("error=ENOSPC", "error=EIO", "error=EINTR", "signal=KILL"),
    "unlink": ("error=EIO", "error=EINTR", "signal=KILL"),
    "rmdir": ("error=EIO", "error=EINTR", "signal=KILL"),
}
"""What happens to each kind of call."""

KINDS: Mapping[str, str] = {
    **{kind: kind for kind in FAULTS},
    "renameat": "rename",
    "renameat2": "rename",
    "mkdirat": "mkdir",
    "unlinkat": "unlink",
}
"""The calls by name, and of which kind each is."""

_CALL = re.compile(r"\d* *(?P<name>\w+)\((?P<arguments>.*)")
_OPENED = re.compile(r"\d+<(?P<path>[^>]*)>")
_NAMED = re.compile(r'(?:\w+<(?P<base>[^>]*)>, )?"(?P<path>[^"]*)"(?P<rest>.*)')


class Call(NamedTuple):
    """A call that changes what is on the disk, or brings it there.

    Attributes:
        name: of the call.
        number: which one of that name it is, from 1.
        path: what it is about, relative to the store.
    """

    name: str
    number: int
    path: str

    def __str__(self) -> str:
        """In words."""
        return f"{self.name} {self.number} of {self.path}"


def lacking() -> str | None:
    """Why no command can be traced here; None if one can."""
    if sys.platform != "linux":
        return "only Linux has strace"
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"nothing can be traced: {tried.stderr.strip()}"


def run(warm: Warm, *arguments: str, cwd: Path, log: Path, fault: tuple[str, int, str] | None = None) -> Finished:
    """Run a command, traced into a file.

    Args:
        warm: runs commands.
        arguments: of `luigi`.
        cwd: the directory.
        log: for what strace writes.
        fault: the name of a call, which one of them, and what strace does to it; nothing happens without.
    """
    process = warm.start(*arguments, cwd=cwd, stopped=True)
    command.wait_until(lambda: _is_stopped(process.pid), process)
    asked = [] if fault is None else ["-e", f"inject={fault[0]}:{fault[2]}:when={fault[1]}"]
    traced = ",".join(f"?{name}" for name in KINDS)
    tracer = subprocess.Popen(
        ["strace", "-qq", "-y", "-s", "0", "-e", f"trace={traced}", *asked, "-o", log, "-p", str(process.pid)]
    )
    try:
        command.wait_until(lambda: log.exists() and "stopped by SIGSTOP" in log.read_text(), process)
        os.kill(process.pid, signal.SIGCONT)
        return command.end(process)
    finally:
        if process.poll() is None:
            command.kill_group(process)
        tracer.wait(command.PATIENCE)


def calls(log: Path, here: Path) -> Iterator[Call]:
    """The calls in a file of strace's that are about the store of an experiment and change it, in their order.

    Args:
        log: the file.
        here: the directory of the command, with the store `runs`.
    """
    counted: Counter[str] = Counter()
    store = here / "runs"
    written: set[Path] = set()
    for line in log.read_text(errors="replace").splitlines():
        found = _CALL.match(line)
        if found is None or found["name"] not in KINDS:
            continue
        name, arguments = found["name"], found["arguments"]
        counted[name] += 1
        opened, named = _OPENED.match(arguments), _NAMED.match(arguments)
        if named is not None:
            path = here / (named["base"] or "") / named["path"]
            if name == "openat" and "O_CREAT" not in named["rest"]:
                continue
            written.add(path)
        elif opened is not None:
            path = Path(opened["path"].removesuffix(" (deleted)"))
            if name == "close" and path not in written:
                continue
        else:
            continue
        if path.is_relative_to(store):
            yield Call(name, counted[name], str(path.relative_to(store)))


def _is_stopped(pid: int) -> bool:
    return "\nState:\tT" in Path(f"/proc/{pid}/status").read_text()
