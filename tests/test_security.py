"""What is trusted and what is not: a stranger's files run no code of his, and lead nowhere. See docs/security.md."""

import ast
import json
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import deeptrain
from deeptrain import experiment, files, lineage
from deeptrain.errors import ArtifactError, DataError, DeeptrainError, SettingsError
from deeptrain.formats import discovery
from deeptrain.store import artifact, manifest, verification
from deeptrain.store.locks import lock_of, run_lock
from deeptrain.store.specification import Specification
from pipelines.__main__ import main
from tests import written_runs
from tests.conftest import TOML, tree, write_experiment
from tests.pipelines import command
from tests.published_runs import publish
from tests.reliability.fuzzed import sealed

ROOT = Path(__file__).parents[1]

EVERYTHING = (
    TOML.replace('path = "raw"', 'path = "raw"\nloader = "evil:load"')
    .replace('"my_model:build"', '"evil:build"')
    .replace('"normalise"', '"evil:Preprocessor"')
    .replace(
        "[training]",
        '[training]\noptimizer = "evil:optimizer"\nloss = "evil:loss"\nschedule = { use = "evil:schedule" }\n'
        'callbacks = ["evil:Callback"]\nfit = "evil:fit"\nevaluate = "evil:evaluate"',
    )
    .replace('"accuracy"', '"evil:metric"')
)
EVIL = """
open({marker!r}, "w").close()
def load(path): open({marker!r}, "w").close()
build = Preprocessor = optimizer = loss = schedule = Callback = fit = evaluate = metric = load
"""


class Evil:
    """What unpickling would run."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (self.marker, "w")


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """A directory in which every module that could be taken for one of an experiment's, or of ours, betrays itself."""
    here = write_experiment(tmp_path / "strange", toml=EVERYTHING).parent
    (here / "evil.py").write_text(EVIL.format(marker=str(tmp_path / "executed")))
    for name in (
        "my_model",
        "sitecustomize",
        "usercustomize",
        "conftest",
        "setup",
        "luigi",
        "numpy",
        "msgspec",
        "json",
    ):
        (here / f"{name}.py").write_text((here / "evil.py").read_text())
    return here


@pytest.mark.parametrize(
    "arguments",
    [("plan", "tiny.toml"), ("status", "runs"), ("verify", "runs"), ("graph", "runs/tiny"), ("clean",)],
)
def test_looking_at_a_strangers_experiment_runs_none_of_it(arguments: tuple[str, ...], strange: Path) -> None:
    publish(lineage.read(strange / "tiny.toml", store=strange / "runs"))
    before = tree(strange)
    arguments = (*arguments, "--json") if arguments[0] in ("plan", "clean") else arguments
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pipelines", *arguments],
        cwd=strange,
        env=command.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert not (strange.parent / "executed").exists()
    assert tree(strange) == before


