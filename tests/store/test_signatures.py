"""Signatures of artifacts: without a key nothing changes, with one nothing of somebody else is used."""

import hashlib
import hmac
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deeptrain import inventory
from deeptrain.errors import SettingsError, UntrustedError
from deeptrain.store import artifact, signatures, verification
from deeptrain.store.completeness import Checker
from deeptrain.store.specification import Specification
from pipelines.__main__ import main
from tests.conftest import tree

KEY = bytes(range(32))


def key_file(path: Path, key: bytes = KEY, mode: int = 0o600) -> Path:
    path.write_bytes(key)
    path.chmod(mode)
    return path


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key that is given, and its file."""
    path = key_file(tmp_path / "key")
    monkeypatch.setenv(signatures.VARIABLE, str(path))
    return path


@pytest.fixture(autouse=True)
def other_keys() -> Iterator[None]:
    """A process reads a key once; a test may have another."""
    signatures._read.cache_clear()
    yield
    signatures._read.cache_clear()


def written(root: Path, **payload: bytes) -> Path:
    made = Specification("thing", 1, root, {"a": 1})
    with artifact.writing(made, {}) as writer:
        for name, data in (payload or {"data": b"12345"}).items():
            writer.write(name, data)
    return made.directory


def test_without_a_key_nothing_is_signed_and_with_one_no_other_byte_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tree(written(tmp_path / "plain"))
    assert plain.keys() == {"data", "manifest.json"}
    monkeypatch.setenv(signatures.VARIABLE, str(key_file(tmp_path / "key")))
    signed = tree(written(tmp_path / "signed"))
    signature = signed.pop("manifest.hmac")
    assert signed == plain
    assert signature == hmac.new(KEY, plain["manifest.json"], hashlib.sha256).hexdigest().encode() + b"\n"
    assert KEY not in b"".join(signed.values())


@pytest.mark.usefixtures("key")
def test_what_is_signed_by_the_key_is_read_and_anything_else_is_not(tmp_path: Path) -> None:
    directory = written(tmp_path)
    artifact.verify(directory)
    whole = (directory / "manifest.hmac").read_bytes()
    for place in range(len(whole)):
        (directory / "manifest.hmac").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(UntrustedError, match=r"manifest\.hmac: is not the signature of this manifest by the key"):
            artifact.open(directory)
    for data in (b"", whole[:-1], whole * 2, b"0" * 100_000):
        (directory / "manifest.hmac").write_bytes(data)
        with pytest.raises(UntrustedError, match=r"manifest\.hmac"):
            artifact.open(directory)
    (directory / "manifest.hmac").unlink()
    with pytest.raises(UntrustedError, match=rf"^{directory}: is not signed; if you trust it, .*verify --sign"):
        artifact.open(directory)
    (directory / "manifest.hmac").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UntrustedError, match="it is a link"):
        artifact.open(directory)


def test_an_artifact_that_a_stranger_altered_as_a_whole_is_not_used_and_not_touched(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its digests fit each other: only the signature tells."""
    directory = written(tmp_path / "ours")
    signature = (directory / "manifest.hmac").read_bytes()
    monkeypatch.delenv(signatures.VARIABLE)
    theirs = written(tmp_path / "theirs", data=b"54321")
    shutil.copytree(theirs, directory, dirs_exist_ok=True)
    artifact.verify(directory)
    monkeypatch.setenv(signatures.VARIABLE, str(key))
    (directory / "manifest.hmac").write_bytes(signature)
    before = tree(directory)
    with pytest.raises(UntrustedError):
        Checker().check(Specification("thing", 1, tmp_path / "ours", {"a": 1}))
    assert tree(directory) == before
    assert not (tmp_path / "ours/quarantine").exists()


