"""The experiment: one TOML file, typed and frozen, composed of the settings each room owns.

Relative paths and user code in it are found from the file's own directory.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from deeptrain.calibration.settings import CalibrationSettings
from deeptrain.errors import SettingsError
from deeptrain.introspection.naming_settings import NamingSettings
from deeptrain.metrics import names, of_output
from deeptrain.report.settings import ReportSettings
from deeptrain.settings import Mistakes, Section, Use, override, read_toml, typed
from deeptrain.shards.settings import ONLY, DataSettings
from deeptrain.training.settings import ModelSettings, PredictionsSettings, TrainingSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class ExperimentSettings(Section, frozen=True):
    """`[experiment]`: its name, which is its directory in the store, and the seed of its training."""

    name: str
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """The name is safe as a directory's name everywhere."""
        if not _NAME.fullmatch(self.name) or self.name.endswith("."):
            yield "name", "expected letters, digits, '.', '_' and '-', beginning with a letter or digit", self.name


class Sections(Section, frozen=True):
    """All tables of the file."""

    experiment: ExperimentSettings
    data: DataSettings
    model: ModelSettings
    training: TrainingSettings
    predictions: PredictionsSettings = PredictionsSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    report: ReportSettings = ReportSettings()
    naming: NamingSettings = NamingSettings()

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """What one table says of another, and what a plan must know before any data is read."""
        for output, kind in self.data.kinds.items():
            if kind is None:
                key = f"labels.{output}" if output else "labels"
                rule = f'expected "binary", "classes" or "values", or {key}.positive, which makes them binary'
                yield f"data.{key}.kind", rule, None
        yield from self._of_outputs()
        yield from self.naming.missing(self.tables())
        if isinstance(self.predictions.epoch, int) and self.predictions.epoch > self.training.epochs:
            rule = f"expected best, last or a number up to training.epochs ({self.training.epochs})"
            yield "predictions.epoch", rule, self.predictions.epoch
        elif self.predictions.average > self._most_averaged:
            rule = f"expected at most the {self._most_averaged} epochs up to the one that predicts"
            yield "predictions.average", rule, self.predictions.average

    def tables(self) -> dict[str, Any]:
        """All tables but `[naming]` as plain values, as the file has them; what it leaves out has its default."""
        names = (name for name in Sections.__struct_fields__ if name != "naming")
        return {name: getattr(self, name).plain() for name in names}

    def _of_outputs(self) -> Iterable[tuple[str, str, Any]]:
        """What is said of outputs names those that have labels."""
        outputs, training = self.data.outputs, self.training
        told = f"expected one of the outputs with labels, {', '.join(outputs)}"
        told = told if outputs else "the labels are of one output, which has no name; leave the name out"
        for key, said in (
            ("loss", set(training.losses) - {ONLY}),
            ("loss_weights", set(training.loss_weights or ())),
        ):
            for name in sorted(said - set(outputs)):
                yield f"training.{key}.{name}", told, name
        if training.key_loss is not None and training.key_loss not in outputs:
            yield "training.key_metric", told, training.key_metric
        for named in training.metrics:
            output, metric = of_output.split(named)
            if outputs and not output:
                plain = isinstance(metric, str) and ":" not in metric
                several = ", ".join(f"{one}.{metric}" if plain else f'output = "{one}"' for one in outputs)
                yield "training.metrics", f"say of which output: {several}", Use.of(named).use
            elif output and output not in outputs:
                yield "training.metrics", told, Use.of(named).use
        yield from self._of_members()
        calibration = self.calibration.output
        if calibration is not None and calibration not in outputs:
            yield "calibration.output", told, calibration
        asked = self.calibration.probabilities
        if asked and "vector" in asked.methods and self.data.kinds.get(self.calibrated or "") == "binary":
            rule = "vector is for several classes; of two it is beta calibration: say beta"
            yield "calibration.probabilities.methods", rule, list(asked.methods)
        binary = [name for name, kind in self.data.kinds.items() if name and kind == "binary"]
        if calibration is None and len(binary) > 1:
            yield "calibration.output", f"name the one that is calibrated: {' or '.join(binary)}", None

    def _of_members(self) -> Iterable[tuple[str, str, Any]]:
        """Members are epochs there will be, of a kind that their metric fits."""
        members, epochs = self.calibration.members, self.training.epochs
        if members is None:
            return
        for number in members.epochs:
            if number > epochs:
                yield "calibration.members.epochs", f"expected numbers up to training.epochs ({epochs})", number
        if (members.best or 0) > epochs:
            yield "calibration.members.best", f"expected at most training.epochs ({epochs})", members.best
        if self.experiment.seed in members.seeds:
            rule = "expected other seeds than the run's own, which takes part anyway"
            yield "calibration.members.seeds", rule, self.experiment.seed
        kind = None if self.calibrated is None else self.data.kinds.get(self.calibrated)
        metric = None if members.metric is None else names.find(members.metric)
        if kind is not None and metric is not None and kind not in metric.kinds:
            rule = f"must fit {kind}, as do {names.fitting(kind)}"
            yield "calibration.members.metric", rule, members.metric

    @property
    def _most_averaged(self) -> int:
        return self.predictions.epoch if isinstance(self.predictions.epoch, int) else self.training.epochs

    @property
    def calibrated(self) -> str | None:
        """The output that is calibrated and told first: the one that was named, or the only one with a threshold.

        Of one output `ONLY`; None where none of several has a threshold.
        """
        if not self.data.outputs:
            return ONLY
        if self.calibration.output is not None:
            return self.calibration.output
        return next((name for name, kind in self.data.kinds.items() if kind == "binary"), None)


class Experiment(Sections, frozen=True, kw_only=True):
    """An experiment as it was asked for, and the file it came from.

    Attributes:
        file: the TOML file.
    """

    file: Path

    @property
    def beside(self) -> Path:
        """The directory that relative paths and user code are found from."""
        return self.file.parent

    @property
    def name(self) -> str:
        """Its name, and its directory in the store."""
        return self.experiment.name

    def training_code(self) -> list[str]:
        """Names of the callables that training uses."""
        named: list[str | Use | None] = [self.model.use, self.training.optimizer, self.training.schedule]
        named += [*self.training.losses.values(), self.training.fit, self.training.evaluate]
        named += [*self.training.callbacks, *self.training.preprocessors]
        named += [of_output.split(metric)[1] for metric in self.training.metrics]
        named += [name for phase in self.training.phases for name in (phase.optimizer, phase.schedule, phase.loss)]
        return [Use.of(name).use for name in named if name is not None]


def read(file: Path, settings: Mapping[str, Any] | None = None, options: Mapping[str, str] | None = None) -> Experiment:
    """The experiment in a TOML file.

    Args:
        file: the file.
        settings: other values for dotted keys, {"training.batch_size": 64}.
        options: those of them that have an option of their own, {"training.epochs": "--epochs"}, for messages.

    Raises:
        SettingsError: with one line for each mistake in the file and in `settings`.
    """
    settings = dict(settings or {})
    mistakes = Mistakes(str(file), {**dict.fromkeys(settings, "--settings"), **(options or {})})
    tables = override(read_toml(file), settings)
    sections = typed(Sections, tables, "", mistakes)
    mistakes.raise_if_any()
    if sections is None:
        raise SettingsError(f"{file}: not an experiment")
    return Experiment(file=file.resolve(), **{name: getattr(sections, name) for name in sections.__struct_fields__})
