"""Parts of an experiment that remember, as source code: what a careless checkpoint forgets."""

PIECES = '''

class Pieces:
    """Feeds a batch in pieces; how many, and what is added to them, hangs on chance and on all that was fed before."""

    def __init__(self, data):
        self.fed = 0

    def process(self, batch, rng):
        return batch

    def pieces(self, batch, rng):
        import dataclasses

        for _ in range(1 + int(rng.integers(0, 3)) + self.fed % 2):
            self.fed += 1
            added = 0.01 * self.fed * rng.normal(size=batch.x.shape[-1])
            yield dataclasses.replace(batch, x=(batch.x + added).astype("float32"))

    def state(self):
        return {"fed": self.fed}

    def restore(self, state):
        self.fed = state["fed"]
'''
DECAY = '''

class Decay:
    """Lowers the learning rate, and sets the threshold, by what it remembers of every validation."""

    def __init__(self):
        self.seen = []

    def validation_end(self, trainer, metrics):
        self.seen.append(metrics["loss"])
        trainer.threshold = 0.3 + 0.1 * (len(self.seen) % 3)

    def act(self, trainer):
        trainer.learner.learning_rate *= 0.97 + 0.01 * (len(self.seen) % 3)

    def state(self):
        return {"seen": self.seen}

    def restore(self, state):
        self.seen = list(state["seen"])
'''
