"""What the best sets cost: 100 of 1,000 batches of 1,000, jointly with the threshold; and greedily, a batch at a time.

Greedily is how DeepTrain 0.6 (2020) did it: the threshold that is best on what remains, of a grid of 100, then the
batch that is best there, again and again. It takes (sets chosen) x (samples that remain) x (thresholds) comparisons, so
it is measured on a hundredth of that: 10 of 100 batches.
"""

import sys

import numpy as np

from deeptrain.calibration import subset, subset_proof
from deeptrain.metrics import counts
from tests.benchmarks import side_by_side

GRID = np.arange(100) / 100


def samples(sets: int, size: int, distinct: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores and set numbers of batches that differ in how well they are told apart, and at which score."""
    generator = np.random.Generator(np.random.Philox(0))
    labels = generator.random(sets * size) < 0.3
    shift, spread = (
        np.repeat(generator.normal(size=sets) * 0.5, size),
        np.repeat(generator.uniform(0.6, 1.6, sets), size),
    )
    scores = 1 / (1 + np.exp(-((labels - 0.5) * 1.5 + shift + generator.normal(size=sets * size) * spread)))
    scores = np.round(scores * (distinct - 1)) / (distinct - 1) if distinct else scores
    return labels, scores, np.repeat(np.arange(sets), size)


def greedily(labels: np.ndarray, scores: np.ndarray, sets: np.ndarray, size: int) -> list[int]:
    """The sets chosen one by one."""
    left, chosen = list(np.unique(sets)), []
    members = {one: np.flatnonzero(sets == one) for one in left}
    for _ in range(size):
        rows = np.concatenate([members[one] for one in left])
        truth, said = labels[rows], scores[rows]
        at = GRID[np.argmax([counts.f1_score(*counts.counted(truth, said > cut)) for cut in GRID])]
        values = [counts.f1_score(*counts.counted(labels[members[one]], scores[members[one]] > at)) for one in left]
        chosen.append(left.pop(int(np.nanargmax(values))))
    return [int(one) for one in chosen]


def test_the_best_hundred_of_a_thousand_batches() -> None:
    few, many, all_distinct = samples(100, 1000), samples(1000, 1000, 4000), samples(1000, 1000)
    found = subset.best(*few, 10)
    chosen = greedily(*few, 10)
    within = np.isin(few[2], chosen)
    truth, said = few[0][within], few[1][within]
    greedy = max(float(counts.f1_score(*counts.counted(truth, said > cut))) for cut in GRID)
    assert subset_proof.holds(found, *few, "f1_score")
    seconds = side_by_side.measured(
        {
            "10 of 100 batches, greedily, 100 thresholds": lambda: greedily(*few, 10),
            "10 of 100 batches, every threshold": lambda: subset.best(*few, 10),
            "100 of 1,000 batches, 4,000 thresholds": lambda: subset.best(*many, 100),
            "100 of 1,000 batches, 300,000 thresholds": lambda: subset.best(*all_distinct, 100),
            "numpy.sort of the 1,000,000 scores": lambda: np.sort(all_distinct[1]),
        },
        rounds=3,
    )
    side_by_side.show("the best sets by F1, batches of 1,000 samples", seconds, "s", 1)
    taken = seconds["100 of 1,000 batches, 4,000 thresholds"]
    side_by_side.bar("best 100 of 1,000 batches of 1,000, in seconds", taken, 1)
    sys.stdout.write(f"  F1 of the 10: {found.value:.4f}, certified; greedily {greedy:.4f}\n")
