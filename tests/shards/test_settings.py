import pytest

from deeptrain.errors import SettingsError


def test_what_is_left_out_has_its_default(tools):
    settings = tools.settings()
    assert (settings.samples_per_set, settings.samples_per_shard, settings.dtype, settings.seed) == (
        32,
        65536,
        "float32",
        0,
    )
    assert settings.splits.asked() == {"train": 0.5, "val": 0.5, "calibration": 0, "test": 0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": {}}, "data.labels.column: name the column of the labels here, or their file as path"),
        ({"labels": {"column": "y", "positive": []}}, "data.labels.positive: must name at least one label"),
        (
            {"labels": {"column": "y", "positive": 1, "kind": "values"}},
            'makes the labels binary; leave it out, or kind = "v',
        ),
        ({"labels": {"colum": "y"}}, "data.labels.colum: unknown key; did you mean column?"),
        (
            {"splits": {"train": 0.8, "val": 0.3}},
            "data.splits.train: the fractions of all splits must add up to 1 at most",
        ),
        ({"splits": {"train": 5}}, "data.splits.val: missing"),
        ({"splits": {"train": 5, "val": 0}}, "data.splits.val: expected int >= 1, got 0"),
        ({"splits": {"train": 1.5, "val": 1}}, "data.splits.train: expected float < 1.0, got 1.5"),
        ({"splits": {"train": 5, "val": 5, "test": -1}}, "data.splits.test: expected int >= 0, got -1"),
        (
            {"splits": {"train": 5, "val": 5, "group": "label"}},
            "data.splits.group: must be another column than labels.column",
        ),
        ({"dtype": "object"}, 'expected "float32" or "float64"'),
        ({"shape": [8, 0]}, "data.shape: expected int >= 1"),
        ({"samples_per_set": 0}, "data.samples_per_set: expected int >= 1, got 0"),
        ({"path": ""}, "data.path: expected str of length >= 1"),
    ],
)
def test_mistakes_name_key_rule_and_value(tools, changes, message):
    with pytest.raises(SettingsError) as error:
        tools.settings(**changes)
    assert message in str(error.value)


def test_tenths_add_up_to_one_as_they_are_written(tools):
    tools.settings(splits={"train": 0.7, "val": 0.1, "calibration": 0.1, "test": 0.1})


def test_places_of_files_are_in_no_identity_but_everything_else_is(tools):
    one = tools.settings(path="a", labels={"path": "b/labels.csv"})
    other = tools.settings(path="/elsewhere/a", labels={"path": "/c/labels.csv"})
    assert one.relevant() == other.relevant()
    assert one.relevant() != tools.settings(path="a").relevant()
    for change in ({"seed": 1}, {"samples_per_set": 8}, {"samples_per_shard": 8}, {"dtype": "uint8"}, {"shape": [2]}):
        assert tools.settings(**change).relevant() != tools.settings().relevant()
