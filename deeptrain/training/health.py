"""The health of a training: what is looked at after every validation, and what is done about what is found."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from deeptrain.errors import AlteredError, ArtifactError, SettingsError, UnhealthyError
from deeptrain.introspection import health
from deeptrain.introspection.health import Finding, Rules
from deeptrain.training.state import RollBack, TrainState

if TYPE_CHECKING:
    import numpy as np

    from deeptrain.training.journal import Checkpoint
    from deeptrain.training.learner import Learner
    from deeptrain.training.phases import Phase

log = logging.getLogger("deeptrain")

Policy = Literal["tell", "stop", "roll_back", "off"]
POLICIES: tuple[Policy, ...] = ("tell", "stop", "roll_back", "off")

SHOWN_LAYERS = 20


class Health:
    """Looks at every layer after each validation, or, of an epoch that is not validated, at its end.

    "tell" says in the log what is found, once as long as it lasts, and changes no byte of training. "stop" ends
    training with the epoch when a layer explodes; what is not finite ends it at once, as always. "roll_back" begins the
    epoch anew, from the state at the end of the one before, with the learning rate times `factor`, when a layer
    explodes or loss, outputs or any variable are not finite; after `most` times in one epoch training stops. An epoch
    with which a phase begins that changes optimizer or frozen layers is not begun anew, nor one changed by hand.

    Law: rolling back follows from the training alone, so stopping at any point still changes nothing.

    Attributes:
        policy: what is done.
        findings: of the newest look, by layer.
    """

    def __init__(
        self, policy: Policy = "tell", *, factor: float = 0.5, most: int = 3, rules: Rules | None = None
    ) -> None:
        """Choose what is done.

        Args:
            policy: "tell", "stop", "roll_back", or "off" to look at nothing.
            factor: what the learning rate is multiplied with at each roll back, between 0 and 1.
            most: roll backs of one epoch, at least 1.
            rules: from when on something is told.

        Raises:
            SettingsError: when one of them is out of range.
        """
        if policy not in POLICIES:
            raise SettingsError(f"health: policy must be one of {', '.join(POLICIES)}, got {policy!r}")
        if not 0 < factor < 1:
            raise SettingsError(f"health: factor must be a number between 0 and 1, got {factor!r}")
        if most < 1:
            raise SettingsError(f"health: most must be an integer of at least 1, got {most!r}")
        self.policy = policy
        self.findings: tuple[Finding, ...] = ()
        self._factor = factor
        self._most = most
        self._rules = rules or Rules()
        self._before: Mapping[str, list[float]] | None = None
        self._told: frozenset[tuple[str, str]] = frozenset()
        self._good: Checkpoint | None = None

    @property
    def rolls_back(self) -> bool:
        """Whether an epoch may be begun anew."""
        return self.policy == "roll_back"

    def look(self, variables: Callable[[], Mapping[str, "np.ndarray"]], state: TrainState) -> TrainState:
        """Look at every layer, tell what is new, and do what is to be done.

        Args:
            variables: of the learner.
            state: of training.

        Returns:
            The state to go on with; the same where health only tells.

        Raises:
            UnhealthyError: when something serious was found, and the epoch may be begun anew.
        """
        if self.policy == "off":
            return state
        acts = self.policy != "tell"
        now = self._examine(variables(), state.magnitudes if acts else self._before, logging.WARNING)
        serious = next((one for one in self.findings if one.serious), None)
        if not acts:
            self._before = now
            return state
        state = state.with_(magnitudes=now)
        if serious is None:
            return state
        what = f"health, in epoch {state.position.epoch}: {serious.layer}: {serious.rule}"
        if self.rolls_back:
            raise UnhealthyError(what)
        return state.with_(stopping=state.stopping or what)

    def tell(self, variables: Callable[[], Mapping[str, "np.ndarray"]]) -> None:
        """Say which layers are to blame when training has failed."""
        if self.policy != "off":
            self._examine(variables(), None, logging.INFO)  # the error itself is told anyway

    def begin(self, beginning: "Callable[[], Checkpoint]", epoch: int) -> None:
        """Remember how an epoch begins, if it may be begun anew.

        Args:
            beginning: the state at its beginning; asked for once an epoch, its variables are held until the next one.
            epoch: its number.
        """
        if self.rolls_back and (self._good is None or self._good.state.position.epoch != epoch):
            self._good = beginning()

    def lower(self, learner: "Learner", state: TrainState) -> None:
        """Lower the learning rate at the beginning of an epoch that was begun before."""
        times = self.times(state)
        if times:
            learner.learning_rate *= self._factor**times

    def times(self, state: TrainState) -> int:
        """How often the epoch that is being trained was begun anew."""
        return sum(one.epoch == state.position.epoch for one in state.roll_backs)

    def back(
        self,
        error: UnhealthyError,
        state: TrainState,
        *,
        rate: float,
        phase: "Phase | None",
        by_hand: bool,
        written: "Callable[[], Checkpoint]",
    ) -> "Checkpoint":
        """Where to begin the epoch anew.

        Args:
            error: what was found.
            state: of training when it was.
            rate: the learning rate then.
            phase: the one that begins with this epoch.
            by_hand: whether a person changed something in this epoch.
            written: the end of the epoch before as it is on disk, where this process has not seen it.

        Raises:
            UnhealthyError: when the epoch may not be begun anew, saying why.
            AlteredError: when the end of the epoch before is altered.
        """
        if not self.rolls_back:
            raise error
        epoch, times = state.position.epoch, self.times(state)
        why = ""
        if times >= self._most:
            why = f"epoch {epoch} was begun anew {times} times with a lower learning rate"
        elif phase is not None and (phase.optimizer is not None or phase.frozen is not None):
            why = (
                f"epoch {epoch} is not begun anew since a phase begins with it that changes optimizer or frozen layers"
            )
        elif by_hand:
            why = f"epoch {epoch} is not begun anew since it was changed by hand"
        elif math.isnan(rate):
            why = f"epoch {epoch} is not begun anew since there is no learning rate to be lowered"
        if why:
            raise UnhealthyError(error.what, why) from error
        good = self._good
        if good is None or good.state.position.epoch != epoch:
            try:
                self._good = good = written()
            except AlteredError:
                raise  # who sets it aside trains the epoch before again
            except ArtifactError as missing:
                raise UnhealthyError(error.what, f"epoch {epoch} is not begun anew: {missing}") from error
        log.warning(
            "%s: epoch %d is begun anew with the learning rate times %g (%d of at most %d times)",
            error.what,
            epoch,
            self._factor ** (times + 1),
            times + 1,
            self._most,
        )
        return replace(good, state=good.state.with_(roll_backs=(*state.roll_backs, RollBack(epoch, error.what))))

    def _examine(
        self, variables: Mapping[str, "np.ndarray"], before: Mapping[str, list[float]] | None, level: int
    ) -> dict[str, list[float]]:
        now = health.measure(variables, self._rules)
        self.findings = health.check(before, now, self._rules)
        by_layer: dict[str, list[Finding]] = {}
        for one in self.findings:
            if (one.layer, one.kind) not in self._told:
                by_layer.setdefault(one.layer, []).append(one)
        self._told = frozenset((one.layer, one.kind) for one in self.findings)
        for layer, found in list(by_layer.items())[:SHOWN_LAYERS]:
            said = "; ".join(one.rule for one in found)
            serious = any(one.serious for one in found)
            log.log(level if serious else logging.INFO, "health: %s: %s; try %s", layer, said, found[0].advice)
        if len(by_layer) > SHOWN_LAYERS:
            log.info("health: and %d more layers; trainer.health.findings has all", len(by_layer) - SHOWN_LAYERS)
        return health.magnitudes(now)
