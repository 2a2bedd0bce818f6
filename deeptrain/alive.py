"""The one trainer of a process: it stays alive from epoch task to epoch task and is restored when it must be."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np

from deeptrain import session
from deeptrain.errors import AlteredError, ArtifactError
from deeptrain.lineage import Lineage
from deeptrain.training import averaging, messages
from deeptrain.training.journal import Journal
from deeptrain.training.progress import Progress
from deeptrain.training.trainer import Trainer


class AliveTrainer:
    """Reaches epochs of a run, with the trainer of the last call while it stands exactly where the next begins."""

    def __init__(self, watch: Callable[[Lineage], Callable[[Progress], None]]) -> None:
        """Nothing is trained yet.

        Args:
            watch: for a run, who is told where its training stands.
        """
        self._watch = watch
        self._trainer: Trainer | None = None
        self._stands_for: tuple[object, ...] = ()

    def reach(self, plan: Lineage, until: int, *, shared: bool = False) -> bool:
        """Train so that the epochs up to `until` are done and every state that must be there is.

        An epoch that is found altered is set aside and trained again.

        Args:
            plan: of the run.
            until: an epoch.
            shared: whether another machine may be given the next one, so that the training is let go until then.

        Returns:
            Whether anything was trained: another process may have done all of it meanwhile.

        Raises:
            LockedError: while another process trains.
        """
        try:
            trained = self._reach(plan, until)
            if shared and self._trainer is not None:
                self._trainer.pass_on()
        except AlteredError as error:
            self.close()
            plan.set_aside(error)
            return self.reach(plan, until, shared=shared)
        except BaseException:
            self.close()
            raise
        return trained

    def ask(self, text: str) -> "Future[str] | None":
        """Say something to the training, as `Trainer.ask`; None while nothing is trained.

        Raises:
            MessageError: for a text that is no message.
        """
        at_once = messages.parse(text).word in messages.AT_ONCE
        trainer = self._trainer
        if trainer is not None and (at_once or trainer.training):
            return trainer.ask(text)
        if not at_once:
            return None
        said: Future[str] = Future()
        said.set_result(messages.at_once(text, None))
        return said

    def close(self) -> None:
        """Let the trainer and its lock go."""
        if self._trainer is not None:
            self._trainer.close()
            self._trainer = None

    def _reach(self, plan: Lineage, until: int) -> bool:
        trained = False
        while plan.training.last(until) is None:
            trainer = self._standing_for(plan)
            # While the model was built another process may have gone on, as the trainer saw when it got the lock.
            if plan.training.last(until) is None:
                # One epoch at a time: behind a missing one there may be others that are done.
                trainer.train(plan.training.done() + 1)
                trained = True
        if plan.training.last(plan.epochs) is not None:
            self.close()
            trained |= rebuild_lacking(plan, self._watch(plan))
        return trained

    def _standing_for(self, plan: Lineage) -> Trainer:
        settings = plan.experiment.training
        kept = (settings.keep_every, plan.experiment.predictions, plan.training.members)
        stands_for = (plan.training.directory.resolve(), kept, settings.autosave_seconds)
        if self._trainer is not None and not self._trainer.take_back():
            self.close()  # whoever had it may have done more than an epoch that is done tells, such as a learning rate
        stands = self._trainer.position.epoch if self._trainer is not None else None
        expected = plan.training.done() + 1
        if self._trainer is None or self._stands_for != stands_for or stands != expected:
            self.close()
            watch = self._watch(plan)
            watch(Progress(phase="build", epoch=expected, epochs=plan.epochs))
            self._trainer = session.trainer(plan, writing=True, watch=watch)
            self._stands_for = stands_for
        return self._trainer


def rebuild_lacking(plan: Lineage, watch: Callable[[Progress], None] | None = None) -> bool:
    """Train again, from the nearest states that are kept, what is needed for the states that must be there.

    Returns:
        Whether one was not there.

    Raises:
        TrainingError: when a rebuilt state is not the recorded one.
    """
    keep_every = plan.experiment.training.keep_every
    rebuilt = False
    while lacking := plan.training.lacking(keep_every):
        number = min(lacking)
        trainer = session.trainer(plan, writing=True, watch=watch, until=number)
        try:
            trainer.train(number)
            rebuilt = True
        finally:
            trainer.close()
    return rebuilt


def predicting_variables(
    plan: Lineage, watch: Callable[[Progress], None] | None = None, epochs: Sequence[int] | None = None
) -> dict[str, np.ndarray]:
    """The variables after an epoch, or with the mean weights of several; by default those that are to predict."""
    return averaging.mean(epochs or plan.predicting_epochs(), lambda number: variables_after(plan, number, watch))


def variables_after(
    plan: Lineage, number: int, watch: Callable[[Progress], None] | None = None
) -> dict[str, np.ndarray]:
    """The learner's variables at the end of an epoch that is done; trained again if its state was pruned or damaged."""
    journal = Journal(plan.training, plan.experiment.training.keep_every)
    try:
        variables = journal.variables(number)
    except ArtifactError:
        trainer = session.trainer(plan, writing=True, watch=watch, until=number)
        try:
            trainer.train(number)
            variables = {name: np.array(value) for name, value in trainer.learner.variables().items()}
        finally:
            trainer.close()
    plan.tidy(rebuilt=True)
    return variables
