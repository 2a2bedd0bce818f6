"""File systems of our own whose power can fail: images behind a loop device, in a mount namespace of their own.

The power fails in two ways. *Shutdown*: the file system is told to stop at once (FS_IOC_SHUTDOWN without a flush of
its log, as its own developers test it), and when it is mounted again it has only its journal. *Snapshot*: the image is
copied as it is at that instant, without what the kernel has not written back yet, and the copy is mounted.
"""

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

Kind = Literal["ext4", "xfs"]
Way = Literal["shutdown", "snapshot"]

BYTES = {"ext4": 64 << 20, "xfs": 320 << 20}
"""As small as they may be; the images are sparse and lie in memory."""
SHUTDOWN = 0x8004587D
WITHOUT_FLUSH = 2


def lacking(kind: Kind) -> str | None:
    """Why there can be no such file system here; None if there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root of a Linux machine can mount file systems"
    for tool in (f"mkfs.{kind}", "mount", "umount", "unshare"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    tried = subprocess.run(["unshare", "--mount", "losetup", "--find"], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"no loop device: {tried.stderr.strip()}"


class Image:
    """A file system in a file, mounted by whoever asks for it; only within `unshare --mount`."""

    def __init__(self, kind: Kind, path: Path) -> None:
        """Name the file."""
        self.kind = kind
        self.path = path

    def make(self) -> None:
        """Put an empty file system there."""
        with self.path.open("wb") as file:
            file.truncate(BYTES[self.kind])
        subprocess.run([f"mkfs.{self.kind}", "-q", self.path], check=True, capture_output=True)

    def copied(self, to: Path) -> "Image":
        """The same bytes as another image."""
        subprocess.run(["cp", "--sparse=always", self.path, to], check=True)
        return Image(self.kind, to)

    @contextlib.contextmanager
    def mounted(self) -> Iterator[Path]:
        """The directory it is mounted at."""
        at = self.path.with_suffix(".mounted")
        at.mkdir()
        # A copy has the identity of its original, of which xfs mounts one at a time.
        options = "loop,noatime,nouuid" if self.kind == "xfs" else "loop,noatime"
        subprocess.run(["mount", "-t", self.kind, "-o", options, self.path, at], check=True, capture_output=True)
        try:
            yield at
        finally:
            subprocess.run(["umount", at], check=True, capture_output=True)
            at.rmdir()


def shut_down(mounted: Path) -> None:
    """Stop a file system: nothing that is not in its journal on the disk will be there again."""
    descriptor = os.open(mounted, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", WITHOUT_FLUSH))
    finally:
        os.close(descriptor)
