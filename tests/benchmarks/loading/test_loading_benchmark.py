"""The benchmark itself, on samples so few that its figures mean nothing, with the systems that need no package."""

import io
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import cast

import numpy as np
import pytest

from tests.benchmarks.loading import __main__ as command
from tests.benchmarks.loading import cold, dataset, environments, peer, table
from tests.benchmarks.loading.measuring import Bench, Plan, Results, epoch_rate
from tests.benchmarks.loading.peer import SYSTEMS
from tests.benchmarks.loading.process import Process, SystemFailedError
from tests.benchmarks.loading.spread import Spread
from tests.benchmarks.loading.worker import Measured, consume

OURS = ("raw", "deeptrain")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Results:
    plan = Plan(
        systems=peer.chosen(OURS),
        datasets=("images",),
        size=2_000_000,
        batches=(16,),
        orders=("shuffled",),
        repetitions=1,
        drop_caches=False,
    )
    return Bench(plan, tmp_path_factory.mktemp("bench")).run()


def test_every_system_hands_out_each_sample_once_and_whole(measured: Results):
    assert measured.failures == []
    assert {one["system"] for one in measured.checks} == set(OURS)
    for one in measured.checks:
        assert (one["samples"], one["unknown"], one["repeated"], one["missing"]) == (162, 0, 0, 0)


def test_every_byte_of_an_epoch_is_looked_at_cold_and_warm(measured: Results):
    seen = {(one["system"], one["order"], one["temperature"]) for one in measured.passes}
    assert {temperature for *_, temperature in seen} == {"cold", "warm"}
    assert ("deeptrain", "shuffled", "cold") in seen
    for one in measured.passes:
        assert one["whole"]
        assert one["bytes"] == 162 * 64 * 64 * 3
        assert one["ratio"] > 0


def test_an_epoch_that_was_cut_short_counts_its_beginning_once():
    took = {"seconds": 3.0, "first_seconds": 2.0, "bytes": 150, "first_bytes": 50, "whole": False}
    assert epoch_rate(1050, took) == 1050 / (2 + 10)
    assert epoch_rate(150, {**took, "whole": True}) == 50
    assert epoch_rate(1050, {**took, "bytes": 50}) == 50 / 3


def test_a_resumed_system_goes_on_with_the_batches_that_were_to_come(measured: Results):
    assert {(one["system"], one["exact"]) for one in measured.resumes} == {("deeptrain", True)}
    assert {one["at_batch"] for one in measured.resumes} == {5}


def test_tables_show_everything_and_cut_nothing_off(measured: Results):
    failed = {"system": "grain", "dataset": "images", "doing": "preparing", "error": "does not install: " + "x" * 300}
    file = io.StringIO()
    table.show(replace(measured, failures=[failed]), file)
    text = file.getvalue()
    assert text.count("x" * 80) == 3
    assert "…" not in text
    for name in OURS:
        assert text.count(table.TITLES[name]) >= 2
    json.dumps(measured.passes)


def test_a_system_that_fails_is_reported_in_its_own_words(tmp_path: Path):
    data = dataset.make("floats", 1, tmp_path / "floats" / "samples")
    with (
        pytest.raises(SystemFailedError, match=r"No module named 'tests\.benchmarks\.loading\.absent'"),
        Process(Path(sys.executable), "absent", data, tmp_path, tmp_path / "log"),
    ):
        pass
    raw, npy = peer.chosen(["raw", "npy"])
    plan = Plan((raw, replace(npy, module="absent")), ("floats",), 1, (8,), ("sequential",), 1, drop_caches=False)
    results = Bench(plan, tmp_path).run()
    assert [one["error"] for one in results.failures] == [
        "ModuleNotFoundError: No module named 'tests.benchmarks.loading.absent'"
    ]
    assert {one["system"] for one in results.passes} == {"raw"}


def test_a_system_that_hands_out_pictures_as_wider_numbers_is_not_measured_by_their_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Wide:
        orders = {"sequential": "as int64"}  # noqa: RUF012

        def open(self, samples, directory, order, batch, seed):  # noqa: ARG002
            yield samples.x[:batch].astype(np.int64), samples.y[:batch]

    made = dataset.make("images", 200_000, tmp_path)
    monkeypatch.setitem(sys.modules, "wide", cast(ModuleType, SimpleNamespace(PEER=Wide())))
    with pytest.raises(ValueError, match=r"\(4, 64, 64, 3\) of int64 is no batch of 4 samples of uint8"):
        Measured("wide", made, tmp_path).run("sequential", 4, 0, 1.0)


def test_a_process_that_dies_or_is_silent_is_no_hang(tmp_path: Path):
    data = dataset.make("floats", 1, tmp_path / "samples")
    with Process(Path(sys.executable), "raw_buffered", data, tmp_path, tmp_path / "log") as process:
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(SystemFailedError, match="gave no answer in 0 s"):
            process.ask("check", 0, order="sequential", batch=8, seed=0, seconds=60)
        with pytest.raises(SystemFailedError, match="its process ended, status -9"):
            process.ask("check", 9, order="sequential", batch=8, seed=0, seconds=60)


def test_every_package_of_a_peer_is_pinned():
    pins = environments.pins()
    wanted = {package for system in SYSTEMS for package in system.packages}
    assert wanted == set(pins)
    assert all("==" in line for line in pins.values())


def test_a_system_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no system is called nmy; there are raw, raw-direct, deeptrain"):
        command.main(["--systems", "raw,nmy"])


def test_evicted_files_leave_the_page_cache_and_read_ones_come_back(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 4_000_000)
    assert cold.resident([path]) == 1
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    cold.evict([path], everything=False)
    assert cold.resident([path]) < 0.1
    cold.fill([path])
    assert cold.resident([path]) == 1


def test_spread_is_one_for_independent_draws_and_large_for_sorted_classes():
    labels = np.repeat(np.arange(10), 10_000)
    mixed, sorted_by_class = Spread(labels, 100), Spread(labels, 100)
    shuffled = np.random.Generator(np.random.Philox(3)).permutation(labels)
    for first in range(0, len(labels), 100):
        mixed.add(shuffled[first : first + 100])
        sorted_by_class.add(labels[first : first + 100])
    mixed.add(labels[:7])
    assert mixed.batches == 1000
    assert mixed.ratio == pytest.approx(1, abs=0.03)
    assert sorted_by_class.ratio == pytest.approx(10, rel=0.01)  # sqrt(batch): all of one class


def test_the_consumer_looks_at_every_byte_and_follows_the_order_of_axes():
    x = np.random.Generator(np.random.Philox(1)).random((4, 3, 2), np.float32)
    y = np.arange(4)
    before = consume(x, y)
    assert consume(np.asfortranarray(x), y) == before
    raw = x.view(np.uint8).reshape(-1)
    for place in range(len(raw)):
        raw[place] ^= 1
        assert consume(x, y) != before
        raw[place] ^= 1
