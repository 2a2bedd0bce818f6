"""What a model is made of, in words and in numbers."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ModelDescription:
    """A model as people want to see it.

    Attributes:
        summary: a table of its layers, one a line.
        parameters: how many numbers its weights have, those that are not trained included.
    """

    summary: str
    parameters: int


def describe(model: Any) -> ModelDescription:
    """The description of a built `keras.Model`; the same model gives the same text in any terminal."""
    lines: list[str] = []
    model.summary(line_length=88, print_fn=lambda text, **_: lines.append(text))
    text = "\n".join(line.rstrip() for part in lines for line in part.splitlines())
    return ModelDescription(text.strip("\n"), int(model.count_params()))
