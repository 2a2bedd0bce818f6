"""Permutations that are pure functions of what they are for, the same with every version of NumPy."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from deeptrain.files import canonical_json


def permutation(length: int, *purpose: int | str) -> NDArray[np.int64]:
    """The numbers 0 to length - 1 in the random order that belongs to `purpose`, such as ("splits", seed).

    The purpose is hashed to the key of a Philox generator: (5, 1) and (6, 0) have nothing to do with each other, as
    they would if numbers were added. NumPy promises the raw stream of a bit generator and a stable sort, but not
    what `Generator.permutation` makes of them, so the order is the stable sort of raw numbers. Two of n 64-bit
    numbers are equal with probability below n^2 / 2^65, which prefers the lower index and harms nobody.
    """
    key = hashlib.blake2b(canonical_json(list(purpose)), digest_size=16).digest()
    numbers = np.random.Philox(key=int.from_bytes(key, "little")).random_raw(length)
    return np.argsort(numbers, kind="stable").astype(np.int64, copy=False)
