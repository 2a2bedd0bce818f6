"""What the settings ask of the data is checked before hours are spent."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deeptrain import lineage, session
from deeptrain.alive import AliveTrainer
from deeptrain.errors import ArtifactError, DeeptrainError
from tests.conftest import TOML, tree


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "subset_size = 2",
            "subset_size = 7",
            r"calibration\.subset_size must be at most the number of sets of the calibration split, which has 6 "
            r"\(48 samples\), got 7; lower it, or data\.samples_per_set",
        ),
        ("batch_size = 16", "batch_size = 99", r"training\.batch_size must be at most the 70 samples .*, got 99"),
        (
            '"f1_score", "accuracy"',
            '"mae"',
            "metric mae does not fit a task of kind binary; those that do are accuracy",
        ),
    ],
)
def test_a_setting_that_the_data_cannot_meet_is_told_before_training(
    old: str, new: str, message: str, make_experiment: Callable[..., Path]
) -> None:
    file = make_experiment(toml=TOML.replace(old, new))
    plan = lineage.read(file, store=file.parent / "runs")
    session.make_shards(plan)
    with pytest.raises(DeeptrainError, match=message):
        session.open_data(plan)


def test_a_flipped_byte_in_a_shard_is_found_before_it_is_trained_on_and_its_part_is_made_again(
    experiment: Path,
) -> None:
    plan = lineage.read(experiment, store=experiment.parent / "runs")
    session.make_shards(plan)
    directory = plan.conversion.directory
    whole = tree(directory)
    shard = next(directory.glob("parts/0001/train*.x.npy"))
    data = bytearray(shard.read_bytes())
    data[-3] ^= 4
    shard.write_bytes(data)
    trainer = AliveTrainer(lambda _: lambda _: None)
    trainer.reach(plan, 1)
    trainer.close()
    aside = directory / "parts" / "quarantine" / "0001.1" / shard.name
    assert aside.read_bytes() == data
    assert {name: data for name, data in tree(directory).items() if "quarantine" not in name} == whole
    assert plan.training.done() == 1


def test_a_flipped_byte_in_what_joins_the_parts_is_found_when_the_data_is_opened(experiment: Path) -> None:
    plan = lineage.read(experiment, store=experiment.parent / "runs")
    session.make_shards(plan)
    directory = plan.conversion.directory
    whole = tree(directory)
    for name in ("data.json", "train.labels.npy"):
        path = directory / "whole" / name
        data = bytearray(path.read_bytes())
        data[-3] ^= 4
        path.write_bytes(data)
        session.open_data(plan)
        assert {name: data for name, data in tree(directory).items() if "quarantine" not in name} == whole


@pytest.mark.parametrize("altered", ["whole/data.json", "samples/labels.npy"])
def test_a_disk_that_alters_what_it_reads_is_told_instead_of_converting_for_ever(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, altered: str
) -> None:
    plan = lineage.read(experiment, store=experiment.parent / "runs")
    directory = plan.conversion.samples.directory if "samples" in altered else plan.conversion.whole.directory
    read = Path.read_bytes

    def worn(path: Path) -> bytes:
        """What such a disk gives: it cannot be had otherwise."""
        data = read(path)
        return data[:-3] + bytes([data[-3] ^ 4]) + data[-2:] if path == directory / Path(altered).name else data

    monkeypatch.setattr(Path, "read_bytes", worn)
    with pytest.raises(
        ArtifactError,
        match=r": was found altered 3 times, though it was made again each time: what is read is not what was written; "
        r"check this disk and the memory, or name another place with --store",
    ) as error:
        session.open_data(plan)
    assert str(error.value).startswith(f"{directory}: ")
