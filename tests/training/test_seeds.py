"""Everything random follows from a seed by name: changing one changes what hangs on it and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain import lineage, seeds
from deeptrain.store import artifact
from deeptrain.training import Trainer

PARTS = {"shards", "training", "threshold"}


def identities(file: Path, settings: dict[str, Any]) -> dict[str, str]:
    plan = lineage.read(file, store=file.parent / "runs", settings=settings)
    return {
        "shards": plan.conversion.whole.identity,
        "training": plan.training.specification.identity,
        "threshold": plan.stages["threshold"].identity,
    }


@pytest.mark.parametrize(
    ("settings", "others"),
    [
        ({"data.seed": 9}, PARTS),
        ({"experiment.seed": 9}, {"training", "threshold"}),
        ({"calibration.seed": 9}, {"threshold"}),
        ({"training.epochs": 9}, set()),
    ],
)
def test_a_seed_is_in_the_identity_of_what_hangs_on_it(
    settings: dict[str, Any], others: set[str], experiment: Path
) -> None:
    before, after = identities(experiment, {}), identities(experiment, settings)
    assert {name for name in PARTS if before[name] != after[name]} - {"threshold"} == others - {"threshold"}
    assert (before["threshold"] != after["threshold"]) or "threshold" not in others


def drawn(file: Path, **settings: Any) -> tuple[dict[str, bytes], list[list[int]], bytes]:
    """Initial variables, the order of the first epoch, and the first batch as it is fed."""
    trainer = Trainer.from_experiment(file, settings={key.replace("__", "."): one for key, one in settings.items()})
    variables = {name: value.tobytes() for name, value in trainer.learner.variables().items() if "seed" not in name}
    trainer.step(2)
    fed = [trainer.replay(number) for number in range(2)]
    return variables, [np.asarray(group.y).ravel().tolist() for group in fed], np.asarray(fed[0].x).tobytes()


def test_what_one_part_draws_changes_nothing_of_what_another_draws(make_experiment: Callable[..., Path]) -> None:
    file = make_experiment()
    variables, order, fed = drawn(file)
    noisy = drawn(file, training__preprocessors=["normalise", {"use": "noise", "arguments": {"std": 0.5}}])
    assert noisy[:2] == (variables, order)
    assert noisy[2] != fed
    ordered = drawn(file, training__order="none")
    assert ordered[0] == variables
    assert ordered[1] != order
    other = drawn(file, experiment__seed=4)
    assert other[1] != order
    assert {name for name in variables if "dense" in name and variables[name] != other[0][name]}


def test_the_manifest_lists_the_seeds_and_they_are_derived_by_name(experiment: Path) -> None:
    store = experiment.parent / "runs"
    trainer = Trainer.from_experiment(experiment, store=store)
    trainer.train(1)
    trainer.close()
    plan = lineage.read(experiment, store=store)
    found = artifact.open(plan.training.epoch(1).directory).manifest
    assert dict(found.seeds) == {"experiment": 3, "model": seeds.derive("model", 3)}
    assert seeds.derive("model", 3) not in {seeds.derive("model", 4), seeds.derive("order", 3), 3}
