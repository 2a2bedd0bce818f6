"""The history of a run as tables: iterations, epochs, and what was watched, for NumPy, pandas, polars or Parquet.

Nothing but the run's directory is needed, while it is trained or long after; no code of the run is imported. Tables are
pyarrow's: `table["loss"].to_numpy()`, `table.to_pandas()`, `polars.from_arrow(table)`, and
`pyarrow.parquet.write_table(table, "loss.parquet")`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeptrain import tables
from deeptrain.errors import MISSHAPEN, ArtifactError, SettingsError, did_you_mean, in_one_line
from deeptrain.introspection import watched as format
from deeptrain.store import artifact, run_names
from deeptrain.store.artifact import Artifact

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

HISTORY, METRICS, PROGRESS = "history.parquet", "metrics.json", "progress.json"


def iterations(
    run: str | Path, *, epochs: int | Sequence[int] | None = None, iterations: tuple[int, int] | None = None
) -> "pa.Table":
    """One row an iteration, in the order they were fit, of the epochs that have ended and of the newest checkpoint.

    Columns: `epoch`; `iteration`, from 0 since the training began; `batch` and `window` in the epoch; `samples`; `loss`
    float32, before the update; and `metric.NAME` float32, NaN where an iteration has none.

    Args:
        run: a run's directory, "runs/digits", or that of one of its trainings, "runs/digits/training-1a2b...".
        epochs: one or several, from 1; by default all.
        iterations: the first, and the one behind the last; by default all.

    Raises:
        ArtifactError: when there is no run, no epoch of it, or another version wrote it.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    training = directory(run)
    tables = []
    for number, found in [*_epochs(training), *_unfinished(training)]:
        if epochs is None or number in _numbers(epochs):
            rows = _parquet(found)
            tables.append(rows.add_column(0, "epoch", pa.array([number] * len(rows), pa.int32())))
    if not tables:
        raise ArtifactError(f"{training}: no iteration of {_named(epochs)} is on disk yet")
    table = pa.concat_tables(tables, promote_options="default")
    for name in table.column_names:
        if name.startswith("metric."):
            filled = pc.fill_null(table[name], pa.scalar(float("nan"), table[name].type))
            table = table.set_column(table.column_names.index(name), name, filled)
    return _between(table, iterations)


def epochs(run: str | Path) -> "pa.Table":
    """One row an epoch that has ended.

    Columns: `epoch`; `iterations` since the training began; `learning_rate` of the next iteration; `key_value`, the key
    metric; `best`, whether it was the best until then; `threshold` of the validations after it; `train.NAME` and
    `validation.NAME`, and of each callback the numbers it keeps, `callback.NAME.KEY`, such as
    `callback.dynamic_threshold.cross_fitted`; NaN where there is none.

    Args:
        run: see `iterations`.

    Raises:
        ArtifactError: when there is no run, no epoch of it, or another version wrote it.
    """
    import pyarrow as pa

    training = directory(run)
    rows = [_results(found) for _, found in _epochs(training)]
    if not rows:
        raise ArtifactError(f"{training}: no epoch of it is done yet")
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: [row.get(name, float("nan")) for row in rows] for name in names})