def test_comparing_strangers_runs_imports_none_of_the_code_they_name(
    strange: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (written_runs.write(strange / "runs", written_runs.scores(seed), batch_size=seed, metric="evil:metric")
                for seed in (1, 2))  # fmt: skip
    monkeypatch.chdir(strange)
    deeptrain.compare(one, two)
    assert not (strange.parent / "executed").exists()


FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml", "tarfile"}
CALLS = {"load_model", "model_from_json", "enable_unsafe_deserialization", "extractall", "eval", "exec", "system"}


def test_no_source_of_ours_unpickles_loads_a_models_file_or_extracts_an_archive() -> None:
    """What a linter does not know of: Keras' loaders, for which `safe_mode` is no boundary."""
    found = []
    for path in sorted(path for room in ("deeptrain", "tasks", "pipelines") for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            called = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
            unsafe = [one for one in getattr(node, "keywords", []) if one.arg in ("allow_pickle", "safe_mode", "shell")]
            loose = [one for one in unsafe if getattr(one.value, "value", None) is not (one.arg == "safe_mode")]
            if FORBIDDEN & {name.partition(".")[0] for name in names} or called in CALLS or loose:
                found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
    assert found == []


def test_python_objects_in_an_array_a_prediction_and_an_extension_type_are_refused(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    raw = tmp_path / "raw"
    raw.mkdir()
    np.save(raw / "a.npy", np.array([Evil(marker)], object), allow_pickle=True)
    with pytest.raises(DataError, match="holds Python objects, which only unpickling reads"):
        discovery.open(raw / "a.npy", labels="none")
    np.savez(raw / "a.npz", x=np.array([Evil(marker)], object))
    with pytest.raises(DataError, match="holds Python objects"):
        discovery.open(raw / "a.npz", labels="none")

    training = written_runs.write(tmp_path / "runs", written_runs.scores())
    made = next(training.parent.glob("predictions-*"))
    shutil.copy(raw / "a.npy", made / "test.outputs.npy")
    from deeptrain.training import predictions

    with pytest.raises(ArtifactError, match=r"test\.outputs\.npy: holds Python objects"):
        predictions.read(sealed(made), "test")

    metadata = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Evil(marker)),
    }
    table = pa.table([pa.array([1.0, 2.0])], pa.schema([pa.field("a", pa.float64(), metadata=metadata)]))
    parquet.write_table(table, raw / "a.parquet")
    with pa.ipc.new_file(raw / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    for name in ("a.parquet", "a.arrow"):
        assert sum(chunk.samples for chunk in discovery.open(raw / name, labels="none").chunks(2)) == 2
    assert not marker.exists()


def whole(root: Path) -> Path:
    with artifact.writing(Specification("thing", 1, root, {}), {}) as writer:
        writer.write("one", b"12345")
        writer.write("in/two", b"12345")
    return next(root.glob("thing-*"))


@pytest.mark.parametrize("name", ["one", "in/two", "in", "manifest.json"])
def test_nothing_is_read_behind_a_link_in_an_artifact(name: str, tmp_path: Path) -> None:
    """What is there has the very bytes that are recorded, so that nothing but the link can be wrong."""
    directory = whole(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    (directory / name).rename(elsewhere)
    (directory / name).symlink_to(elsewhere)
    with pytest.raises(ArtifactError, match=r"not a regular file|not a directory|it is a link"):
        artifact.open(directory)
    faults = verification.verify(directory).faults
    assert faults
    assert all(fault.value != "" for fault in faults)


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/hostname", "a/../../secret", "a\\..\\b", "a\0b", "", ".", "./a", "a//b", "a/"],
)
def test_a_manifest_names_no_file_outside_its_artifact(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"12345")
    directory = whole(tmp_path / "runs")
    told = json.loads((directory / manifest.NAME).read_bytes())
    told["files"][0]["name"] = name
    told["content"] = manifest.content_of(
        tuple(files.FileDigest(one["name"], one["bytes"], one["sha256"]) for one in told["files"])
    )
    told.pop("sha256")
    (directory / manifest.NAME).write_bytes(files.readable_json({**told, "sha256": files.digest_of(told)}))
    with pytest.raises(ArtifactError, match="a file's name must be relative and inside the artifact"):
        artifact.open(directory)
    assert [fault.file for fault in verification.verify(directory).faults] == [manifest.NAME]


def test_nothing_is_written_behind_a_link_in_a_strangers_run(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "runs/tiny", tmp_path / "elsewhere"
    elsewhere.mkdir()
    directory = whole(run)
    (run / "quarantine").symlink_to(elsewhere)
    with pytest.raises(ArtifactError, match="quarantine: is a link, behind which nothing is put"):
        artifact.set_aside(directory)
    (run / "live").symlink_to(elsewhere)
    for lock in (run_lock(run), lock_of(run, directory)):
        with pytest.raises(DeeptrainError, match="live: is a link, behind which nothing is written"):
            lock.acquire()
    (run / "live").unlink()
    (run / "live").mkdir()
    (run / "live/locks").symlink_to(elsewhere)
    with pytest.raises(DeeptrainError, match="locks: is a link"):
        lock_of(run, directory).acquire()
    assert not list(elsewhere.iterdir())
    assert directory.is_dir()


def test_a_link_to_a_run_is_ones_own_and_works(tmp_path: Path) -> None:
    """A store or a run may lie on another disk."""
    (tmp_path / "disk/tiny").mkdir(parents=True)
    (tmp_path / "runs").symlink_to("disk")
    with run_lock(tmp_path / "runs/tiny"):
        assert list((tmp_path / "disk/tiny/live").glob("*.lock"))


def test_an_archive_that_swells_is_read_in_parts_or_refused(tmp_path: Path) -> None:
    """A sample of 8 GiB, in some kB."""
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1073741824), }"
    begin = b"\x93NUMPY\x01\x00\x76\x00" + header.ljust(117).encode() + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", begin + bytes(1 << 20))
    with pytest.raises(DataError, match=r"a\.npz: .*one sample of shape .* would take 8,589,934,592 bytes"):
        discovery.open(tmp_path / "a.npz", labels="none")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 100_000, "arrays and tables lie too deep in each other"),
        ("a = " + "{a=" * 50_000, "arrays and tables lie too deep in each other"),
        ("x = 1\n" + "a." * 30_000 + "a = 1", "line 2: a key of more than 20 parts"),
        ("[" + "'a' . \"b\" . " * 20_000 + "a]", "line 1: a key of more than 20 parts"),
        ('"\\"" . ' * 30_000 + "a = 1", "line 1: a key of more than 20 parts"),
        ("#" * (257 << 10), "larger than the 262,144 bytes"),
        ("a = " + "9" * 10_000, "no valid TOML: .*4300 digits"),
        ("a = \ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "."),
        ("a = 1\0", "no valid TOML"),
    ],
)
def test_a_toml_that_takes_the_parser_forever_is_refused_at_once(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(SettingsError, match=rf"a\.toml: .*{said}"):
        experiment.read(tmp_path / "a.toml")


@pytest.mark.parametrize("name", ["../x", "/etc", "a/b", ".hidden", "a\0b", "", "a\nb", "x" * 101])
def test_the_name_of_an_experiment_leads_nowhere(name: str, tmp_path: Path) -> None:
    file = write_experiment(tmp_path, toml=TOML.replace('"tiny"', json.dumps(name)))
    with pytest.raises(SettingsError, match=r"experiment\.name: expected letters, digits"):
        experiment.read(file)


def test_what_the_environment_holds_is_in_no_artifact_and_no_log(
    strange: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A manifest records settings, seeds, versions and digests: nothing of where it was made."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "swordfish-7")
    publish(lineage.read(strange / "tiny.toml", store=strange / "runs"))
    monkeypatch.chdir(strange)
    assert (main(["status"]), main(["verify"])) == (0, 0)
    held = [path for path in (strange / "runs").rglob("*") if path.is_file() and b"swordfish-7" in path.read_bytes()]
    assert held == []
    assert "swordfish-7" not in "".join(capfd.readouterr())
    told = json.loads(next((strange / "runs").rglob(manifest.NAME)).read_bytes())
    assert told.keys() == {
        "format", "stage", "recipe", "identity", "content", "settings", "seeds", "inputs", "code", "versions", "files",
        "sha256",
    }  # fmt: skip
