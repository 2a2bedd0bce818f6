"""Law 3: the user's code is digested by what it means and what it reaches, and never imported."""

from pathlib import Path

import pytest

from deeptrain.errors import UserCodeError
from deeptrain.store import code

MODEL = '''"""Doc."""
import math
from helper import scale
LIMIT = 3

def used(x):
    """Says something."""
    return scale(x) * LIMIT

def build(data):
    # a comment
    return used(data)

def unused():
    return 1
'''
HELPER = "FACTOR = 2\n\ndef scale(x):\n    return FACTOR * x\n\ndef other():\n    return 0\n"


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "helper.py").write_text(HELPER)
    return tmp_path


def changed(beside: Path, name: str, old: str, new: str) -> bool:
    before = code.digest(["model:build"], beside)
    path = beside / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    after = code.digest(["model:build"], beside)
    path.write_text(text)
    return before != after


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("model.py", "# a comment", "# another"),
        ("model.py", '"""Says something."""', '"""Says something else."""'),
        ("model.py", '"""Doc."""\n', ""),
        ("model.py", "scale(x) * LIMIT", "(scale( x )\n        * LIMIT)"),
        ("model.py", "return 1", "return 2"),
        ("helper.py", "return 0", "return 7"),
    ],
)
def test_what_changes_no_meaning_changes_no_digest(beside: Path, name: str, old: str, new: str) -> None:
    assert not changed(beside, name, old, new)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("model.py", "return used(data)", "return used(data) + 1"),
        ("model.py", "LIMIT = 3", "LIMIT = 4"),
        ("model.py", "scale(x) * LIMIT", "scale(x) / LIMIT"),
        ("helper.py", "FACTOR = 2", "FACTOR = 3"),
        ("helper.py", "FACTOR * x", "FACTOR + x"),
        ("helper.py", "FACTOR = 2", "FACTOR = 2\nprint(FACTOR)"),
        ("model.py", "def unused():", "def unused(x=getattr(math, 'pi')):"),
    ],
)
def test_what_changes_a_meaning_changes_the_digest(beside: Path, name: str, old: str, new: str) -> None:
    assert changed(beside, name, old, new)


def test_a_module_that_looks_names_up_dynamically_counts_whole(beside: Path) -> None:
    (beside / "model.py").write_text(MODEL.replace("return used(data)", "return globals()['used'](data)"))
    assert changed(beside, "model.py", "return 1", "return 2")


@pytest.mark.parametrize(
    ("line", "expression"),
    [("import helper", "helper.scale(1)"), ("import helper as h", "h.scale(1)"), ("from helper import *", "scale(1)")],
)
def test_every_way_to_import_a_neighbour_reaches_it(beside: Path, line: str, expression: str) -> None:
    (beside / "model.py").write_text(f"{line}\n\ndef build(data):\n    return {expression}\n")
    assert changed(beside, "helper.py", "FACTOR * x", "FACTOR + x")


def test_an_import_inside_a_function_is_reached(beside: Path) -> None:
    (beside / "model.py").write_text("def build(data):\n    from helper import scale\n    return scale(data)\n")
    assert changed(beside, "helper.py", "FACTOR * x", "FACTOR + x")
    assert not changed(beside, "helper.py", "return 0", "return 1")


def test_packages_beside_the_experiment_are_reached_with_what_runs_at_their_import(beside: Path) -> None:
    package = beside / "nets"
    package.mkdir()
    (package / "__init__.py").write_text("WIDTH = 4\n")
    (package / "small.py").write_text(
        "from . import WIDTH\nfrom .parts import block\n\ndef net():\n    return block() * WIDTH\n"
    )
    (package / "parts.py").write_text("def block():\n    return 1\n")
    (beside / "model.py").write_text("from nets.small import net\n\ndef build(data):\n    return net()\n")
    assert changed(beside, "nets/__init__.py", "WIDTH = 4", "WIDTH = 5")
    assert changed(beside, "nets/parts.py", "return 1", "return 2")


def test_the_code_is_never_run(beside: Path) -> None:
    (beside / "model.py").write_text("raise SystemExit('was imported')\n\ndef build(data):\n    return 1\n")
    assert code.digest(["model:build"], beside)


def test_installed_packages_and_bare_names_are_in_no_digest(beside: Path) -> None:
    assert code.digest(["adam", "keras.layers:Dense"], beside) is None
    assert code.digest(["model:build", "adam"], beside) == code.digest(["model:build"], beside)


def test_moving_the_directory_changes_nothing(beside: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    for name in ("model.py", "helper.py"):
        (other / name).write_bytes((beside / name).read_bytes())
    assert code.digest(["model:build"], other) == code.digest(["model:build"], beside)


def test_what_is_not_there_is_named(beside: Path) -> None:
    with pytest.raises(UserCodeError, match="nowhere:build: no module nowhere beside the experiment"):
        code.digest(["nowhere:build"], beside)
    with pytest.raises(UserCodeError, match=r"model.py: defines no biuld; it defines LIMIT, build, math"):
        code.digest(["model:biuld"], beside)
    (beside / "broken.py").write_text("def build(:\n")
    with pytest.raises(UserCodeError, match=r"broken.py: cannot be read as Python"):
        code.digest(["broken:build"], beside)


def test_a_neighbour_that_is_imported_and_never_named_counts_for_what_runs_at_its_import(beside: Path) -> None:
    (beside / "patches.py").write_text("import math\n\nmath.e\n")
    (beside / "model.py").write_text("import patches\n\ndef build(data):\n    return 1\n")
    assert changed(beside, "patches.py", "math.e", "math.pi")


@pytest.mark.parametrize("line", ["import importlib", "from importlib import import_module"])
def test_a_module_that_imports_dynamically_counts_with_everything_beside_it(beside: Path, line: str) -> None:
    (beside / "model.py").write_text(f"{line}\n\ndef build(data):\n    return 1\n")
    assert changed(beside, "helper.py", "return 0", "return 7")
