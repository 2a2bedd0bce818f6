"""tf.data over TFRecord files of `tf.train.Example`, as TensorFlow's guide on input performance has it."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from tests.benchmarks.loading.dataset import Dataset
from tests.benchmarks.loading.peer import Pair

SHUFFLE = 10_000


class TfRecords:
    """Examples are parsed a batch at once, which is faster than one by one."""

    orders = {  # noqa: RUF012
        "sequential": "files in turn, prefetch",
        "shuffled": f"interleave 4 files, buffer of {SHUFFLE:,}",
    }
    resumes = tuple(orders)

    def prepare(self, dataset: Dataset, directory: Path, batches: Sequence[int]) -> None:  # noqa: ARG002
        for number, (_, xs, ys) in enumerate(dataset.chunks()):
            with tf.io.TFRecordWriter(str(directory / f"{number:05d}.tfrecord")) as writer:
                for x, y in zip(xs, ys, strict=True):
                    feature = {
                        "x": tf.train.Feature(bytes_list=tf.train.BytesList(value=[x.tobytes()])),
                        "y": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(y)])),
                    }
                    writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())

    def open(self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int) -> Iterator[Pair]:
        return Arrays(iter(self._batches(dataset, directory, order, batch, seed)))

    def save(self, stream: "Arrays", directory: Path) -> None:
        tf.train.Checkpoint(stream=stream.tensors).write(str(directory / "state"))

    def resume(
        self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int, saved: Path
    ) -> Iterator[Pair]:
        stream = iter(self._batches(dataset, directory, order, batch, seed))
        tf.train.Checkpoint(stream=stream).read(str(saved / "state")).assert_consumed()
        return Arrays(stream)

    def _batches(self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int) -> tf.data.Dataset:
        kind = tf.as_dtype(dataset.dtype)
        spec = {"x": tf.io.FixedLenFeature([], tf.string), "y": tf.io.FixedLenFeature([], tf.int64)}

        def parse(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            parsed = tf.io.parse_example(records, spec)
            return tf.reshape(tf.io.decode_raw(parsed["x"], kind), (-1, *dataset.shape)), parsed["y"]

        files = sorted(map(str, directory.glob("*.tfrecord")))
        if order == "sequential":
            records = tf.data.TFRecordDataset(files, buffer_size=8 << 20)
        else:
            records = tf.data.Dataset.from_tensor_slices(files).shuffle(len(files), seed=seed)
            records = records.interleave(
                lambda file: tf.data.TFRecordDataset(file, buffer_size=8 << 20),
                cycle_length=4,
                num_parallel_calls=tf.data.AUTOTUNE,
                deterministic=True,
            ).shuffle(SHUFFLE, seed=seed)
        return records.batch(batch).map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


class Arrays:
    """Tensors of an iterator as arrays that share their memory."""

    def __init__(self, tensors: Iterator[tuple[tf.Tensor, tf.Tensor]]) -> None:
        self.tensors = tensors

    def __iter__(self) -> "Arrays":
        return self

    def __next__(self) -> Pair:
        x, y = next(self.tensors)
        return np.asarray(memoryview(x)), np.asarray(memoryview(y))


PEER = TfRecords()
