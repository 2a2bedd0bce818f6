"""Law 6 where more is read at once than a batch: cut within what was read, training goes on to the same bytes."""

from typing import Any, get_args

import numpy as np
import pytest

from deeptrain.loading.batches import Batches
from deeptrain.loading.order import Order
from deeptrain.shards.reading import Split
from deeptrain.training import Every, Trainer
from tests import shard_files
from tests.memory_journal import MemoryJournal
from tests.numpy_learner import NumpyLearner

SAMPLES, BATCH, EPOCHS = 270, 11, 2
ITERATIONS = -(-SAMPLES // BATCH)


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """A sample a block: 8 are read at once, in the order `blocks` 256, and neither is a number of whole batches."""
    x = np.random.Generator(np.random.Philox(6)).standard_normal((SAMPLES, 2), np.float32)
    labels = np.arange(SAMPLES, dtype=np.uint8) % 2
    place = tmp_path_factory.mktemp("samples")
    return shard_files.split(place, x, labels, kind="binary", set_sizes=[27] * 10, block_bytes=x[0].nbytes)


def trainer(split: Split, order: Order, superbatch_bytes: int, journal: MemoryJournal) -> Trainer:
    data = Batches(split, BATCH, seed=4, order=order, superbatch_bytes=superbatch_bytes)
    options: Any = {"epochs": EPOCHS, "journal": journal, "autosave": Every(iterations=1)}
    return Trainer(NumpyLearner(), data, **options)


@pytest.mark.parametrize("superbatch_bytes", [0, 1 << 20])
@pytest.mark.parametrize("order", get_args(Order))
def test_a_training_cut_at_every_iteration_within_what_was_read_ends_in_the_same_bytes(
    order: Order, superbatch_bytes: int, split: Split
) -> None:
    """Each iteration is fit by a trainer of its own, which reads from where the one before it stood."""
    whole, cut = MemoryJournal(), MemoryJournal()
    trainer(split, order, superbatch_bytes, whole).train()
    iterations = 0
    while cut.done() < EPOCHS:
        one = trainer(split, order, superbatch_bytes, cut)
        assert one.position.iteration == iterations
        one.step()
        one.close()
        iterations += 1
    assert iterations == EPOCHS * ITERATIONS + 1  # the last only ends the epoch
    for (results, state, checkpoint), again in zip(whole.epochs, cut.epochs, strict=True):
        assert (results, state) == again[:2]
        assert np.array_equal(checkpoint.history.loss, again[2].history.loss)
        for name, value in checkpoint.variables.items():
            np.testing.assert_array_equal(value, again[2].variables[name])
