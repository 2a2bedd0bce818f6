"""The ready-made preprocessors by the names an experiment gives them."""

from collections.abc import Callable, Mapping
from typing import Any

from deeptrain.loading.noise import Noise
from deeptrain.loading.normalise import Normalise
from deeptrain.loading.one_hot import OneHot
from deeptrain.loading.random_crop import RandomCrop
from deeptrain.loading.random_flip import RandomFlip

READY: Mapping[str, Callable[..., Any]] = {
    "normalise": Normalise,
    "noise": Noise,
    "one_hot": OneHot,
    "random_crop": RandomCrop,
    "random_flip": RandomFlip,
}
