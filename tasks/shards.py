"""Raw files become shards: what is known of samples, parts made by themselves, and what joins them.

The library takes the locks: scripts make shards, too.
"""

from deeptrain.errors import SettingsError
from deeptrain.lineage import Lineage
from deeptrain.store.specification import Specification
from tasks import watching
from tasks.base import ExperimentTask, WholeNumber


class Samples(ExperimentTask):
    """Everything known of each sample of the raw files of `[data]`."""

    stage = "samples"

    def make_unless_done(self, plan: Lineage) -> bool:
        """Read them."""
        from deeptrain.shards import conversion

        with watching.converting(self) as watch:
            return conversion.make_samples(plan.conversion, plan.checker, watch=watch)


class ShardPart(ExperimentTask):
    """A part of the shards; `luigi --workers N` makes N at once."""

    number: int = WholeNumber(option="--number", description="of the part, from 1")

    stage = "part"

    def check(self, plan: Lineage) -> None:
        """Check that it is one of the parts.

        Raises:
            SettingsError: when it is not.
        """
        parts = len(plan.conversion.parts)
        if self.number is None or not 1 <= self.number <= parts:
            raise SettingsError(f"--number must be between 1 and the {parts} parts of the shards, got {self.number}")

    @property
    def specification(self) -> Specification:
        """The artifact of its part."""
        return self.plan.conversion.parts[self.number - 1]

    @property
    def label(self) -> str:
        """What people call it."""
        return f"part {self.number}"

    def requires(self) -> ExperimentTask:
        """What is known of the samples."""
        return self.other(Samples)

    def done(self, plan: Lineage) -> bool:
        """Whether it is whole, and all it was made from."""
        return plan.checker.complete(self.specification)

    def make_unless_done(self, plan: Lineage) -> bool:
        """Gather its samples."""
        from deeptrain.shards import conversion

        with watching.converting(self) as watch:
            return conversion.make_part(plan.conversion, plan.checker, self.number, watch=watch)


class Shards(ExperimentTask):
    """The raw files of `[data]`, converted."""

    stage = "shards"

    def requires(self) -> list[ExperimentTask]:
        """All parts."""
        return [self.other(ShardPart, number=number) for number in range(1, len(self.plan.conversion.parts) + 1)]

    def make_unless_done(self, plan: Lineage) -> bool:
        """Join them."""
        from deeptrain.shards import conversion

        with watching.converting(self) as watch:
            return conversion.make_whole(plan.conversion, plan.checker, watch=watch)
