"""A training as event files, which TensorBoard shows; it is not needed to write them."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeptrain.training.callbacks.files_beside import FilesBeside
from deeptrain.training.callbacks.watch import Watch

if TYPE_CHECKING:
    import pyarrow as pa

    from deeptrain.training.history import History
    from deeptrain.training.results import Results
    from deeptrain.training.trainer import Trainer

VERSION = "brain.Event:2"


class EventFiles:
    """Writes `live/event_files/events.out.tfevents.0000000003.deeptrain` at the end of each epoch.

    Scalars: `iteration/loss` and `iteration/METRIC` of each iteration; `epoch/train/METRIC`, `epoch/validation/METRIC`
    and `epoch/learning_rate` of each epoch; and what callbacks `watch` recorded, `weights/dense/kernel/norm`, their
    histograms as such. The step is how many iterations were fit since the training began.

    Law: however often training was killed, each step is there once: a file is written whole when its epoch ends, and
    epochs that are trained again replace theirs. Nothing of training changes, and it is in no identity.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Choose nothing.

        Args:
            clock: seconds since 1970, told of all events of a file: when it was written.
        """
        self._files = FilesBeside("event_files")
        self._clock = clock
        self._results: Results | None = None

    def epoch_end(self, trainer: "Trainer", results: "Results") -> None:  # noqa: ARG002 - the protocol's
        """Remember what the epoch came to: what others record at its end comes after this."""
        self._results = results

    def save(self, trainer: "Trainer") -> None:
        """Write the epoch that has ended."""
        results, self._results = self._results, None
        if results is None or trainer.live is None:
            return
        watching = [one.rows() for one in trainer.callbacks.values() if isinstance(one, Watch)]
        data = encode(_events(trainer.state.history, results, watching), self._clock())
        self._files.write(trainer, f"events.out.tfevents.{results.epoch:010}.deeptrain", data)


def encode(events: Iterator[tuple[int, Mapping[str, Any]]], seconds: float) -> bytes:
    """The bytes of an event file: TFRecords of protocol buffers, `Event` of `tensorflow/core/util/event.proto`.

    Args:
        events: step and values by tag: a number, or least, greatest and counts of a histogram.
        seconds: since 1970, of all events.
    """
    import tensorflow as tf

    v1 = tf.compat.v1
    with tempfile.TemporaryDirectory(prefix="deeptrain-") as directory:
        path = Path(directory) / "events"
        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(v1.Event(wall_time=seconds, file_version=VERSION).SerializeToString())
            for step, values in events:
                told = [
                    v1.Summary.Value(tag=tag, histo=_histogram(*value))
                    if isinstance(value, tuple)
                    else v1.Summary.Value(tag=tag, simple_value=value)
                    for tag, value in values.items()
                ]
                event = v1.Event(wall_time=seconds, step=step, summary=v1.Summary(value=told))
                writer.write(event.SerializeToString(deterministic=True))
        return path.read_bytes()


def _events(
    history: "History", results: "Results", watching: "list[pa.Table]"
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    columns = {"loss": history.loss, **history.metrics}
    for row, step in enumerate((history.iteration + 1).tolist()):
        yield step, {f"iteration/{name}": float(column[row]) for name, column in columns.items()}
    ended = {"epoch/learning_rate": results.learning_rate}
    ended |= {f"epoch/train/{name}": value for name, value in results.train.items()}
    ended |= {f"epoch/validation/{name}": value for name, value in results.validation.items()}
    yield results.iterations, ended
    for rows in watching:
        found: dict[int, dict[str, Any]] = {}
        for row in rows.to_pylist():
            tag = "/".join(filter(None, (row["quantity"], row["layer"], row["weight"], row["statistic"])))
            value = row["value"]
            if row["counts"] is not None:
                value = (row["low"], row["high"], row["counts"])
            found.setdefault(row["iteration"], {})[tag] = value
        yield from found.items()


def _histogram(low: float, high: float, counts: list[int]) -> Any:
    """Sums are of the middles of the bins: the numbers themselves are gone."""
    import tensorflow as tf

    width = (high - low) / len(counts)
    middles = [low + width * (number + 0.5) for number in range(len(counts))]
    return tf.compat.v1.HistogramProto(
        min=low,
        max=high,
        num=sum(counts),
        sum=sum(count * middle for count, middle in zip(counts, middles, strict=True)),
        sum_squares=sum(count * middle**2 for count, middle in zip(counts, middles, strict=True)),
        bucket_limit=[low + width * (number + 1) for number in range(len(counts))],
        bucket=counts,
    )
