"""Raw files become shards: splits, in files that read fast."""

from deeptrain.lineage import Lineage
from tasks.base import ExperimentTask


class Shards(ExperimentTask):
    """The raw files of `[data]`, converted."""

    stage = "shards"

    def make(self, plan: Lineage) -> None:
        """Convert them."""
        from deeptrain import session

        session.make_shards(plan)
