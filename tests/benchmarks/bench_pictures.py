"""How long pictures take: the history of ten million iterations, and the histograms of a model of a hundred layers."""

import numpy as np

from deeptrain.introspection.pictures import heat_maps, histograms, history
from tests.benchmarks.side_by_side import measured, show

ITERATIONS, EPOCHS = 10_000_000, 200
LAYERS = 100


def test_a_history_of_ten_million_iterations() -> None:
    rng = np.random.Generator(np.random.Philox(1))
    losses = np.exp(rng.standard_normal(ITERATIONS, np.float32))
    epochs = [
        {"epoch": number, "iterations": number * ITERATIONS // EPOCHS, "validation": {"loss": 1 / number}}
        for number in range(1, EPOCHS + 1)
    ]
    found = history.History(losses, epochs, best_epoch=EPOCHS)
    few = history.History(losses[:3000], epochs[:1], best_epoch=1)
    contestants = {"of 10,000,000 iterations": found, "of 3,000": few}
    show("a history", measured({name: lambda one=one: history.draw(one).png() for name, one in contestants.items()}, 3))


def test_the_layers_of_a_model() -> None:
    rng = np.random.Generator(np.random.Philox(2))
    arrays = {f"block_{number}/dense/kernel": rng.standard_normal((256, 256)) for number in range(LAYERS)}
    one = dict(list(arrays.items())[:1])
    show("histograms", measured({
        "of 100 layers": lambda: histograms.draw(arrays).png(), "of 1 layer": lambda: histograms.draw(one).png(),
    }, 3))  # fmt: skip
    show("heat maps", measured({
        "of 100 layers": lambda: heat_maps.draw(arrays).png(), "of 1 layer": lambda: heat_maps.draw(one).png(),
    }, 3))  # fmt: skip
