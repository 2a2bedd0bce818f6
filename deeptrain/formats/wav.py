""".wav: a recording is one sample, a sequence of steps x channels, in the numbers it is stored in.

SciPy decodes. The chunks of the file are walked before, so that one that is cut off, or has bytes after its end, is
refused with its sizes. 24 bits come as int32, their lowest byte 0.
"""

import struct
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from deeptrain.errors import DataError, said
from deeptrain.formats import numbers
from deeptrain.formats.format import Chunk, Field

if TYPE_CHECKING:  # a plan imports this file and must not load NumPy for it
    import numpy as np
    from numpy.typing import NDArray

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
DTYPES = {(PCM, 8): "uint8", (PCM, 16): "int16", (PCM, 24): "int32", (PCM, 32): "int32"}
DTYPES |= {(FLOAT, 32): "float32", (FLOAT, 64): "float64"}
FIELD = "x"


@dataclass(frozen=True)
class Header:
    """What the file says of its recording."""

    dtype: str
    channels: int
    rate: int
    steps: int


@dataclass(frozen=True)
class Wav:
    """Files of one recording each; a `Format`."""

    name: str = "wav"
    extensions: tuple[str, ...] = (".wav",)
    tabular: bool = False
    single: bool = True

    def fields(self, path: Path) -> tuple[Field, ...]:
        """The one field "x", a sequence of steps of shape (channels,)."""
        header = _header(path)
        return (Field(FIELD, header.dtype, (None, header.channels)),)

    def samples(self, path: Path, field: str) -> int | None:  # noqa: ARG002
        """One."""
        return 1

    def chunks(self, path: Path, fields: Sequence[Field], rows: int) -> Iterator[Chunk]:  # noqa: ARG002
        """The recording."""
        import numpy as np
        from scipy.io import wavfile

        header = _header(path)
        try:
            with warnings.catch_warnings():  # of chunks that are no sound, such as comments
                warnings.simplefilter("ignore", wavfile.WavFileWarning)
                _, sound = wavfile.read(path)
        except (ValueError, OSError, struct.error) as error:
            _refuse(path, said(error))
        steps = np.asarray(sound).reshape(-1, header.channels)
        if len(steps) != header.steps:
            _refuse(path, f"{header.steps:,} steps are announced, {len(steps):,} were read")
        (field,) = fields
        values = numbers.cast(steps, field.dtype, lambda step: f"{path}: step {step:,}", field.missing)
        yield Chunk(0, 1, {FIELD: values}, {}, {FIELD: np.array([len(steps)], np.int64)})

    def random_access(self, path: Path) -> bool:  # noqa: ARG002
        """Not as `take` means it: recordings have lengths of their own."""
        return False

    def take(self, path: Path, field: Field, rows: "NDArray[np.int64]", out: "NDArray[Any]") -> None:  # noqa: ARG002
        """Not for sequences."""
        raise ValueError(f"{path}: a recording is read whole")

    def place(self, path: Path, row: int) -> str:  # noqa: ARG002
        """Nothing but the file."""
        return ""

    def trait(self, path: Path) -> str:
        """The sampling rate."""
        return f"{_header(path).rate:,} Hz"


WAV = Wav()


def _refuse(path: Path, told: str) -> NoReturn:
    raise DataError(f"{path}: is damaged or no wav: {told}") from None


def _header(path: Path) -> Header:
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            begin = file.read(12)
            if begin[:4] != b"RIFF" or begin[8:] != b"WAVE":
                _refuse(path, "it does not begin with RIFF ... WAVE")
            claimed = int.from_bytes(begin[4:8], "little") + 8
            if claimed + claimed % 2 not in {size, size + size % 2}:
                _refuse(path, f"its header says {claimed:,} bytes, the file has {size:,}; was it cut off?")
            form: tuple[int, ...] = ()
            data = None
            while len(mark := file.read(8)) == 8:
                length = int.from_bytes(mark[4:], "little")
                if file.tell() + length > size:
                    _refuse(path, f"its chunk {mark[:4]!r} of {length:,} bytes reaches beyond its end")
                if mark[:4] == b"fmt ":
                    content = file.read(length)
                    if length < 16:
                        _refuse(path, "its format chunk is too short")
                    form = struct.unpack("<HHIIHH", content[:16])
                    if form[0] == EXTENSIBLE and length >= 26:
                        form = (int.from_bytes(content[24:26], "little"), *form[1:])
                    file.seek(length % 2, 1)
                else:
                    data = length if mark[:4] == b"data" else data
                    file.seek(length + length % 2, 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if not form or data is None:
        _refuse(path, f"it has no {'format' if not form else 'data'} chunk")
    kind, channels, rate, _, width, bits = form
    dtype = DTYPES.get((kind, bits))
    if dtype is None or not channels or width != channels * bits // 8:
        _refuse(path, f"format {kind} of {bits} bits, {channels} channels of {width} bytes a step, is not read")
    if data % width or not data:
        _refuse(path, f"{data:,} bytes of sound are not a whole number of steps of {width} bytes, at least 1")
    return Header(dtype, channels, rate, data // width)
