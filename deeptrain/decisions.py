"""What a run chose to decide by, for the weights of some epochs: thresholds, offsets, and the map to probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeptrain.calibration.class_offsets import ClassOffsets
from deeptrain.calibration.label_thresholds import LabelThresholds
from deeptrain.calibration.maps import methods
from deeptrain.calibration.maps.score_map import Map
from deeptrain.errors import ArtifactError
from deeptrain.shards import outputs
from deeptrain.shards.info import DataInfo
from deeptrain.shards.settings import ONLY
from deeptrain.store import artifact
from deeptrain.store.artifact import Artifact
from deeptrain.training import averaged, predictions

STAGES = ("threshold", "thresholds", "offsets", "probabilities")


@dataclass(frozen=True)
class Decisions:
    """What there is for some weights.

    Attributes:
        threshold: above which a score is called positive; 0.5 when none was chosen, None when there is none.
        source: the artifact the threshold comes from, or why there is none.
        output: the output that threshold and probabilities were chosen for; "" of an only one, None where they were
            chosen for none.
        probability_map: what makes the scores of `output` into probabilities, None without one.
        thresholds: by output, where several have their own.
        offsets: (classes,) of the log-probabilities, by output, where they were chosen.
    """

    threshold: float | None
    source: str
    output: str | None
    probability_map: Map | None
    thresholds: Mapping[str, float]
    offsets: Mapping[str, Sequence[float]]


def read(root: Path, names: Mapping[str, Any], data: DataInfo, epochs: tuple[int, ...]) -> Decisions:
    """What the run chose, as far as it was chosen for these weights.

    Args:
        root: the run's directory.
        names: of the artifacts in it that belong together.
        data: what the model was trained on.
        epochs: whose mean weights are asked for; see `training.predictions.epochs`.

    Raises:
        ArtifactError: when an artifact is not what it should be, naming it.
    """
    stages = [stage for stage in STAGES if stage in names] if "predictions" in names else []
    of = predictions.epochs(predictions.index(artifact.open(root / names["predictions"]))) if stages else epochs
    made = {stage: artifact.open(root / names[stage]) for stage in stages} if of == epochs else {}
    why_none = f"no finished job in {root.name} chose one for this training"
    if "threshold" in stages:
        why_none = f"the chosen threshold is for {averaged.in_words(of)}"
    threshold, source, output = _threshold(made.get("threshold"), data, why_none)
    probability_map: Map | None = None
    if found := made.get("probabilities"):
        probability_map = found.told("probabilities.json", lambda told: methods.restored(told["map"]))
        output = _output(found)
    thresholds: dict[str, float] = {}
    if found := made.get("thresholds"):
        each = found.told("thresholds.json", lambda told: LabelThresholds.from_plain(_without_split(told)))
        thresholds = dict(zip(each.labels, each.values, strict=True))
    offsets: dict[str, Sequence[float]] = {}
    if found := made.get("offsets"):
        chosen = found.told("offsets.json", lambda told: ClassOffsets.from_plain(_without_split(told)))
        offsets[_output(found)] = chosen.offsets
    return Decisions(threshold, source, output, probability_map, thresholds, offsets)


def _threshold(found: Artifact | None, data: DataInfo, why_none: str) -> tuple[float | None, str, str | None]:
    """The threshold, where it comes from, and the output it is of."""
    kinds = outputs.parts(data.kind)
    only = None if data.named else ONLY
    if "binary" not in kinds.values():
        return None, f"labels of kind {', '.join(dict.fromkeys(kinds.values()))} have no threshold", only
    if found is None:
        return 0.5, f"0.5, since {why_none}", only
    output = _output(found)
    if kinds.get(output) != "binary":
        raise ArtifactError(f"{found.directory}: is of the output {output!r}, which has no binary labels here")
    return found.told("threshold.json", lambda told: float(told["value"])), found.directory.name, output


def _output(found: Artifact) -> str:
    return str(found.manifest.settings.get("output", ONLY))


def _without_split(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "split"}
