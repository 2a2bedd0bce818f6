"""Every example in the docs about calibration, control, introspection, running and training, as it stands there."""

import re
from pathlib import Path

import pytest
from PIL import Image

from deeptrain.training import runtime
from tests.conftest import TOML, write_experiment

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize(
    "page", ["calibration.md", "control.md", "introspection.md", "orchestration.md", "running.md", "training.md"]
)
@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)  # Keras reads so
def test_the_examples_of_a_page_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.start(1, True)
    write_experiment(tmp_path, toml=TOML).rename(tmp_path / "my.toml")
    monkeypatch.chdir(tmp_path)
    text = (DOCS / page).read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert blocks
    names: dict[str, object] = {"__name__": page}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"{page}, example {number}", "exec"), names)
    shown = re.findall(r"!\[[^\]]+\]\(pictures/([^)]+)\)", text)
    assert bool(shown) == (page == "introspection.md")
    for name in shown:  # what the numbers are differs a little from one processor to the next
        with Image.open(DOCS / "pictures" / name) as kept, Image.open(tmp_path / name) as made:
            assert (kept.size, getattr(kept, "n_frames", 1)) == (made.size, getattr(made, "n_frames", 1))
