"""The model of this experiment: change it, and run the same command again."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from deeptrain.shards.info import DataInfo


def build(data: "DataInfo", units: int, dropout: float) -> "keras.Model":
    """A net with one hidden layer that ends in one probability.

    Args:
        data: shapes, dtypes and classes of the data; `data.shape` is that of one sample.
        units: of the hidden layer.
        dropout: fraction of them left out in training.
    """
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(data.shape),
            layers.Dense(units, activation="relu"),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
