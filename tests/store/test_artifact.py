"""Laws 1, 2 and 3: whole or absent, the manifest tells all, identity and content are two things."""

import errno
import itertools
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deeptrain import files
from deeptrain.errors import ArtifactError, LackingError, NewerError
from deeptrain.store import artifact, completeness
from deeptrain.store.completeness import Checker
from deeptrain.store.specification import Source, Specification
from tests.reliability.exploring import explored


def specification(root: Path, **changes: object) -> Specification:
    given_ = {"stage": "thing", "recipe": 1, "root": root, "settings": {"a": 1}, **changes}
    return Specification(**given_)  # type: ignore[arg-type]


def publish(made: Specification, checker: Checker | None = None, **payload: bytes) -> artifact.Artifact:
    links = (checker or Checker()).links(made)
    with artifact.writing(made, links) as writer:
        for name, data in (payload or {"data.bin": b"12345"}).items():
            writer.write(name, data)
    return artifact.open(made.directory)


def test_an_artifact_is_absent_until_it_is_whole(tmp_path: Path) -> None:
    made = specification(tmp_path)
    with pytest.raises(TypeError, match="bytes-like"), artifact.writing(made, {}) as writer:
        writer.write("one", "no bytes")  # type: ignore[arg-type]
    assert not made.directory.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_lists_every_file_with_bytes_and_digest(tmp_path: Path) -> None:
    found = publish(specification(tmp_path), **{"a/b.txt": b"hello", "c": b""})
    listed = {file.name: (file.bytes, file.sha256) for file in found.manifest.files}
    assert listed.keys() == {"a/b.txt", "c"}
    assert listed["c"] == (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    told = json.loads((found.directory / "manifest.json").read_bytes())
    assert told["settings"] == {"a": 1}
    assert told["versions"].keys() >= {"python", "numpy"}


def test_the_same_payload_has_the_same_content_whatever_asked_for_it(tmp_path: Path) -> None:
    one = publish(specification(tmp_path))
    two = publish(specification(tmp_path, settings={"a": 2}))
    assert one.manifest.identity != two.manifest.identity
    assert one.manifest.content == two.manifest.content


@pytest.mark.parametrize(
    "changes", [{"settings": {"a": 2}}, {"recipe": 2}, {"code": "0" * 64}, {"inputs": {"raw": Source("1" * 64)}}]
)
def test_whatever_decides_over_bytes_decides_over_the_identity(changes: dict[str, object], tmp_path: Path) -> None:
    assert specification(tmp_path).identity != specification(tmp_path, **changes).identity


def test_the_place_of_a_run_is_in_no_identity(tmp_path: Path) -> None:
    assert specification(tmp_path / "a").identity == specification(tmp_path / "b").identity


def test_a_chain_of_ten_thousand_inputs_needs_no_recursion(tmp_path: Path) -> None:
    made = specification(tmp_path)
    for number in range(10_000):
        made = specification(tmp_path, settings={"number": number}, inputs={"before": made})
    assert len(made.identity) == 64
    assert not Checker().complete(made)


def test_a_missing_short_or_long_file_makes_an_artifact_incomplete(tmp_path: Path) -> None:
    made = specification(tmp_path)
    for damage, message in [
        (lambda path: path.unlink(), "missing"),
        (lambda path: path.write_bytes(b"123"), "expected 5 bytes, got 3"),
        (lambda path: path.write_bytes(b"123456"), "expected 5 bytes, got 6"),
        (lambda path: (path.unlink(), path.symlink_to("/etc/hostname")), "not a regular file"),
    ]:
        publish(made)
        damage(made.directory / "data.bin")
        verdict = Checker().check(made)
        assert verdict.artifact is None
        assert verdict.damaged
        assert message in verdict.reason


def test_what_one_run_holds_does_not_make_another_complete(tmp_path: Path) -> None:
    here, there = (specification(tmp_path / name) for name in ("here", "there"))
    assert here.identity == there.identity
    checker = Checker()
    publish(there)
    assert checker.complete(there)
    assert not checker.complete(here)
    publish(here)
    found = checker.check(here).artifact
    assert found is not None
    assert found.directory == here.directory


def test_every_flipped_bit_and_every_byte_behind_a_file_is_detected(tmp_path: Path) -> None:
    """Also one that makes 1e-06 to 1E-06, which is the same number."""
    made = specification(tmp_path, settings={"rate": 1e-06, "name": "é"})
    publish(made)
    for path in (made.directory / "data.bin", made.directory / "manifest.json"):
        whole = path.read_bytes()
        places = itertools.product(range(len(whole)), (0, 5, 7))
        flipped = (whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :] for at, bit in places)
        for spoilt in (*flipped, whole + b"\n", whole + b" ", whole[:-1]):
            path.write_bytes(spoilt)
            with pytest.raises(ArtifactError, match=path.name):
                artifact.verify(made.directory)
        path.write_bytes(whole)
    artifact.verify(made.directory)


