"""What the settings ask of the data is checked before hours are spent."""

import gc
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from deeptrain import lineage, session
from deeptrain.alive import AliveTrainer
from deeptrain.errors import ArtifactError, DeeptrainError
from deeptrain.training import Trainer
from deeptrain.training.progress import Progress
from tests.conftest import TOML, WEIGHED, tree, weigh


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "subset_size = 2",
            "subset_size = 7",
            r"calibration\.subset_size must be at most the number of sets of the calibration split, which has 6 "
            r"\(48 samples\), got 7; lower it, or data\.samples_per_set",
        ),
        (
            "subset_size = 2",
            "subset_size = 2\nsubset.min_positives = 9",
            r"the best 2 of 6 sets cannot be chosen: none may be \(6 have fewer than 9 positives\)",
        ),
        (
            "subset_size = 2",
            "subset_size = 2\nsubset.most_per_file = 1",
            r"calibration: set \d+ holds samples of 2 raw files, so it comes from no one of them; say data\.shuffle",
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


CONSTRAINED = WEIGHED.replace("[calibration]", '[calibration]\nconstraint = "recall >= 0.5"')
OF_CLASSES = TOML.replace("positive = 1", 'kind = "classes"').replace('"f1_score", ', "")


@pytest.mark.parametrize(
    ("toml", "weights", "message"),
    [
        (
            CONSTRAINED,
            [1, 2],
            r"calibration\.constraint 'recall >= 0\.5' cannot be promised for weighted samples, those of the "
            r"calibration split weigh 1 to 2; leave out the constraint or data\.weights",
        ),
        (CONSTRAINED, [3], None),
        (CONSTRAINED, [0, 2], None),
        (WEIGHED, [1, 2], None),
    ],
)
def test_a_constraint_is_refused_before_training_where_samples_count_differently(
    toml: str, weights: list[float], message: str | None, make_experiment: Callable[..., Path]
) -> None:
    file = make_experiment(toml=toml)
    weigh(file, weights)
    plan = lineage.read(file, store=file.parent / "runs")
    session.make_shards(plan)
    with nullcontext() if message is None else pytest.raises(DeeptrainError, match=message):
        session.open_data(plan)


def test_positives_only_in_samples_that_count_for_nothing_are_none(make_experiment: Callable[..., Path]) -> None:
    file = make_experiment(toml=WEIGHED)
    for path in (file.parent / "raw").iterdir():
        head, *rows = path.read_text().split()
        weighed = [f"{row},{1 - int(row[-1])}" for row in rows]
        path.write_text("\n".join([f"{head},w", *weighed]) + "\n")
    plan = lineage.read(file, store=file.parent / "runs")
    session.make_shards(plan)
    with pytest.raises(DeeptrainError, match=r"^cannot calibrate: 0 positives among \d+ samples; both classes"):
        session.open_data(plan)


def test_a_subset_of_classes_with_a_least_of_positives_is_refused_before_training(
    make_experiment: Callable[..., Path],
) -> None:
    file = make_experiment(toml=OF_CLASSES.replace("subset_size = 2", "subset_size = 2\nsubset.min_positives = 1"))
    plan = lineage.read(file, store=file.parent / "runs")
    session.make_shards(plan)
    with pytest.raises(DeeptrainError, match=r"^calibration\.subset\.min_positives needs binary labels, these are cl"):
        session.open_data(plan)


@pytest.mark.parametrize("table", ["probabilities", "several]\noffsets = true\n[report"])
def test_a_calibration_split_of_one_class_is_refused_before_training(
    table: str, make_experiment: Callable[..., Path]
) -> None:
    splits = 'splits = { train = "raw", val = "val", calibration = "calibration", test = "test" }'
    toml = OF_CLASSES.replace('path = "raw"\n', "").replace("[report]\ndpi = 50", f"[calibration.{table}]")
    file = make_experiment(toml=re.sub(r"splits = .*", splits, toml))
    raw = file.parent / "raw"
    for name in ("val", "calibration", "test"):
        shutil.copytree(raw, file.parent / name)
    for path in (file.parent / "calibration").iterdir():
        head, *rows = path.read_text().split()
        path.write_text("\n".join([head, *(row[:-1] + "0" for row in rows)]) + "\n")
    plan = lineage.read(file, store=file.parent / "runs")
    session.make_shards(plan)
    with pytest.raises(DeeptrainError, match=r"^cannot calibrate: all 200 samples of the calibration split are of cl"):
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


def test_what_another_process_trained_while_the_model_was_built_is_neither_trained_on_nor_told_as_trained(
    experiment: Path,
) -> None:
    store = experiment.parent / "runs"
    trained: list[bool] = []

    def another(progress: Progress) -> None:
        if progress.phase == "build" and not trained:
            there = lineage.read(experiment, store=store)
            trained.append(AliveTrainer(lambda _: lambda _: None).reach(there, there.epochs))

    plan = lineage.read(experiment, store=store)
    assert not AliveTrainer(lambda _: another).reach(plan, 1)
    assert trained == [True]
    assert plan.training.done() == plan.epochs


def test_two_machines_that_are_given_epochs_in_turn_train_what_one_does(experiment: Path) -> None:
    """One scheduler gives each the next epoch that is asked for, and who has trained keeps its model until then."""
    alone, both = (experiment.parent / name for name in ("alone", "both"))
    plan = lineage.read(experiment, store=alone, epochs=6)
    AliveTrainer(lambda _: lambda _: None).reach(plan, 6)
    built: list[int] = []

    def machine(number: int) -> Callable[[int], bool]:
        def watch(progress: Progress) -> None:
            if progress.phase == "build":
                built.append(number)

        here, trainer = lineage.read(experiment, store=both, epochs=6), AliveTrainer(lambda _: watch)
        return lambda until: trainer.reach(here, until, shared=True)

    first, second = machine(1), machine(2)
    for turn, until in ((first, 1), (first, 2), (second, 3), (second, 4), (first, 5), (second, 6)):
        assert turn(until)
    assert built == [1, 2, 1, 2]
    assert tree(both) == tree(alone)


def test_a_trainer_does_not_go_on_where_another_process_had_the_lock(experiment: Path) -> None:
    """It may have begun the epoch with a learning rate of its own."""
    plan = lineage.read(experiment, store=experiment.parent / "runs")
    built: list[int] = []
    trainer = AliveTrainer(
        lambda _: lambda progress: built.append(progress.epoch) if progress.phase == "build" else None
    )
    trainer.reach(plan, 1, shared=True)
    there = lineage.read(experiment, store=experiment.parent / "runs")
    another = session.trainer(there, writing=True)
    another.ask("lr 1e-5")
    another.step(1)
    rate = another.learner.learning_rate
    another.close()
    trainer.reach(plan, 2, shared=True)
    assert built == [1, 2]
    assert plan.training.interventions
    assert rate == pytest.approx(1e-5)


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


def test_the_samples_of_a_trainer_without_a_store_go_with_it(
    experiment: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, not when garbage is next collected: until then copies of all samples would heap up on the disk."""
    place = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    collecting = gc.isenabled()
    gc.disable()
    try:
        trainer = Trainer.from_experiment(experiment)
        trainer.step(2)
        (samples,) = place.glob("deeptrain-*")
        standing = trainer.state
        del trainer
        assert not samples.exists()
    finally:
        if collecting:
            gc.enable()
    assert standing.iteration == 2
