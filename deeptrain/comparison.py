"""Two or more runs side by side: settings that differ, epochs, metrics with intervals, differences, cost.

Only manifests, JSON, Parquet and arrays are read, every byte compared with its checksum; no code of an experiment is
run and no framework is loaded. Of runs that predicted the same samples the difference is paired: samples are resampled
with both decisions about each (B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7,
1979); of predicted numbers it is the mean of the differences of their errors (Student, 1908).
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deeptrain import model_name
from deeptrain.calibration import class_offsets, evaluation, intervals
from deeptrain.calibration.intervals import Gain, Interval
from deeptrain.drawing import wording
from deeptrain.errors import MISSHAPEN, ArtifactError, DeeptrainError, SettingsError, in_one_line
from deeptrain.introspection import algorithms, naming
from deeptrain.metrics import class_counts, names, of_output
from deeptrain.report import compared, outcome
from deeptrain.report.compared import ComparedRun, Comparison, Difference, OnTest
from deeptrain.shards import layout
from deeptrain.shards.settings import ONLY
from deeptrain.store import artifact, events, run_names
from deeptrain.store.artifact import Artifact
from deeptrain.store.specification import SHORT
from deeptrain.training import predictions
from deeptrain.training.predictions import SplitPredictions
from deeptrain.training.results import Results
from deeptrain.training.run import METRICS, PROGRESS

MOST = 26
UNSCORED = "There is no test score: no finished job of this training scored it, or the data have no test split."


@dataclass(frozen=True, eq=False)
class _Found:
    """A run as it lies on disk.

    Attributes:
        root: the run's directory.
        training: its training's.
        epochs: the artifacts, ascending.
        made: artifacts of a finished job of it, by stage.
        shards: what joins its shards; None where they are gone.
    """

    root: Path
    training: Path
    epochs: tuple[Artifact, ...]
    made: Mapping[str, Artifact]
    shards: Artifact | None

    @property
    def shards_identity(self) -> str:
        """Of the data it was trained on."""
        return self.epochs[-1].manifest.inputs["shards"].identity


def of(runs: Sequence[str | os.PathLike[str]]) -> Comparison:
    """Runs side by side: see `deeptrain.compare`."""
    if not 2 <= len(runs) <= MOST:
        raise SettingsError(f"compare takes 2 to {MOST} runs, got {len(runs)}: name directories such as runs/digits")
    found: list[_Found] = []
    told: list[ComparedRun] = []
    for letter, run in zip(compared.letters(len(runs)), runs, strict=True):
        with _naming(run):
            one = _find(Path(run))
            same = [it.where for it, before in zip(told, found, strict=True) if one.training.samefile(before.training)]
            if same:
                raise SettingsError(f"{run} is the same training as {same[0]}; name each run once")
            found.append(one)
            told.append(_told(letter, str(run), one))
    differences: list[Difference] = []
    notices = [(one.letter, text) for one in told for text in _notices(one)]
    for compared_run, one in zip(told[1:], found[1:], strict=True):
        with _naming(compared_run.where):
            difference, reason = _difference(compared_run.letter, found[0], one)
        differences += [difference] if difference else []
        notices += [(f"{told[0].letter} and {compared_run.letter}", reason)] if reason else []
    return Comparison(tuple(told), tuple(differences), tuple(notices))


def _notices(run: ComparedRun) -> Iterator[str]:
    if run.test is None:
        yield UNSCORED
    if run.epochs[-1]["stopped"]:
        yield f"Training stopped early: {run.epochs[-1]['stopped']}."


@contextlib.contextmanager
def _naming(run: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what is missing or of another type in a run's files into an error that names the run."""
    try:
        yield
    except MISSHAPEN as error:
        raise ArtifactError(f"{run}: was written by another version, or altered: {in_one_line(error)}") from error


def _find(run: Path) -> _Found:
    root, names_of = run_names.of(run)
    training = root / names_of["training"]
    if not training.is_dir():
        raise ArtifactError(f"{training}: no such training; a run is a directory such as runs/digits")
    if set(names_of) == {"training"}:
        names_of = _finished(root, training) or names_of
    last = run_names.last(training, names_of.get("epochs"))
    epochs = tuple(run_names.epoch(training, number) for number in range(1, last + 1))
    if "shards" not in epochs[-1].manifest.inputs:
        raise ArtifactError(
            f"{epochs[-1].directory / 'manifest.json'}: not the manifest of an epoch: it names no shards"
        )
    stages = ("predictions", "threshold", "offsets", "evaluation")
    made = {stage: artifact.open(root / names_of[stage]) for stage in stages if stage in names_of}
    shards = root / f"shards-{epochs[-1].manifest.inputs['shards'].identity[:SHORT]}" / layout.WHOLE
    return _Found(root, training, epochs, made, artifact.open(shards) if shards.is_dir() else None)


