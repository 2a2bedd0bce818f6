"""MosaicML streaming over its MDS shards, local, in one process."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks.loading.dataset import Dataset
from tests.benchmarks.loading.peer import Pair
from tests.benchmarks.loading.without_torchvision import streaming


class Mosaic:
    """Its default shuffle, py1e."""

    orders = {"sequential": "no workers", "shuffled": "py1e, no workers"}  # noqa: RUF012
    resumes = tuple(orders)

    def prepare(self, dataset: Dataset, directory: Path, batches: Sequence[int]) -> None:  # noqa: ARG002
        columns = {"x": f"ndarray:{dataset.dtype}:{','.join(map(str, dataset.shape))}", "y": "int"}
        with streaming.MDSWriter(out=str(directory), columns=columns, size_limit=64 << 20) as writer:
            for _, xs, ys in dataset.chunks():
                for x, y in zip(xs, ys, strict=True):
                    writer.write({"x": x, "y": int(y)})

    def open(self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int) -> Iterator[Pair]:  # noqa: ARG002
        return Loaded(self._loader(directory, order, batch, seed))

    def save(self, stream: "Loaded", directory: Path) -> None:
        (directory / "state.json").write_text(json.dumps(stream.loader.state_dict()))

    def resume(
        self,
        dataset: Dataset,  # noqa: ARG002
        directory: Path,
        order: str,
        batch: int,
        seed: int,
        saved: Path,
    ) -> Iterator[Pair]:
        loader = self._loader(directory, order, batch, seed)
        loader.load_state_dict(json.loads((saved / "state.json").read_text()))
        return Loaded(loader)

    def _loader(self, directory: Path, order: str, batch: int, seed: int) -> streaming.StreamingDataLoader:
        streaming.base.util.clean_stale_shared_memory()
        stored = streaming.StreamingDataset(
            local=str(directory),
            batch_size=batch,
            shuffle=order == "shuffled",
            shuffle_seed=seed,
            num_canonical_nodes=1,
        )
        return streaming.StreamingDataLoader(stored, batch_size=batch, num_workers=0)


class Loaded:
    """Batches of a loader, which keeps its own position."""

    def __init__(self, loader: streaming.StreamingDataLoader) -> None:
        self.loader = loader
        self._batches = iter(loader)

    def __iter__(self) -> "Loaded":
        return self

    def __next__(self) -> Pair:
        batch = next(self._batches)
        return batch["x"].numpy(), batch["y"].numpy()


PEER = Mosaic()
