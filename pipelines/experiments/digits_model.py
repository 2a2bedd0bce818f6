"""A small convolutional net for the digits experiment."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from deeptrain.shards.info import DataInfo


def build(data: "DataInfo", filters: int, dropout: float) -> "keras.Model":
    """A net of two convolutions with batch normalisation and dropout, ending in one probability.

    Args:
        data: shapes and classes of the data; samples are (8, 8, 1).
        filters: of the first convolution; the second has twice as many.
        dropout: fraction of the features left out in training, before the output.
    """
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(data.shape),
            layers.Conv2D(filters, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(2 * filters, 3, activation="relu"),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="digits",
    )
