"""The `[report]` table."""

import pytest

from deeptrain.errors import SettingsError
from deeptrain.report.settings import ReportSettings
from deeptrain.settings import Mistakes, typed


def read(table: dict[str, object]) -> ReportSettings:
    mistakes = Mistakes("my.toml")
    found = typed(ReportSettings, table, "report", mistakes)
    mistakes.raise_if_any()
    assert found is not None
    return found


def test_nothing_need_be_said() -> None:
    assert read({}) == ReportSettings(title=None, dpi=200)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"dpi": 20}, r"my.toml: report.dpi: expected int >= 50.*20"),
        ({"dpi": 4000}, r"my.toml: report.dpi: expected int <= 400.*4000"),
        ({"title": ""}, r"my.toml: report.title: expected str of length >= 1"),
        ({"titel": "x"}, r"my.toml: report.titel: unknown key; did you mean title\?"),
    ],
)
def test_mistakes_name_key_rule_and_value(table: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(table)
