"""A virtual environment for each peer, so that none of them decides over another's versions, nor over ours."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.benchmarks.loading.peer import System
from tests.benchmarks.loading.process import ROOT, SystemFailedError

PLACE = ROOT / ".venv-bench"
EXTRAS = ("bench", "bench-mosaic")
COMMON = ("numpy>=2.1", "xxhash>=3.5")


def pins() -> dict[str, str]:
    """The requirement of each package in the extras for benchmarks of pyproject.toml."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    lines = [line for extra in EXTRAS for line in extras[extra]]
    return {re.split(r"[^\w-]", line, maxsplit=1)[0]: line for line in lines}


def python(system: System) -> Path:
    """The interpreter that has a system's packages; they are installed when they are not there yet.

    Raises:
        SystemFailedError: when they do not install, with what pip says.
    """
    if not system.packages:
        return Path(sys.executable)
    place = PLACE / system.name
    wanted = "\n".join([*(pins()[package] for package in system.packages), *COMMON])
    ready = place / ".ready"
    found = place / "bin" / "python"
    if not ready.exists() or ready.read_text() != wanted:
        sys.stderr.write(f"installing {', '.join(system.packages)} into {place} ...\n")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        command = [str(found), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted.splitlines()]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PIP_NO_INPUT": "1"})
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "ERROR" in line] or done.stderr.splitlines()
            raise SystemFailedError(f"does not install: {' '.join(errors[-2:])}")
        ready.write_text(wanted)
    return found
