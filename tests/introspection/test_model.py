"""A model's description is the same in any terminal."""

from types import SimpleNamespace

import pytest

from deeptrain.errors import IntrospectionError
from deeptrain.introspection.model import describe
from deeptrain.training import runtime


@pytest.fixture(autouse=True)
def tensorflow() -> None:
    """As all tests of a process start it: it cannot be started twice in different ways."""
    runtime.start(1, True)


TABLE = """\
layer      kind        output     parameters
inside     Sequential  (None, 3)          15
  dense_a  Dense       (None, 3)          15
dropout    Dropout     (None, 3)           0
dense_b    Dense       (None, 1)           4

19 parameters, 15 of them trained"""


@pytest.mark.parametrize("columns", ["20", "300"])
def test_the_table_does_not_depend_on_the_terminal(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras
    from keras import layers

    monkeypatch.setenv("COLUMNS", columns)
    inside = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="dense_a")], name="inside")
    fixed = layers.Dense(1, name="dense_b", trainable=False)
    model = keras.Sequential([keras.Input((4,)), inside, layers.Dropout(0.5, name="dropout"), fixed])
    described = describe(model)
    assert described.summary == TABLE
    assert described.parameters == 19
    assert str(described) == repr(described) == TABLE
    learner = SimpleNamespace(model=model)
    assert describe(learner) == described
    with pytest.raises(
        IntrospectionError,
        match="layers are those of a Keras model or its learner, got SimpleNamespace; give its learner",
    ):
        describe(SimpleNamespace(learner=learner))
    with pytest.raises(IntrospectionError, match="layers are those of a Keras model or its learner, got list"):
        describe([])


def test_a_subclassed_model_is_described_too() -> None:
    import keras
    from keras import layers

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first = layers.Dense(2, name="first")

        def call(self, x):  # type: ignore[no-untyped-def]
            return self.first(x)

    model = Net()
    model(keras.ops.zeros((1, 3)))
    assert "first  Dense" in describe(model).summary
    assert describe(model).parameters == 8
