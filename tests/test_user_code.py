"""The code that runs is the code that was digested."""

import itertools
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from deeptrain import user_code
from deeptrain.errors import UserCodeError


def write(directory: Path, factor: int) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "their_helper.py").write_text(f"FACTOR = {factor}\n")
    (directory / "their_model.py").write_text(
        "from their_helper import FACTOR\n\ndef now():\n    return FACTOR\n\ndef later():\n"
        "    import their_late\n    return their_late.FACTOR\n"
    )
    (directory / "their_late.py").write_text(f"FACTOR = {10 * factor}\n")
    return directory


def test_two_experiments_with_modules_of_the_same_names_each_get_their_own(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one", 1), write(tmp_path / "two", 2)
    for beside, factor in [(one, 1), (two, 2), (one, 1)]:
        assert user_code.find("their_model:now", beside)() == factor
        assert user_code.find("their_model:later", beside)() == 10 * factor


def test_a_file_that_was_edited_within_a_second_is_taken_as_it_is_now(tmp_path: Path) -> None:
    for factor in (3, 4, 5):
        assert user_code.find("their_model:now", write(tmp_path / "edited", factor))() == factor


def test_importing_leaves_nothing_beside_the_users_files(tmp_path: Path) -> None:
    before = sys.pycache_prefix, sys.dont_write_bytecode
    user_code.find("their_model:now", write(tmp_path / "clean", 1))
    assert {path.name for path in (tmp_path / "clean").iterdir()} == {
        "their_helper.py", "their_late.py", "their_model.py"
    }  # fmt: skip
    assert (sys.pycache_prefix, sys.dont_write_bytecode) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere:build", "nowhere:build: no module nowhere beside the experiment"),
        ("their_model:nothing", "their_model:nothing: their_model defines no nothing; it defines FACTOR, later, now"),
    ],
)
def test_what_is_not_there_is_told(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserCodeError, match=message):
        user_code.find(name, write(tmp_path / "there", 1))


def test_what_is_installed_in_an_environment_beside_an_experiment_stays_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NumPy, imported a second time, ends in an ImportError."""
    one, two = write(tmp_path / "one", 1), write(tmp_path / "two", 2)
    installed = one / ".venv" / "lib" / "python3" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "their_installed.py").write_text("HERE = object()\n")
    monkeypatch.syspath_prepend(installed)
    user_code.find("their_model:now", one)
    here = user_code.find("their_installed:HERE", one)
    for beside in (one, two, one):
        user_code.find("their_model:now", beside)
        assert user_code.find("their_installed:HERE", one) is here


def test_a_module_in_a_folder_of_a_package_is_imported_anew_when_it_is_another(tmp_path: Path) -> None:
    """The folder has no `__init__.py`: it is a module without a file, which looks for its package."""
    (tmp_path / "bundle/inner").mkdir(parents=True)
    (tmp_path / "bundle/__init__.py").touch()
    for value in (1, 2):
        (tmp_path / "bundle/inner/told.py").write_text(f"VALUE = {value}\n")
        assert user_code.find("bundle.inner.told:VALUE", tmp_path) == value


def test_a_thread_that_imports_meanwhile_disturbs_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A display, TensorFlow or a library of the user's may load what it needs at any moment."""
    one, two = write(tmp_path / "one", 1), write(tmp_path / "two", 2)
    for number in range(20_000):  # as many as make it last
        monkeypatch.setitem(sys.modules, f"other_{number}", ModuleType(f"other_{number}"))
    over = threading.Event()

    def importing() -> None:
        for number in itertools.count():
            if over.is_set():
                return
            sys.modules[f"late_{number % 100}"] = ModuleType("late")
            sys.modules.pop(f"late_{(number + 50) % 100}", None)

    thread, interval = threading.Thread(target=importing), sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        for beside, factor in [(one, 1), (two, 2)] * 5:
            assert user_code.find("their_model:now", beside)() == factor
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(interval)
        for number in range(100):
            sys.modules.pop(f"late_{number}", None)
