"""What the command-line tools here have in common: how they are asked, and how they tell what they found."""

import argparse
import sys


def parser(tool: str, described: str | None) -> argparse.ArgumentParser:
    """A parser for `python -m tests.reliability.TOOL`, whose help is the docstring of its module."""
    return argparse.ArgumentParser(
        prog=f"python -m tests.reliability.{tool}",
        description=described,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def tell(line: str) -> None:
    """Write a line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
