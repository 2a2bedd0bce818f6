"""deeptrain over shards whose samples were shuffled across the whole data set when they were written."""

from collections.abc import Sequence
from pathlib import Path

from deeptrain import seeds
from tests.benchmarks.loading.dataset import Dataset
from tests.benchmarks.loading.ours import Ours, write


class OursMixed(Ours):
    """As a conversion leaves data that has no order of its own."""

    def prepare(self, dataset: Dataset, directory: Path, batches: Sequence[int]) -> None:  # noqa: ARG002
        write(directory, dataset, seeds.permutation(dataset.rows, "order", 0))


PEER = OursMixed()
