"""A recurrent net that follows a series from window to window, for the movements experiment."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from deeptrain.loading.fed import FedInfo


def build(data: "FedInfo", units: int, dropout: float) -> "keras.Model":
    """A stateful LSTM, ending in a probability for each exercise.

    Accelerometer and gyroscope have scales of their own: batch normalisation brings each number to one scale.

    Args:
        data: shapes and classes of the data as it is fed; windows are (steps, 6), `batch_size` of them at once.
        units: of the LSTM.
        dropout: fraction of the features left out in training, before the output.
    """
    import keras
    from keras import layers

    inputs = keras.Input(batch_shape=(data.batch_size, *data.shape))
    followed = layers.LSTM(units, stateful=True)(layers.BatchNormalization()(inputs))
    outputs = layers.Dense(data.outputs, activation="softmax")(layers.Dropout(dropout)(followed))
    return keras.Model(inputs, outputs, name="movements")
