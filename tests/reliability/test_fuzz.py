"""Whatever stands in place of a file of ours, whoever reads it gives something, or an error of ours says what is wrong.

`make fuzz` looks on, guided by what the bytes reach.
"""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipelines import command
from tests.reliability.fuzzed import TARGETS, Place, within
from tests.reliability.spoiling import BYTES, spoilt

TRIALS, THOROUGH = 60, 3000


@pytest.mark.filterwarnings("ignore")  # of numbers that overflow
@pytest.mark.parametrize("name", TARGETS)
def test_a_spoilt_file_is_read_or_refused_by_an_error_of_ours(name: str, tmp_path: Path, thorough: bool) -> None:
    place, chance = Place(TARGETS[name], tmp_path), random.Random(name)
    trials = [*BYTES, *(spoilt(place.whole, chance) for _ in range(THOROUGH if thorough else TRIALS))]
    for data in trials:
        with within(name, data, keep=tmp_path / "kept"):
            place.read(data)
    assert not place.read(place.whole)


LIMITED = """
import resource, sys
from pathlib import Path
from tests.reliability.fuzzed import ROOM, TARGETS, Place

def size():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmSize"))

for name, file in zip(sys.argv[2::2], sys.argv[3::2]):
    place, data = Place(TARGETS[name], Path(sys.argv[1], name)), Path(file).read_bytes()
    resource.setrlimit(resource.RLIMIT_AS, (size() + 10 * len(data) + ROOM, resource.RLIM_INFINITY))
    print(name, place.read(data))
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


def claiming_rows(path: Path) -> bytes:
    """A history whose few bytes are a billion rows of zeros."""
    import pyarrow as pa
    from pyarrow import parquet

    column = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()).take(pa.array([0] * 1_000)), pa.array([0]))
    with parquet.ParquetWriter(path, pa.schema({"iteration": pa.int64()}), compression="zstd") as writer:
        table = pa.table({"iteration": column.dictionary_decode()})
        for _ in range(10):
            writer.write_table(pa.concat_tables([table] * 10_000))
    return path.read_bytes()


def claiming_texts(path: Path) -> bytes:
    """Rows of one long text, of which the file holds one."""
    import pyarrow as pa
    from pyarrow import parquet

    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array(["x" * 100_000]))
    parquet.write_table(pa.table({"quantity": texts}), path, compression="zstd", store_schema=False)
    return path.read_bytes()


def claiming_values(_: Path) -> bytes:
    """A `.npy` header of a terabyte without data."""
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    return b"\x93NUMPY\x01\x00\x76\x00" + header.ljust(117).encode() + b"\n"


def deep(_: Path) -> bytes:
    """A million arrays in each other."""
    return b"[" * 1_000_000


CLAIMS = {
    "history": claiming_rows,
    "curve": claiming_rows,
    "watched": claiming_texts,
    "predictions": claiming_values,
    "manifest": deep,
    "progress": deep,
}


def test_no_file_takes_more_than_ten_times_its_bytes_and_a_constant(tmp_path: Path) -> None:
    given = []
    for name, make in CLAIMS.items():
        file = tmp_path / f"{name}.data"
        file.write_bytes(make(tmp_path / "made"))
        given += [name, str(file)]
    arguments = [sys.executable, "-W", "ignore", "-c", LIMITED, str(tmp_path / "places"), *given]
    done = subprocess.run(
        arguments, env=command.environment(), cwd=command.ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [f"{name} True" for name in CLAIMS], done.stderr[-2000:]
