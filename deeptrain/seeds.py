"""Seeds and permutations: everything random follows from a seed and the name of what it is for.

A purpose, such as ("order", seed, epoch), is hashed and never added up: with sums, seed 5 in epoch 1 would be seed 6 in
epoch 0.
"""

import hashlib
from typing import TYPE_CHECKING

from deeptrain.files import canonical_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def derive(*purpose: int | str) -> int:
    """A seed of 63 bits for a purpose, the same on every machine."""
    return _key(purpose) >> 65


def generator(*purpose: int | str) -> "np.random.Generator":
    """NumPy's counter-based Philox generator for a purpose."""
    import numpy as np

    return np.random.Generator(np.random.Philox(key=_key(purpose)))


def permutation(length: int, *purpose: int | str) -> "NDArray[np.int64]":
    """The numbers 0 to length - 1 in the random order that belongs to a purpose, int64.

    NumPy promises the raw stream of a bit generator and a stable sort, but not what `Generator.permutation` makes of
    them, so the order is the stable sort of raw numbers. Two of n 64-bit numbers are equal with probability below
    n^2 / 2^65, which prefers the lower index and harms nobody.
    """
    import numpy as np

    return stable_order(words(length, *purpose)).astype(np.int64, copy=False)


def stable_order(numbers: "NDArray[np.uint64]") -> "NDArray[np.int64]":
    """What a stable sort of numbers makes of them: of numbers that all differ any sort makes it, in half the time."""
    import numpy as np

    order = np.argsort(numbers)
    ascending = numbers[order]
    return np.argsort(numbers, kind="stable") if bool((ascending[1:] == ascending[:-1]).any()) else order


def words(length: int, *purpose: int | str) -> "NDArray[np.uint64]":
    """Raw numbers of 64 bits of the generator that belongs to a purpose: (length,) uint64, the same for ever."""
    import numpy as np

    return np.random.Philox(key=_key(purpose)).random_raw(length)


def _key(purpose: tuple[int | str, ...]) -> int:
    """128 bits of blake2b over the purpose's canonical JSON, in which 1, "1" and 12 cannot be mistaken."""
    return int.from_bytes(hashlib.blake2b(canonical_json(list(purpose)), digest_size=16).digest(), "little")
