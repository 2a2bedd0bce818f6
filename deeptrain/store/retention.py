"""Which heavy states stay: a pure function of what is done, so that every way to get there keeps the same ones."""

from collections.abc import Collection


def kept(done: Collection[int], best: int | None, every: int, averaged: Collection[int] = ()) -> frozenset[int]:
    """The epochs whose states stay on disk.

    Args:
        done: the epochs that are published.
        best: the best of them by the key metric, if there is one yet.
        every: the state of every `every`-th epoch stays; 0 for none.
        averaged: those whose weights are averaged.

    Returns:
        The last two, the best, every `every`-th of those done, and those averaged.
    """
    last = sorted(done)[-2:]
    periodic = [epoch for epoch in done if every and epoch % every == 0]
    return frozenset([*last, *periodic, *averaged, *([best] if best in done and best is not None else [])])
