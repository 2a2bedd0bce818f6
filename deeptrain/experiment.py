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
from deeptrain.report.settings import ReportSettings
from deeptrain.settings import Mistakes, Section, Use, override, read_toml, typed
from deeptrain.shards.settings import DataSettings
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

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """What one table says of another, and what a plan must know before any data is read."""
        if self.data.kind is None:
            rule = 'expected "binary", "classes" or "values", or labels.positive, which makes them binary'
            yield "data.labels.kind", rule, None
        if isinstance(self.predictions.epoch, int) and self.predictions.epoch > self.training.epochs:
            rule = f"expected best, last or a number up to training.epochs ({self.training.epochs})"
            yield "predictions.epoch", rule, self.predictions.epoch


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
        named = [self.model.use, self.training.optimizer, self.training.schedule, self.training.loss]
        named += [self.training.fit, self.training.evaluate]
        named += [*self.training.callbacks, *self.training.preprocessors]
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
