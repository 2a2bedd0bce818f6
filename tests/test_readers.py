"""No value of JSON and no bytes in a file of ours come to more than an error of ours; `make sample` spoils more."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain import files
from deeptrain.errors import ArtifactError
from tests.reliability.fuzzed import TARGETS, Place

JSON = (
    "manifest", "progress", "data", "part", "samples", "results", "predictions-index", "map", "interventions",
    "code-aliases", "live", "name", "latest", "fingerprints", "raw-record", "scheduler",
)  # fmt: skip
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, 2**63, -(2**63) - 1])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module", params=JSON)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(TARGETS[request.param], tmp_path_factory.mktemp("place"))


@settings(max_examples=25)
@given(data=st.data())
def test_no_value_in_a_file_of_ours_does_more_than_it_may(place: Place, data: st.DataObject) -> None:
    told = json.loads(place.whole)
    holder = told
    while isinstance(holder, dict | list) and holder:
        keys = sorted(holder) if isinstance(holder, dict) else range(len(holder))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(holder[key], dict | list) or not holder[key] or data.draw(st.booleans()):
            holder[key] = data.draw(VALUES)
            break
        holder = holder[key]
    place.read(json.dumps(told).encode())
    place.read(json.dumps(data.draw(VALUES)).encode())
    place.read(data.draw(st.binary(max_size=20)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[" * 200_000, "RecursionError"),
        (b"[" * 101 + b"]" * 101, "deeper in each other than 100"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "deeper in each other than 100"),
        (b"NaN", "NaN is no number of JSON"),
        (b"[-Infinity]", "-Infinity is no number of JSON"),
        (b'["\\ud800"]', "UnicodeEncodeError"),
        (b"\xff", "UnicodeDecodeError"),
        (b"1" * 5000, "4300 digits"),
    ],
)
def test_what_is_no_json_of_ours_is_told(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(ArtifactError, match=rf"a\.json: no valid JSON \(.*{said}"):
        files.read_json(tmp_path / "a.json")


def test_json_may_be_a_hundred_deep_and_have_pairs_of_surrogates(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"[" * 100 + b'"\\ud83d\\ude00"' + b"]" * 100)
    assert str(files.read_json(tmp_path / "a.json")).strip("[]'") == "\U0001f600"


def test_a_file_that_may_be_a_strangers_is_not_followed_and_not_waited_for(tmp_path: Path) -> None:

    (tmp_path / "there").write_bytes(b"{}")
    (tmp_path / "link").symlink_to("there")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    for name, said in (
        ("link", "cannot be read: it is a link"),
        ("pipe", "not a regular file"),
        ("directory", "not a regular file"),
        ("absent", "cannot be read: No such file or directory"),
    ):
        with pytest.raises(ArtifactError, match=f"{name}: {said}"):
            files.read_json(tmp_path / name)
    assert files.read_regular(tmp_path / "there", 2) == b"{}"
    with pytest.raises(ArtifactError, match="there: larger than the 1 bytes a file of its kind may have"):
        files.read_regular(tmp_path / "there", 1)
