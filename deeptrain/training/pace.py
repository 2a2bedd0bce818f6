"""How many iterations to fuse into one call: many, and yet nobody waits long for an answer."""

ANSWER_SECONDS = 0.08
"""Aim of a group's duration, below the tenth of a second that may pass until a pause or a signal is acted on. What a
group costs beside its iterations, 1.4 ms, is to be little of it."""

MOST_BYTES = 64 << 20
"""What the batches of one group may take in memory."""

MOST = 1024


class Pace:
    """Chooses group sizes from how long the last group took. The sizes change no byte of training."""

    def __init__(self, batch_bytes: int) -> None:
        """Begin with one iteration at a time.

        Args:
            batch_bytes: memory of one batch.
        """
        self._most = max(1, min(MOST, MOST_BYTES // max(batch_bytes, 1)))
        self.size = 1

    def took(self, iterations: int, seconds: float) -> None:
        """A group of `iterations` took `seconds`: grow by two at most, shrink at once."""
        fitting = int(ANSWER_SECONDS * iterations / max(seconds, 1e-9))
        self.size = max(1, min(2 * self.size, fitting, self._most))
