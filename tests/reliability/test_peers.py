"""What others keep states with, and what is here, under the same faults: here nothing is lost, and the loss is seen.

Peers that need TensorFlow, and figures, are for `python -m tests.reliability.side_by_side` and `.resuming`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines import command
from tests.pipelines.command import Warm
from tests.reliability import resuming, side_by_side
from tests.reliability.peers import PEERS
from tests.reliability.side_by_side import FAULTS, SILENT, STUCK, SURVIVED

OURS = [name for name in PEERS if name.startswith("deeptrain")]
PLAIN = "Luigi LocalTarget, open(path, 'w')"
FAULTS_HERE = [fault for fault in FAULTS if fault != "cut"]
"""All but what needs file systems of its own, which ours meet in other tests."""


def tried(peers: list[str], faults: list[str], most: int) -> list[dict[str, Any]]:
    """What came of each fault of each of these, in a process of its own, which forks safely."""
    for fault in faults:
        why = side_by_side.lacking(fault)
        if why is not None:
            assert "CI" not in os.environ, why
            pytest.skip(why)
    named = [*(f"--peer={peer}" for peer in peers), *(f"--fault={fault}" for fault in faults)]
    process = subprocess.run(
        [sys.executable, "-m", side_by_side.__name__, *named, "--tries", str(most)],
        cwd=command.ROOT,
        env=command.environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines() if line.startswith("{")]


def test_here_the_same_program_ends_in_the_right_values_whatever_it_met(thorough: bool) -> None:
    found = tried(OURS, FAULTS_HERE, 200 if thorough else 3)
    assert {(one["peer"], one["fault"]) for one in found} == {(peer, fault) for peer in OURS for fault in FAULTS_HERE}
    assert [one for one in found if one["verdict"] != SURVIVED or one["strays"]] == []


def test_what_others_lose_by_the_same_faults_is_seen() -> None:
    found = tried(["np.save", PLAIN], ["kill", "flip"], 4)
    seen = {(one["peer"], one["fault"], one["verdict"]) for one in found}
    assert seen >= {("np.save", "kill", STUCK), ("np.save", "flip", SILENT), (PLAIN, "kill", SILENT)}


@pytest.mark.thorough
def test_a_training_that_is_killed_within_an_epoch_ends_in_the_same_weights_here_alone(
    warm: Warm, tmp_path: Path
) -> None:
    finished = warm("--kills", "3", module=resuming.__name__, cwd=tmp_path)
    assert finished.code == 0, finished
    found = [json.loads(line) for line in command.lines_of(finished.out) if line.startswith("{")]
    assert [one["same"] for one in found if one["who"] == resuming.OURS] == [True] * 3
    for who in resuming.SAVING:
        assert not all(one["same"] for one in found if one["who"] == who)
