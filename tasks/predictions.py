"""The chosen epoch's model says what it thinks of the calibration and test splits."""

from deeptrain.lineage import Lineage
from tasks import watching
from tasks.base import ExperimentTask
from tasks.epoch import Epoch


class Predictions(ExperimentTask):
    """Raw outputs of the chosen epoch."""

    stage = "predictions"

    def requires(self) -> ExperimentTask:
        """All epochs."""
        return self.other(Epoch, number=self.plan.epochs)

    def make(self, plan: Lineage) -> None:
        """Predict the split that calibration works on, and the test split."""
        from deeptrain import alive, session
        from deeptrain.introspection import model
        from deeptrain.training import predictions

        epochs = plan.predicting_epochs()
        data = session.open_data(plan).after(epochs[-1])
        learner = data.learner(alive.predicting_variables(plan, watching.watch(plan)), after=epochs[-1])
        tested = ["test"] if plan.experiment.data.splits.test else []
        splits = {name: data.feed(name) for name in [plan.calibration_split, *tested]}
        with self.writing(plan) as writer:
            predictions.write(
                writer,
                learner,
                splits,
                epochs=epochs,
                kind=data.shards.info.kind,
                outputs=plan.experiment.model.outputs,
                classes=data.shards.info.classes,
                model=model.describe(learner.model),
            )
