"""A user's mistakes: one line for each, nothing published, and after repair the job completes."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import BUILDER, TOML, write_experiment
from tests.pipelines import command
from tests.pipelines.command import Finished, Warm
from tests.pipelines.conftest import Trained


def shards(here: Path, warm: Warm) -> Finished:
    return warm("--module", "pipelines", "Shards", "--experiment", "tiny.toml", "--local-scheduler", cwd=here)


def published(here: Path) -> set[str]:
    """The stages of which anything stands under a final name."""
    runs = here / "runs/tiny"
    return {path.relative_to(runs).parts[0].partition("-")[0] for path in runs.glob("**/manifest.json")}


def test_every_mistake_of_a_toml_is_told_at_once(tmp_path: Path, warm: Warm, trained: Trained) -> None:
    toml = TOML.replace("epochs = 3", "epoch = 3\nepochs = 0").replace("samples_per_set = 8", 'samples_per_set = "8"')
    here = write_experiment(tmp_path, toml=toml).parent
    finished = command.job(cwd=here)
    assert finished.code == 40
    told, following = command.mistake(finished)
    assert told.splitlines() == [
        "deeptrain: tiny.toml: data.samples_per_set: expected int or \"file\", got '8'",
        "deeptrain: tiny.toml: training.epoch: unknown key; did you mean epochs?",
        "deeptrain: tiny.toml: training.epochs: expected int >= 1, got 0",
    ]
    assert following == "python -m pipelines plan tiny.toml"
    assert not (here / "runs").exists()
    (here / "tiny.toml").write_text(TOML)
    assert warm.job(cwd=here).code == 0
    assert command.contents(here / "runs") == trained.contents


def test_a_file_that_is_no_toml_is_told_with_its_place(experiment: Path) -> None:
    experiment.write_text("[experiment]\nname = tiny\n")
    finished = command.job(cwd=experiment.parent)
    assert command.mistake(finished)[0] == (
        "deeptrain: tiny.toml: no valid TOML: Invalid value (at line 2, column 8)\n"
    )
    assert finished.code == 40


def remove_raw(here: Path) -> None:
    for path in (here / "raw").iterdir():
        path.unlink()
    (here / "raw").rmdir()


def empty_raw(here: Path) -> None:
    for path in (here / "raw").iterdir():
        path.unlink()


def add(name: str, data: bytes) -> Callable[[Path], None]:
    def change(here: Path) -> None:
        (here / "raw" / name).write_bytes(data)

    return change


def cut(here: Path) -> None:
    path = here / "raw/part-2.csv"
    path.write_bytes(path.read_bytes()[:-8])


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (remove_raw, "HERE/raw: does not exist; give the path of a file or of a directory"),
        (empty_raw, "HERE/raw: no raw files here; put files there of a known format (npy, npz, hdf5, csv, tsv, arrow, "
         "parquet, svmlight, image, wav)"),
        (add("note.txt", b"x"), "HERE/raw/note.txt: the extension '.txt' is of no known format (npy, npz, hdf5, "
         "csv, tsv, arrow, parquet, svmlight, image, wav); move the file elsewhere, say with format what to read, or "
         "give a loader function"),
        (add("part-3.csv", b"\x89PNG\r\n\x1a\n\0\0"), "HERE/raw/part-3.csv: is no csv: it is binary (has zero bytes), "
         "not UTF-8 text"),
        (add("part-3.csv", b""), "HERE/raw/part-3.csv: no samples: the file is empty"),
        (add("part-3.csv", b"name\nx\n"), "HERE/raw/part-3.csv: misses a, b, c, ..., y (5 in all) and adds name "
         "compared with the columns of part-1.csv; all raw files need the same columns"),
        (add("part-3.csv", b"a,b,c,d,y\n1,2,x,4,0\n"), "HERE/raw/part-3.csv: line 2, column 'c': 'x' is no number; a "
         "column of words can only be labels.column or splits.group"),
        (add("part-3.csv", b"a,b,c,d,y\n1,2,nan,4,0\n"), "HERE/raw/part-3.csv: line 2, column 'c': the value is nan; "
         "repair it or drop the row"),
        (cut, "HERE/raw/part-2.csv: line 101: has 4 cells where the first line has 5; is the file cut off or a cell "
         "missing?"),
    ],
)  # fmt: skip
def test_raw_files_that_cannot_be_read_are_one_line(
    spoil: Callable[[Path], None], line: str, experiment: Path, trained: Trained, warm: Warm
) -> None:
    here = experiment.parent
    spoil(here)
    finished = warm.job(cwd=here)
    told = command.mistake(finished)[0] if finished.code == 40 else finished.err
    assert told == f"deeptrain: {line.replace('HERE', str(here))}\n"
    assert finished.code in (30, 40)
    assert published(here) == set()
    for path in (here / "raw").glob("*"):
        path.unlink()
    write_experiment(here)
    assert shards(here, warm).code == 0
    now = command.contents(here / "runs")
    assert now == {name: data for name, data in trained.contents.items() if "shards-" in name or "samples-" in name}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (('labels = { column = "y", positive = 1 }', 'labels = { path = "labels.csv", positive = 1 }'),
         "HERE/labels.csv: has 100 labels for the 200 samples of HERE/raw; give one a sample"),
        (('column = "y"', 'column = "z"'), "HERE/raw: labels.column 'z' is no column; columns: a, b, c, d, y"),
        (("positive = 1", "positive = 7"), "HERE/raw: labels 'y': labels.positive 7 never occurs; labels that occur: "
         "0, 1"),
        (("train = 70", "train = 700"), "splits: train 700 + val 30 + calibration 48 + test 52 = 830 samples are asked "
         "for, there are 200; make them smaller"),
    ],
)  # fmt: skip
def test_labels_and_splits_that_do_not_fit_are_one_line(
    change: tuple[str, str], line: str, make_experiment: Callable[..., Path], warm: Warm
) -> None:
    here = make_experiment(toml=TOML.replace(*change)).parent
    (here / "labels.csv").write_text("y\n" + "0\n1\n" * 50)
    finished = warm.job(cwd=here)
    assert finished.err == f"deeptrain: {line.replace('HERE', str(here))}\n"
    assert finished.code == 30
    assert published(here) <= {"samples"}  # what is known of the samples holds for other splits of them too


def test_after_the_missing_labels_were_added_the_shards_are_made(
    make_experiment: Callable[..., Path], warm: Warm
) -> None:
    toml = TOML.replace('labels = { column = "y", positive = 1 }', 'labels = { path = "labels.csv", positive = 1 }')
    here = make_experiment(toml=toml).parent
    (here / "labels.csv").write_text("y\n" + "0\n1\n" * 50)
    assert shards(here, warm).code == 30
    (here / "labels.csv").write_text("y\n" + "0\n1\n" * 100)
    assert shards(here, warm).code == 0
    assert published(here) == {"samples", "shards"}


SHAPE = BUILDER.replace("layers.Dense(1,", "layers.Dense(3,")


@pytest.mark.parametrize(
    ("toml", "builder", "line"),
    [
        (TOML.replace("my_model:build", "my_model:biuld"), BUILDER, "HERE/my_model.py: defines no biuld; it defines "
         "build"),
        (TOML.replace("my_model:build", "my_modle:build"), BUILDER, "my_modle:build: no module my_modle beside the "
         "experiment (HERE) or installed"),
        (TOML, "def build(data:\n", "HERE/my_model.py: cannot be read as Python: '(' was never closed (my_model.py, "
         "line 1)"),
    ],
)  # fmt: skip
def test_a_builder_that_is_not_there_is_found_before_anything_is_made(
    toml: str, builder: str, line: str, make_experiment: Callable[..., Path], warm: Warm
) -> None:
    here = make_experiment(toml=toml, builder=builder).parent
    finished = warm.job(cwd=here)
    assert command.mistake(finished)[0] == f"deeptrain: {line.replace('HERE', str(here))}\n"
    assert finished.code == 40
    assert not (here / "runs").exists() or published(here) == set()


@pytest.mark.parametrize(
    ("toml", "builder", "line"),
    [
        (TOML, "def build(data):\n    raise ValueError('no\\nway')\n", "my_model:build: raised ValueError: no way"),
        (TOML, "import nothing_of_this_name\ndef build(data):\n    pass\n", "my_model:build: importing my_model "
         "failed: ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        (TOML, "def build(data):\n    return [1]\n", "my_model:build: must return a keras.Model, got list"),
        (TOML, SHAPE, "my_model:build: the model's output does not fit the labels: binary labels, one a sample need an "
         "output of shape [None, 1], got (None, 3)"),
        (TOML.replace('"my_model:build"', '"my_model:build"\narguments = { unit = 3 }'), BUILDER, "my_model:build: "
         "raised TypeError: build() got an unexpected keyword argument 'unit'"),
        (TOML.replace("[training]", '[training]\noptimizer = "adan"'), BUILDER, "adan: no optimizer of Keras has this "
         "name; did you mean Adam, AdamW, Nadam? Your own is named module:name"),
        (TOML.replace("batch_size = 16", "batch_size = 71"), BUILDER, "training.batch_size must be at most the 70 "
         "samples of the train split, got 71"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_trained_is_one_line_and_trained_after_its_repair(
    toml: str, builder: str, line: str, make_experiment: Callable[..., Path], warm: Warm, trained: Trained
) -> None:
    here = make_experiment(toml=toml, builder=builder).parent
    finished = warm.job(cwd=here)
    assert finished.err == f"deeptrain: {line}\n"
    assert finished.code == 30
    assert published(here) == {"samples", "shards"}
    write_experiment(here)
    task = ("Epoch", "--number", "1", "--experiment", "tiny.toml", "--local-scheduler")
    assert warm("--module", "pipelines", *task, cwd=here).code == 0
    now = command.contents(here / "runs")
    assert {name for name in now if "0001" in name and "/epochs/" in name} == {
        name for name in trained.contents if "0001" in name and "/epochs/" in name
    }
    assert all(trained.contents[name] == data for name, data in now.items() if "states" not in name)


DIVERGING = TOML.replace(
    "[training]",
    '[training]\nautosave_seconds = 1e-6\noptimizer = { use = "my_model:Exploding", arguments = { at = 7 } }',
)
EXPLODING_BUILDER = (
    BUILDER
    + '''

def Exploding(at):
    """Plain descent whose learning rate becomes absurd with one iteration."""
    import keras

    return keras.optimizers.SGD(keras.optimizers.schedules.PiecewiseConstantDecay([at], [0.01, 1e38]))
'''
)


def test_a_loss_that_is_not_finite_stops_and_the_last_good_checkpoint_stays(tmp_path: Path, warm: Warm) -> None:
    here = write_experiment(tmp_path, toml=DIVERGING, builder=EXPLODING_BUILDER).parent
    finished = warm.train(3, cwd=here)
    assert finished.code == 30
    assert re.fullmatch(
        r"deeptrain: the loss became (nan|inf) in epoch 2, iteration [89] \(counted from 0\), batch \S+ \(\d+ sets\), "
        r"sets [\d, ]+: training stops and the last good checkpoint stays; a lower learning rate or gradient clipping "
        r"may help\n",
        finished.err,
    )
    epochs, checkpoints = command.trained(here / "runs")
    assert epochs == 1
    assert len(checkpoints) == 2
    assert warm.train(3, cwd=here).err == finished.err
