"""The chosen epoch's model says what it thinks of the calibration and test splits; so do those of further epochs."""

from collections.abc import Sequence

from deeptrain.lineage import Lineage
from deeptrain.store.artifact import Writer
from tasks import watching
from tasks.base import ExperimentTask
from tasks.epoch import Epoch


class Predictions(ExperimentTask):
    """Raw outputs of the chosen epoch."""

    stage = "predictions"
    uses_device = True

    def requires(self) -> ExperimentTask:
        """All epochs."""
        return self.other(Epoch, number=self.plan.epochs)

    def make(self, plan: Lineage) -> None:
        """Predict the split that calibration works on, and the test split."""
        epochs = plan.predicting_epochs()
        with self.writing(plan) as writer:
            _predict(writer, plan, epochs)


class EpochPredictions(ExperimentTask):
    """Raw outputs of each epoch that is a member of an ensemble."""

    stage = "epoch_predictions"
    uses_device = True

    def requires(self) -> ExperimentTask:
        """All epochs."""
        return self.other(Epoch, number=self.plan.epochs)

    def make(self, plan: Lineage) -> None:
        """Predict the same splits by one epoch after the other."""
        epochs = plan.member_epochs()
        with self.writing(plan) as writer:
            for epoch in epochs:
                _predict(writer, plan, [epoch], within=f"{epoch:04d}/")


def _predict(writer: Writer, plan: Lineage, epochs: Sequence[int], within: str = "") -> None:
    """Predict by the mean weights of epochs, the one that was asked for last."""
    from deeptrain import alive, session
    from deeptrain.introspection import model
    from deeptrain.training import predictions

    data = session.open_data(plan).after(epochs[-1])
    learner = data.learner(alive.predicting_variables(plan, watching.watch(plan), epochs), after=epochs[-1])
    tested = ["test"] if plan.experiment.data.splits.test else []
    predictions.write(
        writer,
        learner,
        {name: data.feed(name) for name in [plan.calibration_split, *tested]},
        epochs=epochs,
        kind=data.shards.info.kind,
        outputs=plan.experiment.model.outputs,
        classes=data.shards.info.classes,
        model=model.describe(learner.model),
        within=within,
    )
