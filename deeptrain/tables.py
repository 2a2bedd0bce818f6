"""Parquet files in the memory they are read into: what one may claim is bounded by its size."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deeptrain.errors import ArtifactError, said

if TYPE_CHECKING:  # a plan may import this file and must not load Arrow for it
    import pyarrow as pa
    from pyarrow import parquet

TIMES, MORE = 10, 256 << 20
"""The rows of a file take at most so many times its bytes, and so many more: some kB could claim to be GBs."""


def decode(data: bytes, path: Path, what: str) -> "pa.Table":
    """The rows in the bytes of a Parquet file, the sums of its pages compared.

    Args:
        data: of the file.
        path: where they came from, for messages.
        what: it should be, for messages: "a history".

    Raises:
        ArtifactError: when it is none, would take absurdly much memory, or has a column of what is in no file of ours:
            neither numbers, nor texts, nor lists of numbers. Of others the size may be told by nothing but the type.
    """
    import pyarrow as pa
    from pyarrow import parquet, types

    def check(size: int) -> None:
        if size > (most := TIMES * len(data) + MORE):
            raise ArtifactError(
                f"{path}: not {what}: its {len(data):,} bytes are to be {size:,}, the most are {most:,}"
            )

    try:
        with parquet.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
            schema = file.schema_arrow
            for one in schema:
                if not _is_ours(one.type):
                    raise ArtifactError(f"{path}: not {what}: its column {one.name!r:.60} holds {one.type}")
            told = file.metadata
            groups = [told.row_group(number) for number in range(told.num_row_groups)]
            check(max(sum(group.total_byte_size for group in groups), 8 * told.num_rows * told.num_columns))
            # What is told of a column and does not fit itself is an error where reading meets it; asked for, as below,
            # it would end the process (Arrow 26)
            file.scan_contents()
            check(_claimed(groups))
            texts = [one.name for one in schema if types.is_string(one.type)]
        # Each different text once: a long one that all rows have is some bytes of the file.
        with parquet.ParquetFile(pa.BufferReader(data), page_checksum_verification=True, read_dictionary=texts) as file:
            rows = file.read()
        check(_of_texts(rows))
        return rows.cast(_plain(rows.schema)) if texts else rows
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path}: not {what}: {said(error)}") from error


def _is_ours(kind: "pa.DataType") -> bool:
    from pyarrow import types

    if types.is_list(kind):
        kind = kind.value_type
    elif types.is_string(kind):
        return True
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _claimed(groups: "Sequence[parquet.RowGroupMetaData]") -> int:
    """What the values take by the file's own word: 8 bytes each, or their pages where these are more."""
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    return int(sum(max(8 * chunk.num_values, chunk.total_uncompressed_size) for chunk in chunks))


def _of_texts(rows: "pa.Table") -> int:
    """What the longest of each column would take in all rows."""
    from pyarrow import compute, types

    chunks = [chunk for column in rows.columns if types.is_dictionary(column.type) for chunk in column.chunks]
    longest = [compute.max(compute.binary_length(chunk.dictionary)).as_py() or 0 for chunk in chunks]
    return int(sum(length * len(chunk) for length, chunk in zip(longest, chunks, strict=True)))


def _plain(schema: "pa.Schema") -> "pa.Schema":
    import pyarrow as pa
    from pyarrow import types

    fields = [one.with_type(one.type.value_type) if types.is_dictionary(one.type) else one for one in schema]
    return pa.schema(fields, schema.metadata)
