import multiprocessing
from pathlib import Path

import pytest

from deeptrain import experiment as experiments
from deeptrain import lineage, model_name
from deeptrain.errors import SettingsError
from deeptrain.model_name import ModelName
from tests.conftest import TOML, write_experiment

NAMING = """
[naming]
base = "mlp"

[naming.settings]
model.builder = "-"
"training.batch_size" = "bs"
training.metrics.0 = ""
"""


def named(toml: str, directory: Path) -> str:
    return model_name.describe(experiments.read(write_experiment(directory, toml=toml)))


def test_an_experiment_names_its_model_by_the_settings_it_chooses(tmp_path: Path) -> None:
    assert named(TOML, tmp_path / "a") == "tiny"
    chosen = NAMING.replace('model.builder = "-"\n', "")
    assert named(TOML + chosen, tmp_path / "b") == "mlp-bs16-f1_score"
    assert named(TOML + chosen.replace('base = "mlp"', ""), tmp_path / "c") == "tiny-bs16-f1_score"


def test_mistakes_in_a_name_are_told_when_the_file_is_read(tmp_path: Path) -> None:
    toml = TOML + NAMING
    with pytest.raises(SettingsError, match=r"naming.settings.model.builder: expected at most 20 letters.*, got \'-\'"):
        named(toml, tmp_path / "a")
    toml = TOML + '[naming.settings]\n"training.batchsize" = "bs"\n'
    said = r"naming.settings.training.batchsize: training has no key 'batchsize'; did you mean batch_size\?"
    with pytest.raises(SettingsError, match=said):
        named(toml, tmp_path / "b")
    toml = TOML + '[naming.settings]\n"trainin.batch_size" = "bs"\n'
    with pytest.raises(SettingsError, match=r"the experiment has no key 'trainin'; did you mean training\?"):
        named(toml, tmp_path / "c")


def test_a_name_is_in_no_identity(tmp_path: Path) -> None:
    plans = [lineage.read(write_experiment(tmp_path / "one", toml=toml)) for toml in (TOML, TOML + NAMING[:24])]
    one, other = ({stage: made.identity for stage, made in plan.stages.items()} for plan in plans)
    assert plans[0].experiment.naming != plans[1].experiment.naming
    assert one == other
    assert plans[0].training.specification.identity == plans[1].training.specification.identity


def test_numbers_go_up_by_one_over_what_is_in_the_store(tmp_path: Path) -> None:
    file = write_experiment(tmp_path)
    plans = [lineage.read(file, store=tmp_path / "runs", seed=seed) for seed in range(3)]
    assert [str(model_name.take(plan)) for plan in plans] == ["M1__tiny", "M2__tiny", "M3__tiny"]
    assert [model_name.take(plan).number for plan in reversed(plans)] == [3, 2, 1]
    file = write_experiment(tmp_path / "other", toml=TOML.replace('"tiny"', '"else"'))
    other = lineage.read(file, store=tmp_path / "runs")
    (tmp_path / "runs" / "Models" / "training-x" / "live").mkdir(parents=True)  # what is no run of ours, or damaged
    (tmp_path / "runs" / "Models" / "training-x" / "live" / "name.json").write_text('{"number": "M9"}')
    assert str(model_name.take(other)) == "M4__else"
    assert model_name.of(plans[1]) == "M2__tiny"


def test_the_number_stays_when_the_description_changes(tmp_path: Path) -> None:
    file = write_experiment(tmp_path)
    model_name.take(lineage.read(file, store=tmp_path / "runs"))
    file.write_text(TOML + '[naming]\nbase = "new"\n')
    plan = lineage.read(file, store=tmp_path / "runs")
    assert model_name.take(plan) == model_name.read(plan.training.directory) == ModelName("new", 1)


def _take(place: tuple[Path, int]) -> int | None:
    file, seed = place
    return model_name.take(lineage.read(file, store=file.parent / "runs", seed=seed)).number


def test_processes_that_begin_at_once_get_different_numbers(tmp_path: Path) -> None:
    file = write_experiment(tmp_path)
    lineage.read(file, store=tmp_path / "runs")  # fingerprints are there
    with multiprocessing.get_context("fork").Pool(8) as pool:
        numbers = pool.map(_take, [(file, seed) for seed in range(24)], chunksize=1)
    assert sorted(number or 0 for number in numbers) == list(range(1, 25))


def test_where_nothing_can_be_written_there_is_a_name_without_a_number(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = lineage.read(write_experiment(tmp_path), store=tmp_path / "runs")
    plan.training.directory.mkdir(parents=True)
    (plan.training.directory / "live").write_text("in the way")
    assert str(model_name.take(plan)) == "tiny"
    assert "the training gets no number" in caplog.text


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"number": 0, "description": "a"}', b'{"number": 1, "description": 2}', b"[" * 60_000],
)
def test_what_is_no_name_is_none(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    (tmp_path / model_name.FILE).write_bytes(data)
    assert model_name.read(tmp_path) is None
