"""A trained model as files that need no deeptrain: `.keras`, SavedModel, and what else one must know to use them."""

import contextlib
import io
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deeptrain import files
from deeptrain.calibration.maps import methods
from deeptrain.calibration.maps.score_map import Map
from deeptrain.loading.normalise import Normalise
from deeptrain.loading.preprocessing import Preprocessor
from deeptrain.shards.info import DataInfo
from deeptrain.shards.outputs import each
from deeptrain.training import calibrated_layer
from deeptrain.training.keras_globals import fresh_names_and_seeds
from deeptrain.training.outputs import OutputKind


def export(
    directory: Path,
    model: Any,
    data: DataInfo,
    preprocessors: Sequence[Preprocessor],
    *,
    epochs: Sequence[int],
    outputs: OutputKind,
    threshold: float | None,
    probability_map: Map | None = None,
    calibrated: str | None = None,
) -> list[Path]:
    """Write the model with its preprocessing, and return the paths.

    `model.keras` has the same bytes whenever it is written; `saved_model/` is TensorFlow's; `export.json` tells shape,
    classes, threshold, and preprocessing of the user's own, which no model file can hold and callers must do. Several
    outputs go by their names, as in the model, and so do their kinds and classes.

    Args:
        directory: where to; files of an earlier export there are replaced.
        model: the `keras.Model`.
        data: what it was trained on.
        preprocessors: what is done to samples before the model sees them.
        epochs: whose weights it has, or the mean of them; the last is the one that was asked for.
        outputs: what the model's outputs are.
        threshold: above which a sample is positive, None without one.
        probability_map: what makes scores into probabilities. With it the exported model has two outputs by name:
            "score", which the threshold is about, as the model gave it, and "probability".
        calibrated: of several outputs, the one that the threshold is for.
    """
    import keras

    own = [part for part in preprocessors if not isinstance(part, Normalise)]
    # Only what comes before any preprocessing of the user's own can be put in front of the model.
    with fresh_names_and_seeds(0):
        layers = [] if own else [_layer(part) for part in preprocessors if isinstance(part, Normalise)]
        samples = keras.Input(data.shape, name="samples")
        if data.named:
            outputs_by_name = model(keras.Sequential([samples, *layers])(samples) if layers else samples)
            whole = keras.Model(samples, outputs_by_name, name="exported")
        else:
            whole = keras.Sequential([samples, *layers, model], name="exported")
        if probability_map is not None and isinstance(data.kind, str):
            last = calibrated_layer.of(probability_map, whole.output_shape[1:], data.kind, outputs)
            whole = keras.Model(whole.inputs, last(whole.outputs[0]), name="exported")
    files.make_directories(directory)
    kept = files.write_file(directory / "model.keras", _the_same_again(_saved(whole)))
    saved = directory / "saved_model"
    hidden = files.unique_sibling(saved)
    with contextlib.redirect_stdout(io.StringIO()):
        whole.export(hidden, verbose=False)
    for path in hidden.rglob("*"):
        if path.is_file():
            files.sync_file(path)
    files.sync_tree(hidden)
    if saved.exists():
        files.patiently(shutil.rmtree, saved)
    files.rename(hidden, saved)
    told = {
        "epoch": epochs[-1],
        **({"averaged": list(epochs)} if len(epochs) > 1 else {}),
        "shape": list(data.shape),
        "dtype": data.dtype,
        "kind": data.kind,
        "classes": each(list, data.classes),
        "outputs": outputs,
        "threshold": threshold,
        **({} if probability_map is None else {"probabilities": methods.plain(probability_map)}),
        **({"threshold_of": calibrated} if data.named and threshold is not None else {}),
        "preprocessing_included": [type(part).__name__ for part in preprocessors] if not own else [],
        "preprocessing_to_do_before": [type(part).__name__ for part in preprocessors] if own else [],
        "model_sha256": kept.sha256,
    }
    files.write_file(directory / "export.json", files.readable_json(told))
    return [directory / "model.keras", saved, directory / "export.json"]


def _layer(normalise: Normalise) -> Any:
    import keras

    return keras.layers.Rescaling(normalise.scale, offset=-normalise.mean * normalise.scale, name="normalise")


def _saved(model: Any) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.keras"
        model.save(path)
        return path.read_bytes()


def _the_same_again(data: bytes) -> bytes:
    """A `.keras` file without what differs from one writing to the next: dates, and addresses of shared objects."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(result, "w") as target:
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name == "metadata.json":
                told = {**json.loads(content), "date_saved": "1980-01-01@00:00:00"}
                content = json.dumps(told, sort_keys=True).encode()
            elif name == "config.json":
                content = _numbered_from_zero(content)
            target.writestr(zipfile.ZipInfo(name, files.EARLIEST), content)
    return result.getvalue()


def _numbered_from_zero(config: bytes) -> bytes:
    """Keras tells shared objects apart by their address; numbers in order of appearance do as well."""
    numbers: dict[bytes, int] = {}
    return re.sub(
        rb'"shared_object_id": (\d+)',
        lambda found: b'"shared_object_id": %d' % numbers.setdefault(found[1], len(numbers)),
        config,
    )
