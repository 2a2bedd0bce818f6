"""The `[calibration.probabilities]` table of an experiment."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from msgspec import Meta

from deeptrain.settings import Section

Method = Literal["none", "temperature", "vector", "platt", "beta", "isotonic"]


class ProbabilitiesSettings(Section, frozen=True):
    """How scores are made into probabilities; without the table they are not.

    Attributes:
        methods: that are compared; by default all that apply. "none", leaving the scores as they are, always is.
        folds: parts of the cross-fitting that compares them.
        seed: decides which sample falls into which part.
    """

    methods: tuple[Method, ...] = ()
    folds: Annotated[int, Meta(ge=2)] = 5
    seed: Annotated[int, Meta(ge=0)] = 0

    def relevant(self) -> dict[str, Any]:
        """With the methods in one order, so that two spellings of one question have one identity."""
        return {**Section.relevant(self), "methods": sorted({*self.methods, "none"} if self.methods else ())}

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """A method that is named twice."""
        twice = sorted({one for one in self.methods if self.methods.count(one) > 1})
        if twice:
            yield "methods", f"names {', '.join(twice)} more than once", list(self.methods)
