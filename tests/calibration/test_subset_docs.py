"""The examples of docs/calibration.md about the best sets, as they stand there."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_examples_run() -> None:
    text = (DOCS / "calibration.md").read_text()
    section = text[text.index("## The best subset") : text.index("## Members of an ensemble")]
    names: dict[str, object] = {}
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE), 1):
        exec(compile(block, f"calibration.md, example {number}", "exec"), names)
    assert names["best"].certified
