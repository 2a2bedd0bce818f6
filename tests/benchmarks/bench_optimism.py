"""How far a reported score is above what fresh data give: in sample, and cross-fitted; draws docs/optimism.png.

Three data sets: the ready experiment `visits` (ten or more visits to a doctor in a year), and two that come with
scikit-learn: whether a digit is an eight, and whether a tumour is malignant, by its texture and smoothness alone. A
logistic regression of a random third gives the scores of the rest; of these 100 or 200 choose the threshold, and
all others are the fresh data. Means over many draws.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deeptrain.calibration import threshold
from deeptrain.metrics import names
from deeptrain.metrics.counts import counts_at
from tests.benchmarks.side_by_side import bar

ROOT = Path(__file__).parents[2]
SIZES = (100, 200)
DRAWS = 150
F1 = names.get("f1_score")


def data_sets():
    rows = np.concatenate(
        [np.loadtxt(file, delimiter=",", skiprows=1) for file in sorted((ROOT / "data" / "visits").glob("*.csv"))]
    )
    digits, tumours = load_digits(), load_breast_cancer()
    return {
        "visits": (rows[:, 1:-1], rows[:, -1] == 1),
        "an eight": (digits.data[:, ::4], digits.target == 8),
        "malignant": (tumours.data[:, [1, 4]], tumours.target == 0),
    }


def scored(x, labels, generator):
    order = generator.permutation(len(x))
    fit, rest = np.split(order, [len(x) // 3])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x[fit], labels[fit])
    return labels[rest], model.predict_proba(x[rest])[:, 1]


def optimism(labels, scores, size, draws, generator):
    """What is reported minus what fresh data give, (draws, 2): the best value in sample, and the cross-fitted one."""
    found = []
    while len(found) < draws:
        order = generator.permutation(len(labels))
        ours, fresh = order[:size], order[size:]
        if min(labels[ours].sum(), (~labels[ours]).sum()) < 2:
            continue
        chosen = threshold.choose(labels[ours], scores[ours], seed=len(found))
        of_best, of_chosen = (
            float(F1.at_counts(*counts_at(labels[fresh], scores[fresh], at)))
            for at in (chosen.optimum.value, chosen.value)
        )
        found.append((chosen.optimum.in_sample - of_best, chosen.cross_fitted - of_chosen, of_chosen - of_best))
    return np.array(found)


def test_optimism_of_three_data_sets():
    generator = np.random.Generator(np.random.Philox(20))
    bars = []
    for name, (x, labels) in data_sets().items():
        truth, scores = scored(x, labels, generator)
        for size in SIZES:
            found = optimism(truth, scores, size, DRAWS, generator)
            (in_sample, cross_fitted, gain), error = found.mean(axis=0), found.std(axis=0) / np.sqrt(DRAWS)
            bars.append((f"{name}\n{size} samples", in_sample, cross_fitted, error))
            sys.stdout.write(
                f"{name:>10} {size:4}: in sample {in_sample:+.4f}, cross-fitted {cross_fitted:+.4f} "
                f"(standard error {error[1]:.4f}), ratio {abs(cross_fitted) / in_sample:.2f}; "
                f"the median is better by {gain:+.4f} ({error[2]:.4f})\n"
            )
            bar(f"optimism of {name}, {size} samples, to that in sample", abs(cross_fitted) / in_sample, 0.25)
    draw(bars).savefig(ROOT / "docs" / "optimism.png", dpi=110, metadata={"Software": None})


def draw(bars):
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(bars))
    for shift, column, colour, label in (
        (-0.2, 1, "#d55e00", "the best value in sample"),
        (0.2, 2, "#0072b2", "the cross-fitted value"),
    ):
        errors = [2 * bar[3][column - 1] for bar in bars]
        axes.bar(places + shift, [bar[column] for bar in bars], 0.36, yerr=errors, color=colour, capsize=3, label=label)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(places, [bar[0] for bar in bars], fontsize=8)
    axes.set_ylabel("F1 reported minus F1 on fresh data")
    axes.set_title("How much too high a reported F1 is", loc="left", fontsize=11)
    axes.legend(frameon=False, fontsize=9, loc="upper right")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.25)
    return figure
