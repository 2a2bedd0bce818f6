"""Names of what Keras has ready-made, in any spelling; known without loading Keras, so that a plan can check them."""

import re
from collections.abc import Collection

from deeptrain.errors import did_you_mean

LOSSES = (
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CTC",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
)
"""The classes of `keras.losses`; the same, which a test holds."""

ALIASES = {
    "bce": "binary_crossentropy",
    "cosine": "cosine_similarity",
    "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "mse": "mean_squared_error",
    "msle": "mean_squared_logarithmic_error",
}
"""Short names of losses, of Keras and of DeepTrain, by what they stand for."""


def bare(name: str) -> str:
    """A name without what spellings differ in: "MeanSquaredError" and "mean_squared_error" are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


_LOSSES = {bare(name): name for name in LOSSES}
_ALIASES = {bare(alias): name for alias, name in ALIASES.items()}


def loss(name: str) -> str | None:
    """The class of `keras.losses` that a name means, None where there is none."""
    return _LOSSES.get(bare(_ALIASES.get(bare(name), name)))


def in_one_spelling(name: str) -> str:
    """The name itself, and of the short name of a loss the long one: what identities tell."""
    return _ALIASES.get(bare(name), name)


def unknown_loss(name: str) -> str:
    """What to say of a name that means no loss: those of similar names."""
    return f"no loss of Keras has this name; {similar(name, [*LOSSES, *ALIASES])} Your own is named module:name"


def similar(name: str, known: Collection[str]) -> str:
    """Names like one that is not known, or all there are, as a sentence."""
    return did_you_mean(name, known, f"known: {', '.join(sorted(known))}.")
