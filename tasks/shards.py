"""Raw files become shards: splits, in files that read fast."""

from contextlib import AbstractContextManager, nullcontext

from deeptrain.lineage import Lineage
from tasks.base import ExperimentTask


class Shards(ExperimentTask):
    """The raw files of `[data]`, converted."""

    stage = "shards"

    def alone(self, plan: Lineage) -> AbstractContextManager[object]:  # noqa: ARG002 - the base class's
        """The library takes the lock: scripts make shards too."""
        return nullcontext()

    def make(self, plan: Lineage) -> None:
        """Convert them."""
        from deeptrain import session

        session.make_shards(plan)
