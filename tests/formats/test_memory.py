import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

ROWS, COLUMNS = 150_000, 64  # 77 MB of float64 in each file, as text 173 MB

CODE = """
import sys
from pathlib import Path
import numpy, pyarrow, h5py, pyarrow.csv, pyarrow.parquet
from deeptrain.formats import discovery

def peak():
    with open("/proc/self/status") as file:  # that of getrusage begins with the parent's
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024

for path in sys.argv[1:]:
    data = discovery.open(Path(path), labels="none")
    before = peak()
    samples = sum(chunk.samples for chunk in data.chunks(2048, "float32"))
    print(Path(path).name, samples, round(peak() - before))
"""


def test_what_is_read_in_parts_never_lies_in_memory_whole(tmp_path: Path):
    values = np.full((ROWS, COLUMNS), 1 / 7)
    np.save(tmp_path / "a.npy", values)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=values, chunks=(1000, COLUMNS), compression="lzf")
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(tmp_path / "a.npy", "x.npy")
    table = pa.table({f"c{i}": values[:, i] for i in range(COLUMNS)})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=10_000)
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as out:
        out.write_table(table, max_chunksize=10_000)
    csv.write_csv(table, tmp_path / "a.csv")
    names = ["a.h5", "a.npz", "a.parquet", "a.arrow", "a.csv", "a.npy"]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *(str(tmp_path / name) for name in names)],
        capture_output=True,
        text=True,
        check=True,
    )
    told = [line.split() for line in done.stdout.splitlines()]
    assert [(name, int(samples)) for name, samples, _ in told] == [(name, ROWS) for name in names]
    assert max(int(mib) for _, _, mib in told) < values.nbytes >> 20, done.stdout