def test_an_artifact_is_stale_only_when_an_inputs_content_differs(tmp_path: Path) -> None:
    below = specification(tmp_path)
    publish(below)
    above = specification(tmp_path, stage="above", inputs={"below": below})
    publish(above, Checker())
    assert Checker().complete(above)
    artifact.remove(below.directory)
    assert not Checker().complete(above)
    publish(below)
    assert Checker().complete(above)
    artifact.remove(below.directory)
    publish(below, **{"data.bin": b"other"})
    verdict = Checker().check(above)
    assert "its input below has another content than it was made from" in verdict.reason


def test_what_a_newer_version_made_meanwhile_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completeness, "RECENT", 0)  # as many artifacts were looked at since
    checker, made = Checker(), specification(tmp_path)
    path = publish(made).directory / "manifest.json"
    assert checker.artifact(made).manifest.identity == made.identity
    told = {**json.loads(path.read_bytes()), "format": 2}
    told.pop("sha256")
    path.write_bytes(files.readable_json({**told, "sha256": files.digest_of(told)}))
    with pytest.raises(NewerError, match="written by a newer version of deeptrain"):
        checker.check(made)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a//b", "./a", "a/../b", "", "a\0b", "a\\b"])
def test_a_manifest_that_names_a_file_outside_the_artifact_is_refused(name: str, tmp_path: Path) -> None:
    found = publish(specification(tmp_path))
    path = found.directory / "manifest.json"
    told = json.loads(path.read_bytes())
    told["files"][0]["name"] = name
    path.write_text(json.dumps(told))
    with pytest.raises(ArtifactError, match="a file's name must be relative and inside the artifact"):
        artifact.open(found.directory)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no valid JSON"),
        (b"{", "no valid JSON"),
        (b"[]", "expected a table, got list"),
        (b"[" * 200_000, "no valid JSON"),
        (b'{"format": 999}', "format must be 1, got 999: written by another version"),
        (b'{"format": 1}', "not a manifest: KeyError"),
    ],
)
def test_a_spoilt_manifest_is_an_error_that_names_it(data: bytes, message: str, tmp_path: Path) -> None:
    found = publish(specification(tmp_path))
    (found.directory / "manifest.json").write_bytes(data)
    with pytest.raises(ArtifactError, match=r"manifest\.json") as caught:
        artifact.open(found.directory)
    assert message in str(caught.value)


@given(st.binary(max_size=400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
def test_no_bytes_in_place_of_a_manifest_do_anything_but_an_artifact_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(ArtifactError):
        artifact.open(tmp_path)


def test_a_full_disk_publishes_nothing_and_says_how_much_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(
        ArtifactError, match=r"the disk is full: at least 5 bytes are needed for data\.bin, .* are free"
    ):
        publish(specification(tmp_path))
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    assert Checker().complete(specification(tmp_path)) is False
    publish(specification(tmp_path))


def test_a_short_write_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:2])))
    files.write_file(tmp_path / "x", b"123456789")
    assert (tmp_path / "x").read_bytes() == b"123456789"


def test_a_kill_before_any_operation_leaves_the_artifact_whole_or_absent() -> None:
    """And all of it is brought to the disk first: file systems with a journal forgive what others would not."""
    seen = explored("artifact", "kill", every=1)
    done = [(one["operation"], re.sub(r"\.[0-9]+\.[0-9a-f]{8}", "", one["path"])) for one in seen]
    (named,) = (at for at, (operation, _) in enumerate(done) if operation == "rename")
    hidden = done[named][1]
    synced = {path.removeprefix(hidden) for operation, path in done[:named] if operation == "fsync"}
    written = {"/parts/one", "/parts/further/two", "/three.json", "/manifest.json"}
    assert {"", "/parts", "/parts/further"} | written <= synced
    assert ("fsync", "run/deep/er") in done[named:]


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/out", "", "a//b"])
def test_a_file_is_never_written_outside_its_artifact(tmp_path: Path, name: str) -> None:
    made = specification(tmp_path / "store")
    with (
        pytest.raises(ValueError, match="must be relative and inside the artifact"),
        artifact.writing(made, {}) as writer,
    ):
        writer.write(name, b"1")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("number", "helps"), [(errno.EMFILE, r"allow more open files \(ulimit -n\)"), (errno.ENOMEM, "free memory")]
)
def test_an_artifact_that_the_system_has_nothing_left_to_read_with_is_not_taken_for_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, helps: str
) -> None:
    """Damaged is what is set aside and made again, which may be hours of training."""
    made = specification(tmp_path)
    publish(made)

    def refuse(path: object, *_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number), path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(LackingError, match=rf"manifest\.json: cannot be read: .*; {helps}, then run again"):
            Checker().complete(made)
    assert Checker().complete(made)
    (made.directory / "manifest.json").write_bytes(b"{}")
    assert Checker().check(made).damaged
