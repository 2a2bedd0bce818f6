"""Raw arrays of a state as one safetensors file against a `.npy` a variable, durably written and verified."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest

from deeptrain.store import artifact
from deeptrain.store.specification import Specification
from deeptrain.training import arrays
from tests.benchmarks.side_by_side import measured, show


@pytest.mark.parametrize(("variables", "size"), [(30, 1_000), (100, 100_000), (60, 1_000_000)])
def test_formats_of_a_state(variables: int, size: int, tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.Philox(1))
    state = {f"model/{number:04d}/kernel": rng.random(size, dtype=np.float32) for number in range(variables)}

    def write(name: str, files: dict[str, bytes]) -> None:
        specification = Specification("state", 1, tmp_path, {"format": name})
        with artifact.writing(specification, {}) as writer:
            for file, data in files.items():
                writer.write(file, data)
        artifact.verify(specification.directory)
        shutil.rmtree(specification.directory)

    def npy(value: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        np.save(buffer, value)
        return buffer.getvalue()

    contestants = {
        "one safetensors file": lambda: write("safetensors", {"state.safetensors": arrays.encode(state)}),
        "a .npy a variable": lambda: write("npy", {f"{name}.npy": npy(value) for name, value in state.items()}),
    }
    megabytes = 4 * variables * size / 1e6
    show(f"a state of {variables} variables, {megabytes:,.1f} MB", measured(contestants, rounds=5))
