"""A map behind a model: the numbers of NumPy to float32 rounding, in a file that needs no code of ours."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deeptrain.calibration.maps import methods
from deeptrain.calibration.maps.score_map import softmax, targets
from deeptrain.calibration.probabilities import applicable
from deeptrain.training import calibrated_layer, runtime
from deeptrain.training.outputs import interpret

GENERATOR = np.random.Generator(np.random.Philox(9))
LOGITS = GENERATOR.normal(-1, 4, 400).astype(np.float32)
SEVERAL = (3 * GENERATOR.normal(size=(400, 4))).astype(np.float32)
EXTREME = np.array([0, 1, 1e-30, 0.5, 1 - 2.0**-24], np.float32)


@pytest.fixture(autouse=True)
def started() -> None:
    runtime.start(1, True)


def fitted(name: str, values: np.ndarray) -> methods.Map:
    if values.ndim == 1:
        labels = (GENERATOR.random(len(values)) < values**2).astype(np.int64)
        return methods.fit(name, values, targets(labels, 2)[:, 1])
    labels = (values.cumsum(axis=1) > GENERATOR.random((len(values), 1))).argmax(axis=1)
    return methods.fit(name, values, targets(labels, values.shape[1]))


@pytest.mark.parametrize("given", ["logits", "probabilities"])
@pytest.mark.parametrize("name", applicable(classes=False))
def test_of_two_classes_it_gives_what_the_map_gives(name: str, given: str) -> None:
    scores = np.concatenate([interpret(LOGITS, "binary", "logits").astype(np.float32), EXTREME])
    raw = np.concatenate([LOGITS, [-200, 200, 0]]).astype(np.float32) if given == "logits" else scores
    values = interpret(raw, "binary", given)
    found = fitted(name, values)
    said = calibrated_layer.of(found, (1,), "binary", given)(raw[:, None])
    np.testing.assert_array_equal(np.array(said["score"])[:, 0], raw)
    np.testing.assert_allclose(np.array(said["probability"])[:, 0], found.apply(values), rtol=0, atol=2.0**-24)


@pytest.mark.parametrize("given", ["logits", "probabilities"])
@pytest.mark.parametrize("name", applicable(classes=True))
def test_of_several_classes_it_gives_what_the_map_gives(name: str, given: str) -> None:
    raw = SEVERAL if given == "logits" else softmax(SEVERAL.astype(np.float64)).astype(np.float32)
    values = interpret(raw, "classes", given)
    found = fitted(name, values)
    said = calibrated_layer.of(found, (4,), "classes", given)(raw)
    np.testing.assert_array_equal(np.array(said["score"]), raw)
    np.testing.assert_allclose(np.array(said["probability"]), found.apply(values), rtol=0, atol=2.0**-24)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras' own, when it writes and reads its file
def test_a_file_opens_where_deeptrain_is_not_there_and_says_the_same(tmp_path: Path) -> None:
    values = interpret(SEVERAL, "classes", "logits")
    isotonic = calibrated_layer.of(fitted("isotonic", values), (4,), "classes", "logits")
    isotonic.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", SEVERAL)
    code = (
        "import sys, keras, numpy as np\n"
        "said = keras.models.load_model('model.keras').predict(np.load('x.npy'), verbose=0)\n"
        "assert not any(name.startswith('deeptrain') for name in sys.modules)\n"
        "np.save('said.npy', said['probability'])\n"
    )
    subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, check=True)
    there = isotonic.predict(SEVERAL, verbose=0)["probability"]
    np.testing.assert_array_equal(np.load(tmp_path / "said.npy"), there)
