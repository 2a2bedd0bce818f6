"""What a run chose to decide by: for which weights it holds, and what a stranger's files come to."""

from pathlib import Path
from typing import Any

import pytest

from deeptrain import decisions
from deeptrain.calibration.maps import methods
from deeptrain.errors import ArtifactError
from deeptrain.shards.info import DataInfo, InputInfo
from deeptrain.store import artifact
from deeptrain.store.specification import Specification
from tests.shard_files import STATISTICS

SPLITS = ("train", "val", "calibration", "test")
DATA = DataInfo(
    inputs=(InputInfo(name="x", shape=(4,), dtype="float32", statistics=STATISTICS),),
    kind="binary",
    classes=("no", "yes"),
    samples=dict.fromkeys(SPLITS, 2),
    label_counts=dict.fromkeys(SPLITS, (1, 1)),
)
MAP = {"method": "isotonic", "scores": [0.1, 0.5, 0.9], "probabilities": [0.2, 0.4, 0.8]}


def finished(root: Path, **chosen: Any) -> dict[str, Any]:
    """What a job of three epochs chose, by stage, as its newest artifacts are told."""
    index = {"epoch": 3, "kind": "binary", "outputs": "probabilities", "splits": {"test": 2}, "model": {}}
    names: dict[str, Any] = {"training": "training-1", "epochs": 3}
    for stage, value in {"predictions": index, **chosen}.items():
        made = Specification(stage, 1, root, {"output": ""})
        with artifact.writing(made, {}) as writer:
            writer.json(f"{stage}.json", value)
        names[stage] = made.directory.name
    return names


def test_what_was_chosen_holds_for_the_weights_it_was_chosen_for_alone(tmp_path: Path) -> None:
    names = finished(tmp_path / "tiny", threshold={"value": 0.3}, probabilities={"map": MAP})
    found = decisions.read(tmp_path / "tiny", names, DATA, (3,))
    assert (found.threshold, found.source, found.output) == (0.3, names["threshold"], "")
    assert found.probability_map is not None
    assert methods.plain(found.probability_map) == MAP
    other = decisions.read(tmp_path / "tiny", names, DATA, (2, 3))
    assert (other.threshold, other.probability_map) == (0.5, None)
    assert other.source == "0.5, since the chosen threshold is for epoch 3"


@pytest.mark.parametrize("left_out", ["threshold", "predictions"])
def test_where_none_was_chosen_a_half_decides(left_out: str, tmp_path: Path) -> None:
    names = finished(tmp_path / "tiny", threshold={"value": 0.3})
    del names[left_out]
    found = decisions.read(tmp_path / "tiny", names, DATA, (3,))
    assert (found.threshold, found.source) == (0.5, "0.5, since no finished job in tiny chose one for this training")


@pytest.mark.parametrize("stage", decisions.STAGES)
@pytest.mark.parametrize("value", [None, 1, [], {}, {"value": "x"}, {"value": [1]}, {"map": {"method": []}}])
def test_whatever_a_strangers_choice_holds_is_told_by_its_file(stage: str, value: object, tmp_path: Path) -> None:
    names = finished(tmp_path / "tiny", **{stage: value})
    with pytest.raises(ArtifactError, match=rf"{names[stage]}/{stage}\.json: "):
        decisions.read(tmp_path / "tiny", names, DATA, (3,))
