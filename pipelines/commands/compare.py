"""`python -m pipelines compare RUN RUN ...`: two or more runs side by side."""

import argparse
import shutil
import sys
from pathlib import Path

import deeptrain
from deeptrain.errors import DataError
from deeptrain.files import readable_json, write_file
from pipelines.terminal import Quietly

SIGNS = {"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{HORIZONTAL ELLIPSIS}": "..."}
"""What stands for signs that a terminal's encoding cannot say."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "compare",
        help="put two or more runs side by side",
        description="Put two or more runs side by side: settings that differ, epochs, best key metric, test score with "
        "its 95 % interval, paired differences, cost. Runs are only read, and nothing of them is executed.",
        epilog="example: python -m pipelines compare runs/digits/training-* --page compare.html",
    )
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", type=Path, help="a run, such as runs/digits, or one training in it"
    )
    parser.add_argument("--json", action="store_true", help="write JSON instead of a table")
    parser.add_argument("--page", metavar="FILE", type=Path, help="also write a page, with histories and intervals")
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Print the comparison, and write the page where asked.

    Raises:
        DeeptrainError: when a run cannot be read, or fewer than two are named.
    """
    from pipelines import comparison_table

    if asked.page is not None and not asked.page.parent.is_dir():
        raise DataError(f"--page {asked.page}: the directory {asked.page.parent} does not exist")
    compared = deeptrain.compare(*asked.runs)
    out = Quietly(sys.stdout)
    if asked.json:
        out.write(readable_json(compared.plain()).decode())
    else:
        width = shutil.get_terminal_size((0, 0)).columns or None
        text = "".join(f"{line}\n" for line in comparison_table.lines(compared, width))
        if not out.can_say("".join(SIGNS)):
            for sign, plain in SIGNS.items():
                text = text.replace(sign, plain)
        out.write(text)
    if asked.page is not None:
        from deeptrain.report import comparison_page

        write_file(asked.page, comparison_page.render(compared))
        if not asked.json:
            out.write(f"\n{asked.page}\n")
    out.flush()
