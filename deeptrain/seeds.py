"""Seeds and permutations: everything random follows from the experiment's seed by the name of what it is for.

Seeds are hashed, never added: with sums, seed 5 in epoch 1 would be seed 6 in epoch 0.
"""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def derive(seed: int, *purpose: str | int) -> int:
    """A seed of 63 bits for one purpose, the same on every machine: blake2b of the seed and the purpose's names."""
    text = "\x1f".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator(seed: int, *purpose: str | int) -> "np.random.Generator":
    """NumPy's counter-based Philox generator for one purpose."""
    import numpy as np

    return np.random.Generator(np.random.Philox(derive(seed, *purpose)))


def permutation(length: int, seed: int, *purpose: str | int) -> "np.ndarray":
    """A permutation of `range(length)`, int64.

    Raw Philox words sorted stably: NumPy promises the raw stream for ever, `Generator.permutation` only within a
    version. Two equal words among n have probability n^2 / 2^65; the stable sort then keeps their order.
    """
    import numpy as np

    words = np.random.Philox(derive(seed, *purpose)).random_raw(length)
    return np.argsort(words, kind="stable").astype(np.int64, copy=False)
