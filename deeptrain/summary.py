"""A finished run as the plain values its report is made of; only what follows from its artifacts is in it."""

from typing import Any

import msgspec
import numpy as np

from deeptrain import hardest
from deeptrain.calibration import reliability
from deeptrain.calibration.maps import methods
from deeptrain.formats.cells import shown
from deeptrain.introspection import verdicts
from deeptrain.lineage import Lineage
from deeptrain.metrics import chosen
from deeptrain.report import examples, outcome
from deeptrain.report import hardest as drawn_hardest
from deeptrain.report import run as reports
from deeptrain.shards import reading
from deeptrain.shards.info import DataInfo
from deeptrain.shards.outputs import parts
from deeptrain.shards.reading import Shards
from deeptrain.shards.settings import ONLY
from deeptrain.store import artifact
from deeptrain.store.artifact import Artifact
from deeptrain.training import history, predictions
from deeptrain.training.journal import Journal
from deeptrain.training.results import Results
from deeptrain.training.run import HISTORY, METRICS

STAGES = (
    "samples",
    "shards",
    "predictions",
    "threshold",
    "subset",
    "offsets",
    "thresholds",
    "epoch_predictions",
    "members",
    "probabilities",
    "evaluation",
)


def of(plan: Lineage) -> reports.Run:
    """Everything the report of a run tells.

    Raises:
        ArtifactError: when one of its artifacts is not complete, or damaged.
    """
    last = plan.training.last(plan.epochs) or 0
    epochs = [plan.training.published(number) for number in range(1, last + 1)]
    results = [epoch.told(METRICS, Results.from_plain) for epoch in epochs]
    made = {stage: plan.artifact(stage) for stage in STAGES if stage in plan.stages}
    told = predictions.index(made["predictions"])
    shards = reading.open(plan.conversion.directory)
    looked_at = _looked_at(plan, last, told["epoch"])
    settings = plan.experiment.training
    binary = plan.kind == "binary"
    has_test = "test" in told["splits"]
    return reports.Run(
        name=plan.experiment.name,
        title=plan.experiment.report.title or plan.experiment.name,
        settings=plan.stages["report"].settings["asked"],
        lineage=_lineage(plan, made, epochs),
        data=_data(shards.info, plan.output),
        epochs=tuple(result.plain() for result in results),
        losses=np.concatenate([_losses(epoch) for epoch in epochs]),
        key_metric=settings.key,
        maximize=_maximize(plan),
        best_epoch=plan.training.best(last) or last,
        used_epoch=told["epoch"],
        model=told["model"]["summary"],
        parameters=told["model"]["parameters"],
        versions=artifact.versions(),
        command=_command(plan),
        calibration=_scores(made["predictions"], plan.calibration_split, plan.output) if binary else None,
        test=_scores(made["predictions"], "test", plan.output) if binary and has_test else None,
        threshold=made["threshold"].json("threshold.json") if "threshold" in made else None,
        subset=_subset(made["subset"]) if "subset" in made else None,
        probabilities=made["probabilities"].json("probabilities.json") if "probabilities" in made else None,
        sureness=_sureness(made, "test" if has_test else plan.calibration_split, plan.output),
        offsets=made["offsets"].json("offsets.json") if "offsets" in made else None,
        thresholds=made["thresholds"].json("thresholds.json") if "thresholds" in made else None,
        members=made["members"].json("members.json") if "members" in made else None,
        evaluation=made["evaluation"].json("evaluation.json") if "evaluation" in made else None,
        left_out=tuple(plan.stages["report"].settings["left_out"].items()),
        stopped=results[-1].stopped if results else None,
        changed=tuple(str(one) for one in plan.training.interventions if one.epoch <= last),
        averaged=tuple(sorted(told.get("averaged", ()))),
        feeds=_feeds(plan, shards, results),
        examples=examples.of(shards.split("train"), plan.output),
        health=verdicts.judged(Journal(plan.training).variables(looked_at)).rows,
        health_epoch=looked_at,
        **_hardest(plan, made["predictions"], shards),
    )


def _maximize(plan: Lineage) -> bool:
    """Whether more of the key metric is better."""
    settings = plan.experiment.training
    if settings.maximize is not None:
        return settings.maximize
    return settings.judge is not None and chosen.maximizes(settings.judge, plan.experiment.beside)


def _looked_at(plan: Lineage, last: int, used: int) -> int:
    """The epoch whose weights are looked at: the state of the one that predicts may be gone, the best one's never."""
    best = plan.training.best(last) or last
    return used if used in (last, last - 1) else best


def _feeds(plan: Lineage, shards: Shards, results: list[Results]) -> dict[str, dict[str, Any]]:
    """How training and validation are fed, and how far that came."""
    settings = plan.experiment.training
    ended = [0, *(one.iterations for one in results)]
    training = {
        "samples": len(shards.split("train")),
        "batch size": settings.batch_size,
        "order": settings.order_of(shards.info.numbered),
        "iterations an epoch": ended[-1] - ended[-2] if results else 0,
        "preprocessors": [one if isinstance(one, str) else one.use for one in settings.preprocessors],
        "sampling": settings.sampling,
        "sets": len(np.unique(shards.split("train").sets)),
    }
    validation = {
        "samples": len(shards.split("val")),
        "batch size": min(settings.batch_size, len(shards.split("val"))),
        "order": "as stored",
        "validations": sum(bool(one.validation) + len(one.within) for one in results),
        "sets": len(np.unique(shards.split("val").sets)),
    }
    return {"training": training, "validation": validation}


