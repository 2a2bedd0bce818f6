"""What the room offers is found by its name, and costs nothing before."""

import subprocess
import sys
from pathlib import Path

import deeptrain
from deeptrain import introspection
from deeptrain.introspection import pictures

ROOM = Path(deeptrain.__file__).parent / "introspection"


def test_every_kind_of_picture_is_offered() -> None:
    kinds = {path.stem for path in (ROOM / "pictures").glob("*.py") if "\ndef draw(" in path.read_text()}
    assert set(dir(pictures)) == kinds | {"animation", "arrays"}
    assert all(callable(getattr(pictures, kind).draw) for kind in kinds)
    assert "gradients_over" in dir(introspection)


def test_names_are_loaded_when_they_are_asked_for() -> None:
    code = (
        "import sys; from deeptrain import introspection; introspection.pictures\n"
        "assert not {'numpy', 'matplotlib'} & set(sys.modules)\n"
        "introspection.pictures.histograms.draw({'a': [1.0, 2.0]})\n"
        "assert 'tensorflow' not in sys.modules\n"
        "try: introspection.pictures.histogram\n"
        "except AttributeError as error: assert 'has no attribute histogram' in str(error)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