@pytest.mark.usefixtures("key")
def test_damage_is_still_damage_and_made_again(tmp_path: Path) -> None:
    directory = written(tmp_path)
    (directory / "manifest.json").write_bytes((directory / "manifest.json").read_bytes().replace(b'"a": 1', b'"a": 2'))
    assert Checker().check(Specification("thing", 1, tmp_path, {"a": 1})).damaged
    written(tmp_path)
    artifact.verify(directory)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "must be a file that holds the key, cannot be read: No such file"),
        (lambda path: path.write_bytes(b""), "must hold 16 to 4,096 bytes, such as those of .*, holds 0"),
        (lambda path: path.write_bytes(b"short"), "holds 5"),
        (lambda path: path.write_bytes(bytes(5000)), "holds more"),
        (lambda path: path.chmod(0o640), "must be for its owner alone, chmod 600, its mode is 640"),
        (lambda path: path.chmod(0o604), "its mode is 604"),
        (lambda path: (path.unlink(), path.mkdir()), "must be a regular file, is none"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "must be a regular file"),
        (lambda path: os.chown(path, 1234, -1), "must belong to who runs this, belongs to user 1234"),
    ],
)
def test_a_key_that_cannot_be_used_is_an_error_and_never_as_if_there_were_none(
    spoil: Callable[[Path], object], said: str, tmp_path: Path, key: Path
) -> None:
    if "1234" in said and os.geteuid():
        pytest.skip("only root gives a file to somebody else")
    directory = written(tmp_path / "run")
    spoil(key)
    signatures._read.cache_clear()
    with pytest.raises(SettingsError, match=f"^DEEPTRAIN_KEY_FILE: {key}: .*{said}"):
        artifact.open(directory)
    with pytest.raises(SettingsError, match=said):
        written(tmp_path / "other")
    assert not list((tmp_path / "other").glob("thing*"))


@pytest.mark.parametrize(("named", "said"), [("", "names no file"), ("a\nb", "No such file")])
def test_a_variable_that_names_no_file_is_an_error(
    named: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = written(tmp_path)
    monkeypatch.setenv(signatures.VARIABLE, named)
    with pytest.raises(SettingsError, match=said):
        artifact.open(directory)


@pytest.mark.usefixtures("key")
def test_verify_tells_what_is_not_signed_and_signs_what_is_whole(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(here)
    before = tree(here)
    assert main(["verify"]) == 1
    told = capsys.readouterr()
    assert told.out.count("manifest.hmac") == 14
    assert "must be the signature by the key that is given" in told.out
    assert told.err.startswith("deeptrain: runs: 14 of 14 artifacts are not as recorded")
    assert tree(here) == before

    damaged = next(here.glob("runs/tiny/threshold-*"))
    (damaged / "made").write_bytes(b"thrashold")
    assert main(["verify", "--sign"]) == 1
    assert capsys.readouterr().out.count("must have sha256") == 1
    assert not (damaged / "manifest.hmac").exists()
    (damaged / "made").write_bytes(b"threshold")
    assert main(["verify", "--sign"]) == 0
    assert main(["verify"]) == 0
    signed = tree(here)
    assert {name: data for name, data in signed.items() if not name.endswith("manifest.hmac")} == before
    assert len(signed) == len(before) + 14

    monkeypatch.delenv(signatures.VARIABLE)
    assert main(["verify"]) == 0  # who has no key is not asked for one
    monkeypatch.setenv(signatures.VARIABLE, str(key_file(here.parent / "another", KEY[::-1])))
    assert verification.verify(here / "runs").faults
    assert KEY.hex() not in "".join(capsys.readouterr())


def test_nothing_is_signed_without_a_key(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(here)
    assert main(["verify", "--sign"]) == 1
    assert capsys.readouterr().err == (
        "deeptrain: --sign: needs a key; name the file that holds it in DEEPTRAIN_KEY_FILE\n"
    )


@pytest.mark.usefixtures("key")
def test_a_plan_stops_at_what_is_not_signed_and_status_tells_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(here)
    before = tree(here)
    assert main(["plan", "tiny.toml"]) == 1
    assert ": is not signed; if you trust it, " in capsys.readouterr().err
    (one,) = inventory.of(here / "runs")
    assert one.state == "damaged"
    assert "is not signed" in one.fault
    assert tree(here) == before
    assert main(["verify", "--sign"]) == 0
    assert main(["plan", "tiny.toml"]) == 0
    assert inventory.of(here / "runs")[0].state == "finished"
