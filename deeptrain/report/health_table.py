"""The health of every layer as the page and the report's files tell it."""

import math
from collections.abc import Sequence
from typing import Any

from deeptrain.drawing import wording
from deeptrain.introspection.verdicts import Row


def cells(row: Row) -> tuple[str, ...]:
    """What the table shows of a layer beside its name and verdict."""
    return (
        wording.count(row.numbers.weights.size),
        wording.score(row.numbers.weights.rms),
        wording.score(_gradients(row)),
        wording.share(_share(row.numbers.weights.dead, row), 1.0),
        wording.share(_share(row.numbers.weights.large, row), 1.0),
    )


def plain(row: Row) -> dict[str, Any]:
    """A layer in numbers and words.

    `rms` and `gradients`, NaN where the optimizer keeps nothing, are root mean squares; `dead` and `large` are shares
    from 0 to 1.
    """
    gradients = _gradients(row)
    return {
        "layer": row.layer,
        "numbers": row.numbers.weights.size,
        "rms": row.numbers.weights.rms,
        "gradients": math.nan if gradients is None else gradients,
        "dead": _share(row.numbers.weights.dead, row),
        "large": _share(row.numbers.weights.large, row),
        "verdict": row.verdict,
        "advice": row.advice,
        "serious": row.serious,
    }


def verdict(rows: Sequence[Row]) -> str:
    """All layers in one sentence."""
    ill = [one for one in rows if one.findings]
    if not ill:
        return f"All {len(rows)} layers are healthy." if len(rows) > 1 else "The layer is healthy."
    grave = sum(one.serious for one in ill)
    told = f", {grave} seriously" if grave else ""
    return f"{len(ill)} of {wording.plural(len(rows), 'layer')} could be healthier{told}."


def _gradients(row: Row) -> float | None:
    return row.numbers.gradients.rms if row.numbers.gradients.size else None


def _share(count: int, row: Row) -> float:
    return count / row.numbers.weights.size if row.numbers.weights.size else 0.0