def _finished(root: Path, training: Path) -> dict[str, Any]:
    """The artifacts made of a training, by stage, by what their manifests say they were made from.

    Of several jobs it is the one that the run remembers as its newest, or else the one of most epochs.
    """
    try:
        newest = run_names.of(root)[1]
    except ArtifactError:
        newest = {}
    if newest.get("training") == training.name and "predictions" in newest:
        return newest
    epochs = {run_names.epoch(training, number).manifest.identity: number for number in run_names.done(training)}
    candidates = [_opened(path) for path in sorted(root.glob("predictions-*"))]
    of_it = [one for one in candidates if one and _input(one, "training") in epochs]
    if not of_it:
        return {}
    chosen = max(of_it, key=lambda one: epochs[_input(one, "training")])
    made: dict[str, Any] = {"training": training.name, "predictions": chosen.directory.name}
    made["epochs"] = int(chosen.manifest.settings.get("of", epochs[_input(chosen, "training")]))
    for stage in ("evaluation", "threshold", "offsets"):
        others = [_opened(path) for path in sorted(root.glob(f"{stage}-*"))]
        fitting = [one for one in others if one and _input(one, "predictions") == chosen.manifest.identity]
        if fitting:
            made[stage] = fitting[0].directory.name
    return made


def _opened(directory: Path) -> Artifact | None:
    """An artifact that may be of another run: what is damaged of that is not this one's trouble."""
    try:
        return artifact.open(directory)
    except ArtifactError:
        return None


def _input(made: Artifact, name: str) -> str:
    link = made.manifest.inputs.get(name)
    return "" if link is None else link.identity


def _told(letter: str, where: str, found: _Found) -> ComparedRun:
    results = [one.told(METRICS, Results.from_plain) for one in found.epochs]
    settings = _settings(found)
    key = str(settings.get("training.key_metric") or "loss")
    best = found.epochs[-1].json(PROGRESS)["state"]["best"]
    best_epoch = None if best is None else int(best["epoch"])
    maximize = _maximizes(key, results, best_epoch)
    name = model_name.read(found.training)
    value = next((one.key_value for one in results if one.epoch == best_epoch), None)
    shown = found.root.resolve().name if name is None else str(name)
    index = predictions.index(found.made["predictions"]) if "predictions" in found.made else None
    return ComparedRun(
        letter=letter,
        name=naming.with_number(shown, None, value, maximize),
        where=where,
        settings=settings,
        epochs=tuple(one.plain() for one in results),
        key_metric=key,
        maximize=maximize,
        best_epoch=best_epoch,
        parameters=None if index is None else int(index["model"]["parameters"]),
        test=_test(found),
        seconds=_seconds(found),
    )


def _settings(found: _Found) -> dict[str, Any]:
    """What decides over a run's bytes, by dotted key: what was asked, and the code and versions it was made with."""
    manifest = found.epochs[-1].manifest
    changed = sum(len(one.manifest.settings.get("interventions", ())) for one in found.epochs)
    told: dict[str, Any] = {
        **{name: table for name, table in manifest.settings.items() if name not in ("epoch", "interventions")},
        "changes by hand": changed or None,
        "data": {} if found.shards is None else found.shards.manifest.settings,
    }
    for stage, made in found.made.items():
        if stage != "evaluation":
            told[stage] = {name: value for name, value in made.manifest.settings.items() if name != "of"}
    told["code"] = None if manifest.code is None else manifest.code[:12]
    told["version"] = manifest.versions
    return algorithms.dotted(told)


def _maximizes(key: str, results: Sequence[Results], best: int | None) -> bool:
    """Whether more of the key metric is better; of a metric of one's own by which epoch was called the best."""
    name = of_output.split(key)[1]
    metric = names.find(name) if isinstance(name, str) else None
    if metric is not None or name == "loss":
        return metric is not None and metric.maximize
    values = [one.key_value for one in results]
    chosen = next((one.key_value for one in results if one.epoch == best), None)
    return chosen is not None and chosen >= np.nanmax(values)