def watched(
    run: str | Path,
    quantity: str | None = None,
    *,
    layer: str | None = None,
    statistic: str | None = None,
    epochs: int | Sequence[int] | None = None,
    iterations: tuple[int, int] | None = None,
) -> "pa.Table":
    """What the callback `watch` recorded, a row a number: see `introspection.watched` for the columns.

    Args:
        run: see `iterations`.
        quantity: "weights", "gradients", "outputs", "optimizer", "updates", "learning_rate", or one of your own.
        layer: a pattern of layers, "conv*", or of their weights, "conv*/kernel".
        statistic: "norm", "mean", "histogram", ...
        epochs: one or several, from 1.
        iterations: fit before the look: the first number, and the one behind the last.

    Raises:
        ArtifactError: when there is no run, nothing was watched in it, or another version wrote it.
        SettingsError: when nothing that was recorded is called so, with the nearest name.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    training = directory(run)
    table = _rows(training)
    if not len(table):
        raise ArtifactError(f'{training}: nothing was watched; name the callback "watch" in training.callbacks')
    for column, asked in (("quantity", quantity), ("statistic", statistic)):
        if asked is not None:
            known = sorted(pc.unique(table[column]).to_pylist())
            if asked not in known:
                raise _unknown(training, column, asked, known)
            table = table.filter(pc.equal(table[column], asked))
    if layer is not None:
        places = pc.binary_join_element_wise(table["layer"], table["weight"], "\n")
        known = pc.unique(places).to_pylist()
        found = [one for one in known if format.matches(layer, *one.split("\n"))]
        if not found:
            raise _unknown(training, "layer", layer, sorted({one.partition("\n")[0] for one in known} - {""}))
        table = table.filter(pc.is_in(places, pa.array(found, pa.string())))
    if epochs is not None:
        table = table.filter(pc.is_in(table["epoch"], pa.array(_numbers(epochs), pa.int32())))
    return _between(table, iterations)


def curves(rows: "pa.Table") -> tuple["np.ndarray", dict[str, "np.ndarray"]]:
    """Rows of `watched` as `pictures.over_time` draws them: the iterations, and by name the values at these.

    A name is that of the layer and its weight, "dense/kernel", and of the quantity before and the statistic behind
    them where the rows have several of these. Histograms, which have no value, are left out.

    Args:
        rows: of `watched`, such as the norms of gradients.

    Returns:
        (looks,) ascending; and of each curve (looks,) float64, NaN where there was none.

    Raises:
        SettingsError: when no row has a value.
    """
    import numpy as np
    import pyarrow.compute as pc

    rows = rows.filter(pc.is_valid(rows["value"]))
    if not len(rows):
        raise SettingsError("curves: expected rows with values, got none: histograms are no curves")
    several = {column: len(pc.unique(rows[column])) > 1 for column in ("quantity", "statistic")}
    iterations, places = np.unique(rows["iteration"].to_numpy(), return_inverse=True)
    found: dict[str, np.ndarray] = {}
    columns = (rows[column].to_pylist() for column in ("quantity", "layer", "weight", "statistic", "value"))
    for place, quantity, layer, weight, statistic, value in zip(places.tolist(), *columns, strict=True):
        within = "/".join(filter(None, (layer, weight)))
        parts = (quantity if several["quantity"] or not within else "", within, statistic * several["statistic"])
        curve = found.setdefault(" ".join(filter(None, parts)), np.full(len(iterations), np.nan))
        curve[place] = value
    return iterations, found


def directory(run: str | Path) -> Path:
    """The directory of the training that a run's newest finished job is of, or of its only one.

    Raises:
        ArtifactError: when there is none.
    """
    root, names = run_names.of(Path(run))
    found = root / str(names["training"])
    if not found.is_dir():
        raise ArtifactError(f"{found}: no such training; a run is a directory such as runs/digits")
    return found


def _epochs(training: Path) -> list[tuple[int, Artifact]]:
    return [(number, run_names.epoch(training, number)) for number in run_names.done(training)]


def _unfinished(training: Path) -> list[tuple[int, Artifact]]:
    """The newest checkpoint of the epoch that is being trained, if there is one."""
    last = max(run_names.done(training), default=0)
    paths = sorted(training.glob("unfinished/[0-9]*"))
    found = [(int(name), path) for path in paths if (name := path.name.partition(".")[0]).isdecimal()]
    newest = [(number, path) for number, path in found if number > last][-1:]
    return [(number, artifact.open(path)) for number, path in newest]


def _rows(training: Path) -> "pa.Table":
    """What was watched: in the epochs that have ended, and in the one that has not up to its newest checkpoint."""
    names = [format.file(number, ended=True) for number in run_names.done(training)]
    names += [format.file(number, ended=False) for number, _ in _unfinished(training)]
    paths = [training / "live" / format.FOLDER / name for name in names]
    return format.joined([format.decode(path.read_bytes(), path) for path in paths if path.is_file()])


def _parquet(found: Artifact) -> "pa.Table":
    path = found.directory / HISTORY
    rows = tables.decode(found.verified(HISTORY), path, "a history")
    missing = [name for name in ("iteration", "batch", "window", "samples", "loss") if name not in rows.column_names]
    if missing:
        raise ArtifactError(f"{path}: has no column {missing[0]!r}: written by another version of deeptrain")
    return rows


def _results(found: Artifact) -> dict[str, Any]:
    told, progress = found.json(METRICS), found.json(PROGRESS)
    try:
        row: dict[str, Any] = {"epoch": int(told["epoch"]), "iterations": int(told["iterations"])}
        row |= {"learning_rate": float(told["learning_rate"]), "key_value": float(told["key_value"])}
        row["best"] = bool(told["best"])
        for split in ("train", "validation"):
            row |= {f"{split}.{name}": float(value) for name, value in told[split].items()}
        row["threshold"] = float(progress["state"]["threshold"])
        for name, kept in progress["state"]["callbacks"].items():
            row |= {f"callback.{name}.{key}": float(value) for key, value in kept.items() if _is_number(value)}
    except MISSHAPEN as error:
        path = found.directory / METRICS
        raise ArtifactError(
            f"{path}: not the results of an epoch ({in_one_line(error)}): of another version"
        ) from error
    return row


def _is_number(value: Any) -> bool:
    """Whether a value of JSON is one, "nan" and "inf" too."""
    return (isinstance(value, int | float) and not isinstance(value, bool)) or value in ("nan", "inf", "-inf")


def _between(table: "pa.Table", iterations: tuple[int, int] | None) -> "pa.Table":
    import pyarrow.compute as pc

    if iterations is None:
        return table
    first, behind = iterations
    if not 0 <= first < behind:
        raise SettingsError(f"iterations: expected the first and the one behind the last, got {first} and {behind}")
    return table.filter(pc.and_(pc.greater_equal(table["iteration"], first), pc.less(table["iteration"], behind)))


def _numbers(epochs: int | Sequence[int]) -> list[int]:
    return [epochs] if isinstance(epochs, int) else list(epochs)


def _named(epochs: int | Sequence[int] | None) -> str:
    return "it" if epochs is None else f"epoch {', '.join(map(str, _numbers(epochs)))}"


def _unknown(training: Path, what: str, asked: str, known: Sequence[str]) -> SettingsError:
    return SettingsError(f"{training}: no {what} {asked!r} was watched; {did_you_mean(asked, known)}")
