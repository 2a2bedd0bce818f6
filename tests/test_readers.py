"""No value of JSON and no bytes in a file of ours come to more than an error of ours; `make sample` spoils more."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from deeptrain import files, tables
from deeptrain.errors import ArtifactError
from deeptrain.store import run_names
from deeptrain.training import chronicle
from deeptrain.training.state import TrainState
from tests.reliability.fuzzed import TARGETS, Place, sealed

JSON = (
    "manifest", "progress", "data", "part", "samples", "results", "predictions-index", "map", "interventions",
    "code-aliases", "live", "name", "latest", "fingerprints", "raw-record", "scheduler",
)  # fmt: skip
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, 2**63, -(2**63) - 1])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module", params=JSON)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(TARGETS[request.param], tmp_path_factory.mktemp("place"))


@settings(max_examples=25)
@given(data=st.data())
def test_no_value_in_a_file_of_ours_does_more_than_it_may(place: Place, data: st.DataObject) -> None:
    told = json.loads(place.whole)
    holder = told
    while isinstance(holder, dict | list) and holder:
        keys = sorted(holder) if isinstance(holder, dict) else range(len(holder))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(holder[key], dict | list) or not holder[key] or data.draw(st.booleans()):
            holder[key] = data.draw(VALUES)
            break
        holder = holder[key]
    place.read(json.dumps(told).encode())
    place.read(json.dumps(data.draw(VALUES)).encode())
    place.read(data.draw(st.binary(max_size=20)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[" * 200_000, "RecursionError"),
        (b"[" * 101 + b"]" * 101, "deeper in each other than 100"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "deeper in each other than 100"),
        (b"NaN", "NaN is no number of JSON"),
        (b"[-Infinity]", "-Infinity is no number of JSON"),
        (b'["\\ud800"]', "UnicodeEncodeError"),
        (b"\xff", "UnicodeDecodeError"),
        (b'"\xed\xa0\x80"', "UnicodeDecodeError"),
        ('"\ud800"'.encode("utf-16", "surrogatepass"), "UnicodeDecodeError"),
        (b"1" * 5000, "4300 digits"),
    ],
)
def test_what_is_no_json_of_ours_is_told(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(ArtifactError, match=rf"a\.json: no valid JSON \(.*{said}"):
        files.read_json(tmp_path / "a.json")


def test_json_may_be_a_hundred_deep_and_have_pairs_of_surrogates(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"[" * 100 + b'"\\ud83d\\ude00"' + b"]" * 100)
    assert str(files.read_json(tmp_path / "a.json")).strip("[]'") == "\U0001f600"


@pytest.mark.parametrize(
    "told",
    [
        {"epochs": 3}, {"report": "report-1"}, {"training": 3}, {"training": "../x"}, {"training": "a\0"}, ["training"],
        {"training": "training-1", "epochs": "3"}, {"training": "training-1", "report": 4},
    ],
)  # fmt: skip
def test_a_newest_job_that_is_none_is_not_told(told: object, tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    (tmp_path / "live/latest.json").write_text(json.dumps(told))
    (tmp_path / "training-2").mkdir()
    assert run_names.of(tmp_path) == (tmp_path, {"training": "training-2"})


def test_times_at_both_ends_of_the_calendar_are_no_trouble_to_a_log_of_epochs(tmp_path: Path) -> None:
    last, first = "9999-12-31T00:00:00+00:00", "0001-01-01T00:00:00+00:00"
    told = [{"time": last, "kind": "began", "number": 1}, {"time": first, "kind": "paused"}]
    lines = [json.dumps(one) for one in (*told, {"time": last, "kind": "resumed"})]
    (tmp_path / "events.jsonl").write_text("\n".join(lines))
    assert chronicle.read(tmp_path / "events.jsonl").number == 1


def test_a_column_whose_size_is_told_by_its_type_alone_is_refused(tmp_path: Path) -> None:
    """Some hundred bytes of each would be as many GB as one likes."""
    width = 100_000
    for kind in (pa.binary(width), pa.list_(pa.int8(), width), pa.struct({"a": pa.int8()}), pa.list_(pa.string())):
        parquet.write_table(pa.table({"a": pa.array([None] * 10, kind)}), tmp_path / "a.parquet", compression="zstd")
        with pytest.raises(ArtifactError, match=r"not a history: its column 'a' holds (fixed|struct|list)"):
            tables.decode((tmp_path / "a.parquet").read_bytes(), tmp_path / "a.parquet", "a history")


def test_what_a_file_tells_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "progress.json").write_text('{"state": {}}')
    found = sealed(tmp_path)
    with pytest.raises(ArtifactError, match=r"progress\.json: not a train state: KeyError: 'best'"):
        found.told("progress.json", TrainState.from_progress)
    with pytest.raises(ArtifactError, match=r"progress\.json: was written by another version, or altered: KeyError"):
        found.told("progress.json", lambda told: told["best"])


def test_what_a_parquet_file_tells_of_its_columns_ends_no_process_wherever_it_is_altered() -> None:
    """In a process of its own: Arrow aborts where it is asked for what does not fit itself."""
    script = textwrap.dedent("""
        import io, pathlib
        import pyarrow as pa
        from pyarrow import parquet
        from deeptrain import errors, tables

        sink = io.BytesIO()
        parquet.write_table(pa.table({"loss": [0.5, 0.25], "at": [1, 2]}), sink)
        whole = sink.getvalue()
        footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
        for place in range(footer, len(whole) - 8):
            for bit in (1, 2, 4):
                data = bytearray(whole)
                data[place] ^= bit
                try:
                    tables.decode(bytes(data), pathlib.Path("a.parquet"), "a history")
                except errors.ArtifactError:
                    pass
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def _with(told: Any, value: Any, *way: Any) -> bytes:
    inner = told
    for step in way[:-1]:
        inner = inner[step]
    inner[way[-1]] = value
    return json.dumps(told).encode()


@pytest.mark.parametrize(
    ("name", "value", "way"),
    [
        ("interventions", 10**400, (0, "value")),
        ("data", 2**70, ("splits", "train", "sets", 0, "first")),
        ("scheduler", "never", ("tasks", "a", "remove")),
    ],
    ids=("interventions", "data", "scheduler"),
)
def test_numbers_that_fit_nowhere_are_refused(name: str, value: Any, way: tuple[Any, ...], tmp_path: Path) -> None:
    place = Place(TARGETS[name], tmp_path)
    assert place.read(_with(json.loads(place.whole), value, *way))