def _hardest(plan: Lineage, made: Artifact, shards: Shards) -> dict[str, Any]:
    """The samples the model was most wrong about; never of the test split, where looking would be choosing."""
    split = shards.split(plan.calibration_split)
    found = hardest.samples(plan, split.name, drawn_hardest.MOST)
    told: dict[str, Any] = {
        "hardest": drawn_hardest.of(found, split.info),
        "hardest_split": outcome.SPLITS.get(split.name, split.name),
    }
    if split.info.labels_are_input:
        scored = predictions.read(made, split.name)
        told["reconstructed"] = drawn_hardest.reconstructed(split, scored.values, scored.labels)
    return told


def _data(info: DataInfo, output: str | None) -> dict[str, Any]:
    """What is known of the data, the one input's shape and statistics told as the data's.

    Of several outputs the classes of the one that is calibrated are counted, or of the first with classes.
    """
    told = {name: value for name, value in info.plain().items() if name != "inputs" and value is not False}
    classes = parts(info.classes)
    if info.named:
        first = output or next((name for name in info.named if classes[name]), info.named[0])
        told["label_counts"] = {split: counts[first] for split, counts in told["label_counts"].items()}
        told["classes"] = told["classes"][first]
        told |= {
            f"classes of {name}": [shown(one, quoted=False) for one in classes[name]]
            for name in info.named
            if name != first
        }
    for name in ("classes", "columns"):  # made of what raw files hold
        told[name] = [shown(one, quoted=False) for one in told[name]]
    for one in info.inputs:
        head = "" if len(info.inputs) == 1 else f"{one.name}: "
        shape = ["steps" if size is None else size for size in one.shape]
        told |= {f"{head}shape": shape, f"{head}dtype": one.dtype}
        if one.lengths is not None:
            told[f"{head}steps"] = f"{one.lengths.min} to {one.lengths.max}, {one.lengths.mean:.1f} on average"
    told["statistics"] = {
        name if len(info.inputs) == 1 else f"{one.name} {name}": value
        for one in info.inputs
        for name, value in msgspec.to_builtins(one.statistics).items()
    }
    return told


def _subset(made: Artifact) -> dict[str, Any]:
    """The best sets, and of the best of every size how many they are and their value."""
    sizes = [{"size": len(one["sets"]), "value": one["value"]} for one in made.json("sizes.json")]
    return {**made.json("subset.json"), "sizes": sizes}


def _losses(epoch: Artifact) -> np.ndarray:
    return history.decode(epoch.verified(HISTORY), epoch.directory / HISTORY).loss


def _scores(found: Artifact, split: str, output: str | None) -> reports.Scores:
    scored = predictions.read(found, split, output or ONLY)
    return reports.Scores(scored.labels, scored.values, scored.sets, scored.weights)


def _sureness(
    made: dict[str, Artifact], split: str, output: str | None
) -> tuple[reports.Scores, reports.Scores] | None:
    """Scores and the probabilities made of them; of several classes those of the greatest."""
    if "probabilities" not in made:
        return None
    found = methods.restored(made["probabilities"].json("probabilities.json")["map"])
    scored = predictions.read(made["predictions"], split, output or ONLY)
    return _sure(scored, scored.values), _sure(scored, found.apply(scored.values))


def _sure(scored: predictions.SplitPredictions, values: np.ndarray) -> reports.Scores:
    labels, values = (scored.labels, values) if values.ndim == 1 else reliability.top_label(scored.labels, values)
    return reports.Scores(labels, values, scored.sets, scored.weights)


def _lineage(plan: Lineage, made: dict[str, Artifact], epochs: list[Artifact]) -> tuple[reports.Lineage, ...]:
    """Samples and shards, the last epoch as the training, and what was made of them."""
    chain = {"samples": made["samples"], "shards": made["shards"], "training": epochs[-1]}
    chain |= {stage: found for stage, found in made.items() if stage not in chain}
    by_content = {found.manifest.content: found for found in [*chain.values(), *epochs]}
    lines = []
    for stage, found in chain.items():
        inputs = [by_content.get(link.content) for link in found.manifest.inputs.values()]
        lines.append(
            reports.Lineage(
                stage=stage,
                artifact=found.directory.relative_to(plan.root).as_posix(),
                identity=found.manifest.identity,
                content=found.manifest.content,
                inputs=tuple(
                    below.directory.relative_to(plan.root).as_posix() for below in inputs if below is not None
                ),
                seeds=found.manifest.seeds,
            )
        )
    return tuple(lines)


def _command(plan: Lineage) -> str:
    """How to get the same run, from the file whose settings the report tells; where it lies is in no artifact."""
    seed = plan.experiment.experiment.seed
    return f"luigi --module pipelines TrainModel --experiment FILE.toml --epochs {plan.epochs} --seed {seed}"
