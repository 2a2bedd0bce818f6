"""A small net for the visits experiment."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from deeptrain.shards.info import DataInfo


def build(data: "DataInfo", units: int, dropout: float) -> "keras.Model":
    """A net of two dense layers, ending in one probability.

    The features have scales of their own, from yes or no to 58 diseases: batch normalisation brings each to one scale.

    Args:
        data: shapes and classes of the data; samples are (9,).
        units: of each hidden layer.
        dropout: fraction of the features left out in training, before the output.
    """
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(data.shape),
            layers.BatchNormalization(),
            layers.Dense(units, activation="relu"),
            layers.Dense(units, activation="relu"),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="visits",
    )
