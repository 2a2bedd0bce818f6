"""Iterations of a Keras model on PyTorch: one after the other, as PyTorch runs them."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from deeptrain.errors import TrainingError
from deeptrain.loading.arrays import Arrays, mapped
from deeptrain.training import keras_checks, keras_parts
from deeptrain.training.keras_pure import Pure, State


class TorchSteps:
    """Runs iterations: see `keras_steps.Steps`.

    The forward pass writes no variable: what layers change (statistics, seeds, states) is set beside the weights once
    the gradients are known, so that none of it is overwritten while they still depend on it.

    PyTorch's own generator, which Keras' Dropout without a seed draws from and modules of PyTorch do, begins each
    iteration with a seed made of a variable that checkpoints hold, and is afterwards as it was.
    """

    def __init__(self, pure: Pure) -> None:
        """Take a model.

        Raises:
            TrainingError: when it holds buffers of PyTorch's modules, which belong to no variable of Keras.
        """
        import torch

        layers = pure.model._flatten_layers()
        buffers = [f"{layer.name}.{name}" for layer in layers for name, _ in layer.named_buffers()]
        if buffers:
            raise TrainingError(
                f"{pure.model.name}: its buffers {', '.join(buffers[:3])} are of modules of PyTorch, and no checkpoint "
                "holds them: use layers of Keras, such as BatchNormalization"
            )
        self._pure = pure
        self._devices = range(torch.cuda.device_count())

    def fit(self, parts: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], Arrays]:
        """Fit batches: see `Steps.fit`."""
        count = next(len(part) for _, part in keras_checks.arrays(parts))
        given = keras_parts.changed(_tensor, parts)
        came = [self._iteration(_at(given, number)) for number in range(count)]
        told = {name: np.array([losses[name] for losses, _ in came], np.float32) for name in came[0][0]}
        first = came[0][1]
        if isinstance(first, Mapping):
            return told, {name: np.stack([outputs[name] for _, outputs in came]) for name in first}
        return told, np.stack([outputs for _, outputs in came])

    def judge(self, parts: Mapping[str, Any]) -> tuple[State, dict[str, float], Arrays]:
        """Judge a batch: see `Steps.judge`."""
        import torch

        with torch.no_grad(), self._seeded():
            states, (losses, outputs) = self._pure.judged(self._pure.state(), keras_parts.changed(_tensor, parts))
        return states, {name: float(loss) for name, loss in losses.items()}, mapped(_array, outputs)

    def set(self, state: Mapping[str, Any]) -> None:
        """Set variables: see `Steps.set`."""
        import torch

        with torch.no_grad():
            for name, value in state.items():
                self._pure.named[name].assign(value)

    def snapshot(self, name: str) -> np.ndarray:
        """The value of a variable, copied: PyTorch writes to it where it is."""
        return _array(self._pure.named[name].value)

    def _iteration(self, one: Mapping[str, Any]) -> tuple[dict[str, float], Any]:
        import torch

        pure = self._pure
        weights = [variable.value for variable in pure.learnable]
        drawn = {pure.of_seeds: pure.seeds.value + torch.tensor([0, 1]).to(pure.seeds.value)}
        with self._seeded():
            losses, outputs, changed = pure.fitted(dict(zip(pure.trained, weights, strict=True)) | drawn, one)
        gradients = torch.autograd.grad(pure.scaled({}, losses["loss"]), weights, allow_unused=True)
        self.set(drawn | changed)
        with torch.no_grad():
            pure.optimizer.apply(list(gradients), pure.learnable)
        return {name: float(loss.detach()) for name, loss in losses.items()}, mapped(_array, outputs)

    @contextlib.contextmanager
    def _seeded(self) -> Iterator[None]:
        import torch

        drawn = [int(number) & 0xFFFFFFFF for number in self._pure.seeds.value.tolist()]
        # Mixed, since on the CPU only 32 bits of a seed count.
        seed = int(np.random.SeedSequence(drawn).generate_state(1, np.uint64)[0])
        with torch.random.fork_rng(self._devices):
            torch.default_generator.manual_seed(seed)
            if self._devices:
                torch.cuda.manual_seed_all(seed)
            yield


def _at(parts: Mapping[str, Any], number: int) -> Any:
    return keras_parts.changed(lambda part: part[number], parts)


def _tensor(array: np.ndarray) -> Any:
    from keras import ops

    # PyTorch shares the memory, and warns of what it may not write to; what it makes of it is copied.
    return ops.convert_to_tensor(np.require(array, requirements=["C", "W"]))


def _array(tensor: Any) -> np.ndarray:
    """A copy, since memory is shared; NumPy has no bfloat16, float32 holds the same numbers."""
    import torch

    found = tensor.detach().cpu()
    return np.array((found.float() if found.dtype == torch.bfloat16 else found).numpy())
