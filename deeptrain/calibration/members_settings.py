"""The `[calibration.members]` table of an experiment."""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from deeptrain.metrics import names
from deeptrain.metrics.metric import Kind
from deeptrain.settings import Section

Method = Literal["greedy", "convex", "exact"]
METRICS: dict[Kind, str] = {"binary": "log_loss", "classes": "log_loss", "values": "mean_squared_error"}
"""What is made best if nothing else is asked for."""

CONVEX = ("log_loss", "brier", "mean_squared_error")
"""The metrics whose best weights can be found and proven."""

MOST_EXACT = 12
"""Members of which all subsets, 4,095, are looked at; each more doubles them."""


class MembersSettings(Section, frozen=True):
    """Which models are to choose from for an ensemble, and how it is chosen.

    Of this run the epochs named take part, or where none is, what `[predictions]` says.

    Attributes:
        best: so many epochs of this run, the best by the key metric; fewer where training stopped before there were.
        epochs: epochs of this run, by number.
        seeds: the same experiment trained with other seeds than its own; each predicts as `[predictions]` says.
        runs: TOML files of other experiments on the same data; each predicts as its own `[predictions]` says.
        method: "greedy", members added one by one and also again; "convex", the weights with the least log loss or
            squared error; "exact", the best subset of equal weights, of at most 12.
        metric: what is made best; by default log_loss, or mean_squared_error for values.
        rounds: how many are added greedily; in the identity of that method only.
    """

    outside_identity: ClassVar[frozenset[str]] = frozenset({"runs"})
    """Where a file lies decides nothing; the runs themselves are inputs."""

    best: Annotated[int, Meta(ge=1)] | None = None
    epochs: tuple[Annotated[int, Meta(ge=1)], ...] = ()
    seeds: tuple[Annotated[int, Meta(ge=0, le=2**63 - 1)], ...] = ()
    runs: tuple[str, ...] = ()
    method: Method = "greedy"
    metric: str | None = None
    rounds: Annotated[int, Meta(ge=1, le=1000)] = 50

    @property
    def most(self) -> int:
        """How many members there are, at most."""
        return (self.best or len(self.epochs) or 1) + len(self.seeds) + len(self.runs)

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """At least two members, each once, and a metric that the method takes."""
        if self.best is not None and self.epochs:
            yield "best", "expected either best or epochs", self.best
        for key in ("epochs", "seeds", "runs"):
            given = getattr(self, key)
            if len(set(given)) != len(given):
                twice = next(one for one in given if given.count(one) > 1)
                yield key, f"expected each once ({twice} is there twice)", list(given)
        if self.most < 2:
            yield "best", "an ensemble needs at least 2 members; name best, epochs, seeds or runs", self.most
        if self.method == "exact" and self.most > MOST_EXACT:
            yield "method", f"every subset is looked at of {MOST_EXACT} members at most, here are {self.most}", "exact"
        if self.metric is None:
            return
        metric = names.find(self.metric)
        if metric is None:
            yield "metric", f"unknown metric; {names.hint(self.metric)}", self.metric
        elif metric.source == "keras":
            yield "metric", "expected a metric that is computed without Keras", self.metric
        elif self.method == "convex" and metric.name not in CONVEX:
            yield "metric", f"convex weights are found for {', '.join(CONVEX)}", self.metric

    def chosen_by(self, kind: Kind) -> dict[str, Any]:
        """What decides over the ensemble beside its members, in one spelling."""
        metric = names.get(METRICS[kind] if self.metric is None else self.metric).name
        greedy = {"rounds": self.rounds} if self.method == "greedy" else {}
        return {"method": self.method, "metric": metric, **greedy}
