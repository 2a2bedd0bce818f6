"""A small convolutional autoencoder for the autoencoder experiment."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from deeptrain.shards.info import DataInfo

GREYS = 16.0


def build(data: "DataInfo", filters: int, code: int) -> "keras.Model":
    """Convolutions down to a code of a few numbers, and from there up to the image again.

    Pixels are grey values from 0 to 16, and so is what comes out, by a sigmoid.

    Args:
        data: shapes of the data; samples are (8, 8, 1).
        filters: of the convolutions at full size; those at half the size have twice as many.
        code: how many numbers are left of an image in the middle.
    """
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(data.shape),
            layers.Rescaling(1 / GREYS),
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.Conv2D(2 * filters, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(code, name="code"),
            layers.Dense(4 * 4 * 2 * filters, activation="relu"),
            layers.Reshape((4, 4, 2 * filters)),
            layers.Conv2DTranspose(filters, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
            layers.Rescaling(GREYS, name="image"),
        ],
        name="autoencoder",
    )
