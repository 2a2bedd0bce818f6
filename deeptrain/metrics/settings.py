"""How an experiment names a metric that a bare name does not say."""

from deeptrain.settings import Use


class MetricUse(Use, frozen=True):
    """`{use = "f_beta", arguments = {beta = 2}}`, or a function of one's own.

    Attributes:
        maximize: whether more is better, for a function that does not say so by its attribute `maximize`.
        name: what results call it; by default its own name, which for "module:function" is the function's.
        output: which of several outputs it is of.
    """

    maximize: bool | None = None
    name: str | None = None
    output: str | None = None

    def plain(self) -> dict[str, object]:
        """What was said of it, and nothing of what was not."""
        said = {"maximize": self.maximize, "name": self.name, "output": self.output}
        told: dict[str, object] = {"use": self.use, "arguments": self.arguments}
        return told | {key: value for key, value in said.items() if value is not None}
