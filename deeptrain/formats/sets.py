"""The set: the unit of raw data that has a number."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RawSet:
    """The unit with a number: a file, a key of a file, or (number None) files of one sample each.

    Attributes:
        number: the set number, None where nothing names one.
        name: for people: the file's name, or the key.
        file: number of its file in `RawData.files`; of its first one if it has several.
        first: row in the file of its first sample (keys of a file count on, in order).
        samples: how many, None when only reading it all tells.
        key: the key or column in the file, None where the whole file is the set.
        files: how many consecutive files it has; more than 1 only where a file is one sample.
    """

    number: int | None
    name: str
    file: int
    first: int
    samples: int | None
    key: str | None = None
    files: int = 1
