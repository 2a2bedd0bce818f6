"""Which heavy states stay: a pure function of what is done, so that every way to get there keeps the same ones."""

from collections.abc import Collection


def kept(done: Collection[int], best: int | None, every: int) -> frozenset[int]:
    """The epochs whose states stay on disk.

    Args:
        done: the epochs that are published.
        best: the best of them by the key metric, if there is one yet.
        every: the state of every `every`-th epoch stays; 0 for none.

    Returns:
        The last two, the best, and every `every`-th of those done.
    """
    last = sorted(done)[-2:]
    periodic = [epoch for epoch in done if every and epoch % every == 0]
    return frozenset([*last, *periodic, *([best] if best in done and best is not None else [])])
