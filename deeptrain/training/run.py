"""A training on disk: what its epochs and states are called, which are done, and which must be there.

`training-IDENTITY/` holds `epochs/NNNN/` (manifest, `progress.json`, `metrics.json`, `history.parquet`), `states/NNNN/`
(manifest, `state.safetensors`), `unfinished/` (the newest mid-epoch checkpoints), `interventions.json` (what a
person changed by hand) and `live/`.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from deeptrain import files
from deeptrain.calibration.members_settings import MembersSettings
from deeptrain.errors import AlteredError, ArtifactError, NewerError, SettingsError, TrainingError
from deeptrain.loading.position import Position
from deeptrain.store import artifact, retention
from deeptrain.store.artifact import Artifact
from deeptrain.store.completeness import Checker
from deeptrain.store.specification import Input, Late, Source, Specification
from deeptrain.training import averaged, interventions
from deeptrain.training.interventions import Intervention
from deeptrain.training.results import Results
from deeptrain.training.settings import PredictionsSettings

RECIPE = 7
"""Raised when this room changes the bytes of epochs or states."""

SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
STATE = "state.safetensors"
PROGRESS = "progress.json"
METRICS = "metrics.json"
HISTORY = "history.parquet"


@dataclass
class Known:
    """What this process has found of a training on disk, so that it is not looked for again.

    Attributes:
        epochs: their specifications, from the first on.
        training: what decides over them, by how many phases have begun; one for many epochs.
        done: how many epochs in a row were complete.
        stopped: behind epochs that were looked at, why training ended there; None where it goes on.
        interventions: as they were read, None before.
        written: the file's times and size when they were.
    """

    epochs: list[Specification] = field(default_factory=list)
    training: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    done: int = 0
    stopped: dict[int, str | None] = field(default_factory=dict)
    interventions: tuple[Intervention, ...] | None = None
    written: tuple[int, ...] | None = None


@dataclass(frozen=True)
class TrainingRun:
    """One training: everything that decides over its bytes, and where its artifacts stand.

    Attributes:
        root: the run's directory, `runs/EXPERIMENT`.
        settings: result-relevant settings of seed, model and training; the number of epochs is none of them.
        shards: what it trains on.
        code: digest of the user's code, or None.
        seeds: derived seeds by purpose.
        checker: knows what is complete.
        initial_weights: the content of the weights it starts from, if not from the builder's own.
        base: of a session, the training and the epoch behind which it goes on by itself.
        predictions: which epochs predict; states that are averaged for it stay on disk.
        members: which epochs are members of an ensemble; their states stay on disk, too.
    """

    root: Path
    settings: Mapping[str, Any]
    shards: Specification
    code: str | None
    seeds: Mapping[str, int]
    checker: Checker = field(repr=False, compare=False)
    initial_weights: Source | None = None
    base: "tuple[TrainingRun, int] | None" = None
    predictions: PredictionsSettings = field(default=PredictionsSettings(), compare=False)
    members: MembersSettings | None = field(default=None, compare=False)
    _known: Known = field(init=False, default_factory=Known, repr=False, compare=False)

    @cached_property
    def specification(self) -> Specification:
        """The training as a whole: an identity and a directory, no artifact of its own."""
        inputs: dict[str, Input] = {"shards": self.shards}
        if self.initial_weights is not None:
            inputs["initial_weights"] = self.initial_weights
        name = None if self.base is None else self.settings["session"]
        return Specification("training", RECIPE, self.root, self.settings, inputs, self.code, self.seeds, name)

    @property
    def directory(self) -> Path:
        """Where its artifacts stand."""
        return self.specification.directory

    def epoch(self, number: int) -> Specification:
        """An epoch, from 1; each has the one before it among its inputs."""
        epochs = self._known.epochs
        while len(epochs) < number:
            following = len(epochs) + 1
            if self.base is not None and following <= self.base[1]:
                epochs.append(self.base[0].epoch(following))
                continue
            inputs = dict(self.specification.inputs)
            if epochs:
                inputs["epoch"] = epochs[-1]
            epochs.append(
                Specification(
                    "epoch",
                    RECIPE,
                    self.directory / "epochs",
                    self._settings(following),
                    inputs,
                    self.code,
                    self.seeds,
                    name=f"{following:04d}",
                )
            )
        return epochs[number - 1]

    def late(self, settings: Mapping[str, Any]) -> Late:
        """Epochs as an input: {"epoch": "last", "of": 8}, or one, which does not change when more are trained."""
        wanted = settings.get("of", settings["epoch"])

        def resolve() -> Specification | None:
            if "of" not in settings:
                return self.epoch(wanted) if self.done(wanted) == wanted else None
            number = self.last(wanted)
            return None if number is None else self.epoch(number)

        return Late(files.digest_of({"training": self.specification.identity, **settings}), resolve)

    def _settings(self, number: int) -> dict[str, Any]:
        """What decides over an epoch: phases that have begun by then, and what a person changed in it."""
        phases = [phase for phase in self.settings["training"].get("phases", ()) if phase["epoch"] <= number]
        training = self._known.training.get(len(phases))
        if training is None:
            training = {name: one for name, one in self.settings["training"].items() if name != "phases"}
            self._known.training[len(phases)] = training = {**training, "phases": phases} if phases else training
        settings = {**self.settings, "training": training, "epoch": number}
        changed = [one.plain() for one in self.interventions if one.epoch == number]
        return {**settings, "interventions": changed} if changed else settings

    @property
    def interventions(self) -> tuple[Intervention, ...]:
        """What a person changed by hand, in order; read once.

        Raises:
            ArtifactError: when the file is damaged.
        """
        if self._known.interventions is None:
            self._known.written = interventions.written(self.directory)
            self._known.interventions = interventions.read(self.directory)
        return self._known.interventions

    def intervene(self, intervention: Intervention) -> None:
        """Write down what a person changes now, durably; the epoch it acts in, and those behind it, are others then.

        Raises:
            TrainingError: when that epoch is done, or a change was written that acts later.
        """
        place = (intervention.epoch, intervention.iteration)
        if intervention.epoch <= self.done():
            raise TrainingError(
                f"{intervention.key}: epoch {intervention.epoch} is done and stays as it is: go on differently in a "
                "session (Trainer.open)"
            )
        if any((one.epoch, one.iteration) > place for one in self.interventions):
            raise TrainingError(
                f"{intervention.key}: {self.directory / interventions.NAME} holds a change that acts later: train up "
                "to it first, or go on differently in a session (Trainer.open)"
            )
        changed = (*self.interventions, intervention)
        interventions.write(self.directory, changed)
        self._known.interventions = changed
        self._known.written = interventions.written(self.directory)
        del self._known.epochs[intervention.epoch - 1 :]

    def session(self, name: str, epoch: int) -> "TrainingRun":
        """A training of its own that goes on behind an epoch of this one, in `sessions/NAME`; no task reads it.

        Raises:
            SettingsError: when the name is none for a directory.
        """
        if not SESSION.fullmatch(name) or name == "live":
            raise SettingsError(f"a session's name has letters, digits, - and _, and is not live; got {name!r}")
        return TrainingRun(
            self.root / "sessions",
            {**self.settings, "session": name},
            self.shards,
            self.code,
            self.seeds,
            self.checker,
            self.initial_weights,
            (self, epoch),
        )

    def state(self, number: int) -> Specification:
        """The heavy arrays at the end of an epoch."""
        if self.base is not None and number <= self.base[1]:
            return self.base[0].state(number)
        settings = {"epoch": number, "of": self.epoch(number).identity}
        return Specification("state", RECIPE, self.directory / "states", settings, name=f"{number:04d}")

    def unfinished(self, at: Position) -> Specification:
        """A checkpoint at a position before an epoch's end; made from what the epoch is made from."""
        made = self.epoch(at.epoch)
        settings = {"iteration": at.iteration, "batch": at.batch, "window": at.window, "of": made.identity}
        name = f"{at.epoch:05d}.{at.iteration:010d}"
        return Specification("unfinished", RECIPE, self.directory / "unfinished", settings, made.inputs, name=name)

    def done(self, most: int | None = None) -> int:
        """How many epochs in a row, from the first, are complete; at most `most` are looked for."""
        # What was found complete stays so for this process: looking again from the first would cost more every epoch.
        known = self._known
        while (most is None or known.done < most) and self.checker.complete(self.epoch(known.done + 1)):
            known.done += 1
        return known.done if most is None else min(known.done, most)

    def read_again(self) -> None:
        """Look at the disk anew: another process may have written since this was planned; needs the lock."""
        self._known.interventions = None
        self._known.epochs.clear()
        self.forget()

    def look_again(self) -> None:
        """Take in what another process, such as one that trains for this one, has written down as changed by hand."""
        if self._known.interventions is not None and interventions.written(self.directory) != self._known.written:
            self.read_again()

    def forget(self) -> None:
        """Look at every epoch again the next time; the checker must, too."""
        self._known.done = 0
        self._known.stopped.clear()

    def published(self, number: int) -> Artifact:
        """The artifact of an epoch that is done.

        Raises:
            ArtifactError: when it is not.
        """
        return self.checker.artifact(self.epoch(number))

    def stopped(self, done: int) -> str | None:
        """Why training ended after the epochs that are done, None if it goes on."""
        known = self._known.stopped
        if done and done not in known:
            known[done] = self.published(done).json(METRICS)["stopped"]
        return known.get(done)

    def last(self, epochs: int) -> int | None:
        """The last epoch there will be when `epochs` are asked for; None while it is not known."""
        done = self.done(epochs)
        return done if done == epochs or self.stopped(done) else None

    def best(self, number: int) -> int | None:
        """The best of the first `number` epochs, which are done."""
        best = self.published(number).json(PROGRESS)["state"]["best"]
        return None if best is None else int(best["epoch"])

    def results(self, until: int) -> list[Results]:
        """What the epochs up to `until`, which are done, came to."""
        return [self.published(number).told(METRICS, Results.from_plain) for number in range(1, until + 1)]

    def averaged(self, epoch: int | str, count: int, until: int) -> tuple[int, ...]:
        """The epochs whose mean weights predict, the one that is asked for last.

        Args:
            epoch: "best", "last", or a number.
            count: how many; of "best" the best by the key metric, otherwise those up to it. All where they are fewer.
            until: the last epoch that counts, which is done.
        """
        if epoch == "best" and count == 1:
            found: tuple[int, ...] = (self.best(until) or until,)
        elif epoch == "best":
            values = [results.key_value for results in self.results(until)]
            found = averaged.best(values, self.best(until), count) or (until,)
        else:
            found = averaged.last(until if isinstance(epoch, str) else min(epoch, until), count)
        return found

    def member_epochs(self, until: int) -> tuple[int, ...]:
        """The epochs that are members of an ensemble, ascending, of those up to `until`, which are done."""
        if self.members is None:
            return ()
        if self.members.best is not None:
            return tuple(sorted(self.averaged("best", self.members.best, until)))
        return tuple(sorted(number for number in self.members.epochs if number <= until))

    def recorded_state(self, number: int) -> str:
        """The content that the state of an epoch must have."""
        return str(self.published(number).json(PROGRESS)["state_content"])

    def kept(self, keep_every: int) -> frozenset[int]:
        """The epochs whose states must be on disk, by what is done."""
        done = self.done()
        best = self.best(done) if done else None
        asked = [*self._averaged(done), *self.member_epochs(done)] if done else []
        found = retention.kept(range(1, done + 1), best, keep_every, asked)
        return frozenset(number for number in found if self.base is None or number > self.base[1])

    def _averaged(self, done: int) -> Collection[int]:
        """The epochs that would be averaged if training ended now; what predicts alone is trained again if need be."""
        wanted = self.predictions
        return self.averaged(wanted.epoch, wanted.average, done) if wanted.average > 1 else ()

    def lacking(self, keep_every: int) -> dict[int, str]:
        """Epochs whose state must be on disk and is not, with the reason, ascending.

        Raises:
            AlteredError: when what an epoch recorded of its state is altered.
            NewerError: when a state is of a newer version.
        """
        reasons = {}
        for number in sorted(self.kept(keep_every)):
            try:
                found = artifact.open(self.state(number).directory)
                if found.manifest.content != self.recorded_state(number):
                    reasons[number] = f"{found.directory}: is not the state that epoch {number} recorded"
            except (AlteredError, NewerError):
                raise  # the first of the epoch, which must be trained again with its state
            except ArtifactError as error:
                reasons[number] = str(error)
        return reasons

    def tidy(self, keep_every: int, *, unfinished: bool = True) -> None:
        """Remove states that retention does not keep, and checkpoints of epochs that are done; needs the lock.

        Args:
            keep_every: see `retention.kept`.
            unfinished: whether such checkpoints go; those of a rebuild are still needed.
        """
        done = self.done()
        if not done:
            return
        for directory in self.directory.glob("unfinished/[0-9]*") if unfinished else ():
            if directory.name.partition(".")[0].isdecimal() and int(directory.name.partition(".")[0]) <= done:
                artifact.remove(directory)
        kept = self.kept(keep_every)
        for directory in self.directory.glob("states/[0-9]*"):
            if directory.name.isdecimal() and int(directory.name) <= done and int(directory.name) not in kept:
                artifact.remove(directory)
