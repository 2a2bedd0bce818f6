"""Digests of code that stand for others: `code-aliases.json` in a run's directory.

An object with a digest of code as it is now for each key, and as value the digest that the artifacts have which it
stands for: a change of code that a person says changes nothing. Taking a line out has them made again.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from deeptrain import files
from deeptrain.errors import ArtifactError

NAME = "code-aliases.json"
_DIGEST = re.compile(r"[0-9a-f]{64}")


def read(run: Path) -> dict[str, str]:
    """The digests that stand for others, none if nothing was written.

    Raises:
        ArtifactError: when the file is no object of digests.
    """
    path = run / NAME
    if not path.exists():
        return {}
    value = files.read_json(path)
    if not isinstance(value, dict):
        raise ArtifactError(f"{path}: expected a table of digests, got {type(value).__name__}")
    for digest in (*value, *value.values()):
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise ArtifactError(f"{path}: expected 64 hex digits, got {digest!r:.80}")
    return value


def append(run: Path, aliases: Mapping[str, str]) -> None:
    """Write down, durably, that for each new digest an old one stands."""
    files.make_directories(run)
    files.write_file(run / NAME, files.readable_json({**read(run), **aliases}))