def _test(found: _Found) -> OnTest | None:
    if "evaluation" not in found.made:
        return None
    told = found.made["evaluation"].json("evaluation.json")
    if told.get("at"):
        way = _way(told)
        interval = way.get("interval")
        return OnTest(
            metric=str(told["metric"]),
            value=wording.as_float(way["metrics"].get(told["metric"])),
            interval=None if interval is None else Interval.from_plain(interval),
            way=outcome.NAMES.get(str(way["name"]), "") if len(told["at"]) > 1 else "",
            samples=int(told["samples"]),
        )
    name, value = next(iter(outcome.measured(told)), (None, None))
    if name is None:
        return None
    return OnTest(str(name), wording.as_float(value), None, "", int(told.get("samples", 0)))


def _way(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """The way of deciding that a reader is told first."""
    return outcome.chosen(told) or told["at"][0]


def _seconds(found: _Found) -> float | None:
    """What the event log tells of all tasks that trained it, those that were stopped too."""
    return events.seconds_of(found.root / "live" / "events.jsonl", [found.training.name])


def _difference(letter: str, first: _Found, second: _Found) -> tuple[Difference | None, str]:
    """What the second run gains over the first, or why that is not known."""
    other_data = not _same_data(first, second)
    reason = "They have other data: their scores are of other samples, and say less about which is better."
    if "evaluation" not in first.made or "evaluation" not in second.made:
        return None, reason if other_data else ""
    if other_data:
        return None, reason
    told = first.made["evaluation"].json("evaluation.json")
    try:
        splits = [_predicted(one) for one in (first, second)]
        gain, metric = _gain(told, first, second, *splits)
    except DeeptrainError as error:
        return None, f"Their difference is not known: {error}"
    return Difference(letter, metric, gain, len(splits[0].labels)), ""


def _same_data(first: _Found, second: _Found) -> bool:
    if first.shards_identity == second.shards_identity:
        return True
    if first.shards is None or second.shards is None:
        return False
    return first.shards.manifest.content == second.shards.manifest.content


def _predicted(found: _Found) -> SplitPredictions:
    output = found.made["evaluation"].manifest.settings.get("output", ONLY)
    return predictions.read(found.made["predictions"], "test", output)


def _gain(
    told: Mapping[str, Any], first: _Found, second: _Found, one: SplitPredictions, other: SplitPredictions
) -> tuple[Gain, str]:
    """The gain of the second run and the metric it is in, which is the first run's.

    Raises:
        SettingsError: when it is a metric of the user's own, whose code is not run here.
        ArtifactError: when they are not about the same samples after all.
    """
    if not np.array_equal(one.labels, other.labels) or not np.array_equal(one.sets, other.sets):
        raise ArtifactError("their predictions are not of the same samples")
    weights = None if one.weights is None else one.weights.astype(np.float64)
    index = predictions.index(first.made["predictions"])
    kind = index["kind"]
    if isinstance(kind, Mapping):
        kind = kind[first.made["evaluation"].manifest.settings.get("output", ONLY)]
    before, after = (_decided(found, made, kind) for found, made in ((first, one), (second, other)))
    if kind == "binary":
        metric = names.count_metric(str(told["metric"]))
        return intervals.of_gain(metric, one.labels > 0, before > 0, after > 0, 0, weights), metric.name
    if kind == "classes":
        metric = class_counts.metric(str(told["metric"]))
        labels, number = one.labels.astype(np.int64), one.values.shape[1]
        return evaluation.gain_of_classes(metric, labels, before, after, number, 0, weights), metric.name
    errors = [np.abs(said - one.labels).reshape(len(one.labels), -1).mean(axis=1) for said in (before, after)]
    gained = errors[0] - errors[1]
    ends = intervals.of_mean(gained)
    return Gain(ends.low, ends.high, float(gained.mean())), "mean_absolute_error"


def _decided(found: _Found, made: SplitPredictions, kind: str) -> Any:
    """What a run says of each sample: 0 or 1, the number of a class, or a value."""
    if kind == "values":
        return made.values
    way = _way(found.made["evaluation"].json("evaluation.json"))
    if kind == "binary":
        return (made.values > float(way.get("threshold", 0.5))).astype(np.int64)
    if way["name"] == "offsets":
        return class_offsets.weighed(made.values, found.made["offsets"].json("offsets.json")["offsets"]).argmax(axis=1)
    return made.values.argmax(axis=1)
