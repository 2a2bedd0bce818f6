"""Going through what a batch becomes, iteration by iteration, from any of them on."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from deeptrain.errors import DataError
from deeptrain.loading.preprocessing import Preprocessor, memories, piecewise, remember, remembering

Iteration = TypeVar("Iteration")


class Walk(Generic[Iteration]):
    """Stands in a batch, knows the next iteration, and can be sent to any other.

    Law: the iterations of a batch are the same from wherever they are asked for, any number of times, as long as
    preprocessors that keep something stand where they stood when the batch began: the way to an iteration leads through
    those before it. Where none keeps anything, and each batch is as many iterations as was known before, it is gone to
    at once.

    Attributes:
        began_with: what preprocessors that keep something kept when the batch began.
    """

    def __init__(
        self,
        made: Callable[[int, int, int], Iterator[Iteration]],
        alike: Callable[[Iteration, Iteration], bool],
        preprocessors: Sequence[Preprocessor],
    ) -> None:
        """Stand nowhere.

        Args:
            made: gives the iterations of a batch by epoch, number and the first one that is wanted.
            alike: whether two may be fit in one call.
            preprocessors: what `made` applies.
        """
        self._made = made
        self._alike = alike
        self._remembering = remembering(preprocessors)
        self._direct = not self._remembering and not piecewise(preprocessors)
        self._deciding = " and ".join(piecewise(preprocessors))
        self._batch: tuple[int, int] | None = None
        self._iterations: Iterator[Iteration] = iter(())
        self._place = 0
        self._next: list[Iteration] = []  # at most one: the iteration at `_place`
        self.began_with: dict[str, dict[str, Any]] = {}

    def take(self, epoch: int, number: int, first: int, most: int) -> list[Iteration]:
        """Up to `most` iterations of a batch from one on that are alike; none where it has none.

        Raises:
            DataError: when the batch does not have as many.
        """
        self._go(epoch, number, first)
        found: list[Iteration] = []
        while self._next and len(found) < most and (not found or self._alike(found[0], self._next[0])):
            found += self._next
            self._step()
        return found

    def ends(self, epoch: int, number: int, place: int) -> bool:
        """Whether a batch has no iteration behind `place` of them.

        Raises:
            DataError: when it does not have as many.
        """
        if self._batch == (epoch, number) and place < self._place:
            return False
        self._go(epoch, number, place)
        return not self._next

    def close(self) -> None:
        """Stand nowhere; preprocessors that keep something stand where they stood when the batch began."""
        if self._batch is not None and self._next:
            self._restore()
        self._forget()

    def _go(self, epoch: int, number: int, place: int) -> None:
        if self._batch != (epoch, number):
            self.began_with = memories(self._remembering)
            self._begin(epoch, number, place)
        elif place < self._place or (self._direct and place > self._place):
            self._restore()
            self._begin(epoch, number, place)
        while self._place < place:
            if not self._next:
                raise DataError(
                    f"batch {number} of epoch {epoch} became {self._place} iterations, {place} of which were done "
                    f"before: {self._deciding}.pieces must follow from the batch, its generator and its state() only"
                )
            self._step()

    def _begin(self, epoch: int, number: int, place: int) -> None:
        first = place if self._direct else 0
        self._batch = (epoch, number)
        self._iterations = self._made(epoch, number, first)
        self._place = first - 1
        self._step()

    def _step(self) -> None:
        try:
            self._next = list(itertools.islice(self._iterations, 1))
        except BaseException:
            # An iterator that has raised says that it has ended: nobody may take that for the batch's end
            self._restore()
            self._forget()
            raise
        self._place += 1

    def _restore(self) -> None:
        remember(self._remembering, self.began_with)

    def _forget(self) -> None:
        self._batch, self._iterations, self._place, self._next, self.began_with = None, iter(()), 0, [], {}
