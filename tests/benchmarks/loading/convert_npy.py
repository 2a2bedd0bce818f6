"""deeptrain's conversion of `.npy` files into shards, published as an artifact."""

from tests.benchmarks.loading.convert_csv import TABLE, Converted


class ConvertedArrays(Converted):
    """Labels lie apart, in order."""

    table = {**TABLE, "labels": {"path": "labels", "kind": "classes"}}  # noqa: RUF012


PEER = ConvertedArrays()
