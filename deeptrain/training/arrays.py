"""Named arrays as one file: safetensors without metadata.

The format is raw little-endian memory behind a JSON header: quick to write, no code in it, readable by many tools, and
without metadata the same bytes for the same arrays. One file of a model's variables costs one `fsync`, where a `.npy`
each would cost one a variable.

    8 bytes   length of the header, little-endian
    header    {"NAME": {"dtype": "F32", "shape": [...], "data_offsets": [begin, end]}, ...} in JSON, with spaces at the
              end up to a multiple of 8
    arrays    in the header's order: wide dtypes first, so that each lies at a multiple of its width, then by name

It is written and read here, since the library joins all arrays in memory, twice, before it gives them away.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deeptrain import files
from deeptrain.errors import MISSHAPEN, ArtifactError, in_one_line

# In the order of the library, which sorts by it.
_CODES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "I16": "<i2",
    "U16": "<u2",
    "F16": "<f2",
    "I32": "<i4",
    "U32": "<u4",
    "F32": "<f4",
    "C64": "<c8",
    "F64": "<f8",
    "I64": "<i8",
    "U64": "<u8",
}
_PLACES = {np.dtype(code): place for place, code in enumerate(_CODES.values())}
_NAMES = {np.dtype(code): name for name, code in _CODES.items()}
_LONGEST_HEADER = 100_000_000


def pieces(arrays: Mapping[str, np.ndarray]) -> Iterator[memoryview]:
    """The bytes of a safetensors file that holds the arrays, as header and arrays one after the other, not copied.

    Raises:
        ArtifactError: for a dtype that the format does not have.
    """
    given = {name: _little(array) for name, array in arrays.items()}
    for name, array in given.items():
        if array.dtype not in _PLACES:
            raise ArtifactError(f"{name} has the dtype {array.dtype}, which a safetensors file cannot hold")
    order = sorted(given, key=lambda name: (-_PLACES[given[name].dtype], name))
    told, end = {}, 0
    for name in order:
        array = given[name]
        begin, end = end, end + array.nbytes
        told[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [begin, end]}
    header = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    yield memoryview(len(header).to_bytes(8, "little") + header)
    for name in order:
        if given[name].nbytes:
            yield given[name].reshape(-1).view(np.uint8).data


def encode(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of a safetensors file that holds the arrays, in one piece."""
    return b"".join(pieces(arrays))


def decode(data: bytes | bytearray | memoryview, path: Path) -> dict[str, np.ndarray]:
    """The arrays in the bytes of a safetensors file: read-only views of them, not copied.

    Args:
        data: bytes whose digest was checked.
        path: where they came from, for messages.

    Raises:
        ArtifactError: when they are no safetensors file.
    """
    try:
        view = memoryview(data).cast("B")
        if len(view) < 8:
            raise ValueError(f"it has {len(view)} bytes, the shortest has 8")
        length = int.from_bytes(view[:8], "little")
        if not 2 <= length <= min(len(view) - 8, _LONGEST_HEADER):
            raise ValueError(f"its header says that it has {length:,} bytes, the whole file has {len(view):,}")
        header = files.parse_json(bytes(view[8 : 8 + length]), path)
        if not isinstance(header, dict):
            raise TypeError(f"its header is a {type(header).__name__}")
        found: dict[str, np.ndarray] = {}
        end = 0
        for name, told in header.items():
            if name != "__metadata__":
                found[name], begin, after = _array(view[8 + length :], told)
                if begin != end:
                    raise ValueError(f"{name} begins at {begin}, the array before it ends at {end}")
                end = after
        if end != len(view) - 8 - length:
            raise ValueError(f"its arrays end at {end}, it has {len(view) - 8 - length} bytes of them")
    except (ArtifactError, *MISSHAPEN) as error:
        raise ArtifactError(f"{path}: no safetensors file: {in_one_line(error)}") from error
    return found


def _array(arrays: memoryview, told: Mapping[str, Any]) -> tuple[np.ndarray, int, int]:
    dtype, shape = np.dtype(_CODES[told["dtype"]]), told["shape"]
    begin, end = told["data_offsets"]
    if not isinstance(shape, list) or any(type(number) is not int or number < 0 for number in [*shape, begin, end]):
        raise ValueError(f"a shape and offsets are whole numbers, got {told!r:.100}")
    if not begin <= end <= len(arrays) or end - begin != dtype.itemsize * math.prod(shape):
        raise ValueError(f"{dtype}{shape} does not lie at {begin} to {end} of {len(arrays)} bytes")
    array = np.frombuffer(arrays[begin:end], dtype).reshape(shape)
    array.flags.writeable = False
    return array, begin, end


def _little(array: np.ndarray) -> np.ndarray:
    """The array in the format's order of bytes and axes; itself, where it is so already."""
    # np.ascontiguousarray would make a scalar one-dimensional.
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
