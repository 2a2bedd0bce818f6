"""`python -m pipelines verify`: every sha256 of a store, a run or an artifact."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deeptrain.errors import ArtifactError
from pipelines import listing
from pipelines.cells import cut_path

if TYPE_CHECKING:
    from deeptrain.store.verification import Verified


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "verify",
        help="compare every byte of a store with what was recorded",
        description="Compare every file of every artifact with its recorded sha256, and every artifact with its place "
        "and with what it was made from. Names each file that breaks a rule, the rule, and what was found. Nothing is "
        "changed without --set-aside or --sign. Where DEEPTRAIN_KEY_FILE names a key, signatures are compared, too. "
        "Exit code: 0 if all is well, 1 if not.",
        epilog="examples: python -m pipelines verify; python -m pipelines verify runs/digits --set-aside",
    )
    parser.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, help="a store, a run, or an artifact (default: runs)"
    )
    parser.add_argument("--json", action="store_true", help="write JSON instead of lines")
    parser.add_argument(
        "--set-aside",
        action="store_true",
        help="move what is damaged into quarantine/ beside it: the next run of the experiment makes it again",
    )
    parser.add_argument(
        "--sign", action="store_true", help="sign each artifact that is whole with the key of DEEPTRAIN_KEY_FILE"
    )
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Print what is damaged.

    Raises:
        ArtifactError: when something is, or there is nothing to verify.
        LockedError: when something is to be set aside that another process is writing.
    """
    from deeptrain import lineage
    from deeptrain.files import readable_json
    from deeptrain.store import verification

    path = Path(lineage.STORE) if asked.path is None else asked.path
    seen = verification.verify(path, _tell if sys.stderr.isatty() else verification.nobody, sign=asked.sign)
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    if asked.json:
        listing.write(readable_json(seen.plain()).decode().splitlines())
    else:
        listing.write(lines(seen, path, listing.width()))
    if seen.faults:
        damaged = len({fault.artifact for fault in seen.faults})
        told = f"{path}: {damaged} of {seen.artifacts} artifacts {'is' if damaged == 1 else 'are'} not as recorded"
        if not asked.set_aside:
            raise ArtifactError(
                f"{told}; with --set-aside they are moved out of the way, and the next run of the experiment makes "
                "again what it needs of them"
            )
        moved = verification.set_aside(seen.faults)
        raise ArtifactError(
            f"{told}; {len(moved)} {'was' if len(moved) == 1 else 'were'} set aside: run the experiment again, and it "
            "makes again what it needs of them"
        )


def lines(seen: "Verified", path: Path, width: int | None) -> Iterator[str]:
    """What was found, at most `width` columns wide; None cuts nothing."""
    for fault in seen.faults:
        name = str(fault.artifact / fault.file)
        yield name if width is None else cut_path(name, width, listing.MARK)
        for line in listing.wrapped(f"{fault.rule}; {fault.value}", None if width is None else width - 4):
            yield f"    {line}"
    if not seen.faults:
        size = f"{seen.bytes / 1e6:,.1f} MB"
        yield from listing.wrapped(
            f"{path}: {seen.artifacts:,} artifacts, {seen.files:,} files, {size}: all as recorded", width
        )


def _tell(directory: Path) -> None:
    columns = listing.width() or 80
    sys.stderr.write(f"\r\x1b[K{cut_path(str(directory), columns - 1, listing.MARK)}")
    sys.stderr.flush()
