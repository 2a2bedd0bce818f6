import pytest

from deeptrain import files
from deeptrain.errors import SettingsError


def test_what_is_left_out_has_its_default(tools):
    settings = tools.settings()
    assert (settings.dtype, settings.seed, settings.remainder, settings.block_bytes) == ("float32", 0, "keep", 1 << 20)
    left = (settings.samples_per_set, settings.samples_per_shard, settings.shuffle, settings.compression)
    assert left == (None, None, None, None)
    assert settings.splits.asked() == {"train": 0.5, "val": 0.5, "calibration": 0, "test": 0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
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
        ({"weights": "label"}, "data.weights: must be another column than labels.column, got 'label'"),
        ({"splits": {"train": "a", "val": 0.5}}, "data.splits.val: expected a path, as the other splits have, got 0.5"),
        ({"splits": {"train": "a", "val": "b"}}, "data.path: leave it out where the splits have paths of their own"),
        (
            {"splits": {"train": "a", "val": "b", "group": "who"}},
            "data.splits.group: keeps people apart when sizes are given; splits from paths are taken as they are",
        ),
        ({"loader": "mine"}, "data.loader: expected module:function, got 'mine'"),
        ({"loader": {"use": "mine"}}, "data.loader: expected module:function, got 'mine'"),
        ({"loader": {"use": "a:b", "argument": {}}}, "data.loader.argument: unknown key; did you mean arguments?"),
        ({"dtype": {"x": "object"}}, 'data.dtype: expected "float32" or "float64"'),
        ({"dtype": 3}, "data.dtype: expected "),
        ({"samples_per_set": "file", "shuffle": True}, "data.shuffle: samples that are shuffled across a split leave"),
        ({"compression": "gzip"}, 'data.compression: expected "lz4" or "zstd", got'),
        ({"block_bytes": 10}, "data.block_bytes: expected int >= 4096, got 10"),
        ({"labels": "inputs"}, "data.labels: "),
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


def test_raw_data_must_be_somewhere(tools):
    with pytest.raises(SettingsError, match=r"data\.path: name the raw file or directory here, or a path for each"):
        tools.typed({"splits": {"train": 1, "val": 1}})
    with pytest.raises(SettingsError, match=r"data\.labels\.path: with splits from paths the labels lie beside each"):
        tools.typed({"splits": {"train": "a", "val": "b"}, "labels": {"path": "y.csv"}})


def test_the_kind_of_labels_is_known_from_what_was_said(tools):
    assert tools.settings(labels="input").kinds == {"": "values"}
    assert tools.settings(labels={"positive": 1}).kinds == {"": "binary"}
    assert tools.settings(labels={"kind": "classes"}).kinds == {"": "classes"}
    assert tools.settings().kinds == {"": None}
    several = {"b": {"column": "n", "kind": "values"}, "a": {"column": "y", "positive": 1}}
    assert list(tools.settings(labels=several).kinds.items()) == [("a", "binary"), ("b", "values")]


def test_tenths_add_up_to_one_as_they_are_written(tools):
    tools.settings(splits={"train": 0.7, "val": 0.1, "calibration": 0.1, "test": 0.1})


def test_places_of_files_are_in_no_identity_but_everything_else_is(tools):
    one = tools.settings(path="a", labels={"path": "b/labels.csv"})
    other = tools.settings(path="/elsewhere/a", labels={"path": "/c/labels.csv"})
    assert one.relevant() == other.relevant()
    assert one.relevant() != tools.settings(path="a").relevant()
    paths = [tools.typed({"splits": {"train": a, "val": "v"}, "labels": "input"}).relevant() for a in ("a", "b")]
    assert paths[0] == paths[1]
    for change in (
        {"seed": 1},
        {"samples_per_set": 8},
        {"samples_per_shard": 8},
        {"dtype": "uint8"},
        {"shape": [2]},
        {"shuffle": False},
        {"remainder": "drop"},
        {"compression": "lz4"},
        {"block_bytes": 8192},
        {"weights": "w"},
        {"labels": "input"},
        {"reading": {"ignored": ["a"]}},
        {"loader": "my:load"},
        {"loader": {"use": "my:load", "arguments": {"a": 1}}},
        {"dtype": {"x": "uint8"}},
        {"allow_missing": True},
    ):
        assert tools.settings(**change).relevant() != tools.settings().relevant()


def test_a_loader_has_one_identity_however_it_is_written_and_its_arguments_are_in_it(tools):
    bare = tools.settings(loader="my:load").relevant()
    assert bare == tools.settings(loader={"use": "my:load"}).relevant()
    assert bare == tools.settings(loader={"use": "my:load", "arguments": {}}).relevant()
    with_arguments = [
        tools.settings(loader={"use": "my:load", "arguments": {"a": value}}).relevant() for value in (1, 1, 2)
    ]
    assert with_arguments[0] == with_arguments[1] != with_arguments[2] != bare


def test_settings_that_are_as_they_always_were_are_recorded_as_they_always_were(tools):
    """The digests of the version before a dtype by input, arguments of a loader and missing values."""
    for changes, digest in (
        ({}, "e3b92122983430267d45477a6cbaa4610557f7e22001125383176ff4057c809d"),
        ({"loader": "my:read"}, "4edac03b1cb95a406a8703e69b53cd244ee28aebc8e66f259f47faa39a6eae7d"),
        ({"dtype": "uint8"}, "09500dc5a2b86cbd12f658b72a5e97ee275340c52b3e2c3084ec7cebb9d46ee3"),
    ):
        assert files.digest_of(tools.settings(**changes).relevant()) == digest
