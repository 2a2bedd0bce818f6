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
from deeptrain.training import averaged, predictions


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


def read(root: Path, names: dict[str, Any], data: DataInfo, epochs: tuple[int, ...]) -> Decisions:
    """What the run chose, as far as it was chosen for these weights.

    Args:
        root: the run's directory.
        names: of the artifacts in it that belong together.
        data: what the model was trained on.
        epochs: whose mean weights are asked for; see `training.predictions.epochs`.

    Raises:
        ArtifactError: when an artifact is not what it should be, naming it.
    """
    threshold, source, output = _threshold(root, names, data, epochs)
    probability_map, of = _probability_map(root, names, epochs)
    return Decisions(
        threshold, source, output if of is None else of, probability_map, *_of_several(root, names, epochs)
    )


def _threshold(
    root: Path, names: dict[str, Any], data: DataInfo, epochs: tuple[int, ...]
) -> tuple[float | None, str, str | None]:
    """The threshold, where it comes from, and the output it is of."""
    kinds = outputs.parts(data.kind)
    only = None if data.named else ONLY
    if "binary" not in kinds.values():
        return None, f"labels of kind {', '.join(dict.fromkeys(kinds.values()))} have no threshold", only
    if "threshold" not in names:
        return 0.5, f"0.5, since no finished job in {root.name} chose one for this training", only
    told = predictions.index(artifact.open(root / names["predictions"]))
    of = predictions.epochs(told)
    if of != epochs:
        return 0.5, f"0.5, since the chosen threshold is for {averaged.in_words(of)}", only
    found = artifact.open(root / names["threshold"])
    output = found.manifest.settings.get("output", ONLY)
    if kinds.get(output) != "binary":
        raise ArtifactError(f"{found.directory}: is of the output {output!r}, which has no binary labels here")
    return float(found.json("threshold.json")["value"]), str(names["threshold"]), str(output)


def _probability_map(root: Path, names: dict[str, Any], epochs: tuple[int, ...]) -> tuple[Map | None, str | None]:
    """The map to probabilities and the output it is of; None without one for these weights."""
    if "probabilities" not in names:
        return None, None
    if predictions.epochs(predictions.index(artifact.open(root / names["predictions"]))) != epochs:
        return None, None
    found = artifact.open(root / names["probabilities"])
    map_of = methods.restored(found.json("probabilities.json").get("map"))
    return map_of, str(found.manifest.settings.get("output", ONLY))


def _of_several(
    root: Path, names: Mapping[str, Any], epochs: tuple[int, ...]
) -> tuple[dict[str, float], dict[str, Sequence[float]]]:
    """Thresholds and offsets by output, as far as they were chosen for the weights of these epochs."""
    thresholds: dict[str, float] = {}
    offsets: dict[str, Sequence[float]] = {}
    chosen = {stage: artifact.open(root / names[stage]) for stage in ("thresholds", "offsets") if stage in names}
    if not chosen or predictions.epochs(predictions.index(artifact.open(root / names["predictions"]))) != epochs:
        return thresholds, offsets
    if found := chosen.get("thresholds"):
        told = LabelThresholds.from_plain(_without_split(found.json("thresholds.json")))
        thresholds = dict(zip(told.labels, told.values, strict=True))
    if found := chosen.get("offsets"):
        output = str(found.manifest.settings.get("output", ONLY))
        offsets[output] = ClassOffsets.from_plain(_without_split(found.json("offsets.json"))).offsets
    return thresholds, offsets


def _without_split(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "split"}
