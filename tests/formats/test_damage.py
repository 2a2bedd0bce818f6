import random
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from scipy.io import wavfile

from deeptrain.errors import DataError
from deeptrain.formats import discovery

VALUES = np.arange(60.0).reshape(20, 3)
TABLE = pa.table({"a": VALUES[:, 0], "label": ["u", "v"] * 10, "s": [[1.0] * (i % 3) for i in range(20)]})


def make_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = VALUES
        file.create_dataset("y", data=np.arange(20), chunks=(4,), compression="gzip")


def make_arrow(path: Path) -> None:
    with pa.ipc.new_file(path, TABLE.schema) as writer:
        writer.write_table(TABLE, 7)


def make_picture(path: Path) -> None:
    Image.fromarray((VALUES * 4).astype(np.uint8)).save(path)


FILES = {
    "a.npy": lambda path: np.save(path, VALUES),
    "a.npz": lambda path: np.savez_compressed(path, x=VALUES),
    "a.h5": make_hdf5,
    "a.parquet": lambda path: parquet.write_table(TABLE, path),
    "a.arrow": make_arrow,
    "a.png": make_picture,
    "a.jpg": make_picture,
    "a.tif": make_picture,
    "a.wav": lambda path: wavfile.write(path, 8000, VALUES.astype(np.int16)),
    "a.csv": lambda path: path.write_text("a,b,label\n" + "1,2.5,u\n3,4e3,v\n" * 9),
    "a.svm": lambda path: path.write_text("1 1:2 3:4\n0 2:1\n" * 9),
}


def damaged(whole: bytes, random: random.Random) -> bytes:
    data = bytearray(whole)
    for _ in range(random.choice([1, 1, 2, 8])):
        at = random.randrange(random.choice([len(data), min(200, len(data))]))
        kind = random.random()
        if kind < 0.7:
            data[at] ^= 1 << random.randrange(8)
        elif kind < 0.8:
            data[at] = 255
        elif kind < 0.9 and at:
            del data[at:]
        else:
            data[at:at] = bytes(random.randrange(1, 9))
    return bytes(data)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of metadata that are damaged
def test_a_damaged_file_of_any_kind_gives_samples_or_one_line_that_names_it(tmp_path: Path, name: str):
    path = tmp_path / name
    FILES[name](path)
    whole = path.read_bytes()
    generator = random.Random(name)
    refused = 0
    for number in range(150):
        path.write_bytes(damaged(whole, generator))
        try:
            for _ in discovery.open(path, labels="none", allow_missing=number % 2 == 1).chunks(7):
                pass
        except DataError as error:
            refused += 1
            assert name in str(error)  # noqa: PT017
            assert str(error).isprintable()  # noqa: PT017
    assert refused
