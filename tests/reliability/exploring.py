"""Runs `explore` as a process of its own, which forks safely, and says how to repeat what went wrong."""

import json
import shlex
import subprocess
import sys
from typing import Any

from tests.pipelines import command


def explored(step: str, *arguments: str, every: int) -> list[dict[str, Any]]:
    """What came of the faults at every n-th operation; it fails where something does not hold."""
    words = ["-m", "tests.reliability.explore", step, *arguments]
    process = subprocess.run(
        [*(["unshare", "--mount"] if "cut" in arguments else []), sys.executable, *words, "--every", str(every)],
        cwd=command.ROOT,
        env=command.environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    seen = [json.loads(line) for line in process.stdout.splitlines()]
    assert seen
    wrong = []
    for one in seen:
        if one["wrong"]:
            fault = [] if "cut" in arguments else [one["fault"]]
            again = shlex.join(["python", *words, *fault, "--at", str(one["at"])])
            place = f"{one['fault']} at {one['operation']} of {one['path']}"
            wrong.append(f"{place}: {'; '.join(one['wrong'])}; again by: {again}")
    assert not wrong, "\n".join(wrong)
    return seen
