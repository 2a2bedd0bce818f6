"""Which heavy states stay: a pure function of what is done, so that every way to get there keeps the same ones."""

from collections.abc import Collection


def kept(done: Collection[int], best: int | None, every: int, asked: Collection[int] = ()) -> frozenset[int]:
    """The epochs whose states stay on disk.

    Args:
        done: the epochs that are published.
        best: the best of them by the key metric, if there is one yet.
        every: the state of every `every`-th epoch stays; 0 for none.
        asked: those whose weights are averaged, or predict as members of an ensemble.

    Returns:
        The last two, the best, every `every`-th of those done, and those asked for.
    """
    last = sorted(done)[-2:]
    periodic = [epoch for epoch in done if every and epoch % every == 0]
    return frozenset([*last, *periodic, *asked, *([best] if best in done and best is not None else [])])
