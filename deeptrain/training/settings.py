"""What an experiment says of its model, its training and its predictions."""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from deeptrain.introspection.health import Rules
from deeptrain.loading.settings import WindowSettings
from deeptrain.metrics import of_output
from deeptrain.metrics.settings import MetricUse
from deeptrain.settings import Section, Use
from deeptrain.shards.settings import ONLY
from deeptrain.training import keras_names
from deeptrain.training.frequency import Every

Positive = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[int, Meta(ge=0)]


class ModelSettings(Section, frozen=True):
    """`[model]`: who builds the model, and what its outputs are.

    Attributes:
        builder: `builder(data, **arguments)` returns a `keras.Model`; `data` is a `deeptrain.shards.info.DataInfo`.
        arguments: what the builder is called with, if `builder` is a bare name.
        outputs: whether the model gives probabilities (or values), or logits.
        initial_weights: a `state.safetensors` of another training, whose model variables are taken over.
    """

    builder: str | Use
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)
    outputs: Literal["probabilities", "logits"] = "probabilities"
    initial_weights: str | None = None

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """The builder is the user's code, and its arguments stand in one place."""
        if ":" not in self.use.use:
            yield "builder", "expected module:name", self.use.use
        if self.arguments and isinstance(self.builder, Use):
            yield "arguments", "the builder's table has its own arguments; expected none here", self.arguments

    def relevant(self) -> dict[str, Any]:
        """In one spelling; the initial weights are an input, told by their content."""
        return {"builder": self.use.plain(), "outputs": self.outputs}

    @property
    def use(self) -> Use:
        """The builder with its arguments."""
        return self.builder if isinstance(self.builder, Use) else Use(use=self.builder, arguments=self.arguments)


class EverySettings(Section, frozen=True):
    """How often: `{ iterations = 100 }`; where several are given, each counts. See `training.frequency.Every`.

    Attributes:
        iterations: after each n-th iteration.
        batches: after each n-th batch.
        epochs: at the end of each n-th epoch.
        validations: after each n-th validation.
        seconds: when so many have passed, for what changes nothing that training goes on from.
    """

    iterations: Positive | None = None
    batches: Positive | None = None
    epochs: Positive | None = None
    validations: Positive | None = None
    seconds: Annotated[float, Meta(gt=0)] | None = None

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """At least one is given."""
        if not self.given:
            yield "iterations", "say how often: iterations, batches, epochs, validations or seconds", None
        if self.seconds is not None and not self.seconds < float("inf"):
            yield "seconds", "expected a finite number", self.seconds

    def relevant(self) -> dict[str, Any]:
        """What was given."""
        return self.given

    @property
    def given(self) -> dict[str, Any]:
        """What was given, by name."""
        return {name: value for name, value in self.plain().items() if value is not None}

    def every(self) -> Every:
        """The frequency."""
        return Every(**self.given)


WATCHING = frozenset(
    {"autoencoder_pictures", "data_logger", "event_files", "layer_histograms", "prediction_pictures", "watch"}
)
"""Ready-made callbacks that only look: they keep nothing and change nothing, so they are in no identity."""


class CallbackUse(Use, frozen=True):
    """A callback the experiment names, and how often its `act` is called, if not as often as it says itself."""

    every: EverySettings | None = None

    def plain(self) -> dict[str, Any]:
        """Without the frequency where it is the callback's own."""
        value = Use.plain(self)
        del value["every"]
        return value if self.every is None else {**value, "every": self.every.given}


class HealthSettings(Section, frozen=True):
    """`training.health` as a table: see `training.health.Health` and `introspection.health.Rules`.

    Attributes:
        policy: what is done when something is found.
        factor: what the learning rate is multiplied with at each roll back.
        most: roll backs of one epoch.
        dead: a weight below it in magnitude is dead.
        large: a weight above it is large.
        share: of a layer's weights, above which dead and large ones are told.
        growth: by which factor the weights of a layer that explodes grew since the check before.
        gradient_growth: likewise its gradients, as the optimizer keeps them.
    """

    policy: Literal["tell", "stop", "roll_back", "off"] = "tell"
    factor: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    most: Positive = 3
    dead: Annotated[float, Meta(ge=0)] = Rules.dead
    large: Annotated[float, Meta(ge=0)] = Rules.large
    share: Annotated[float, Meta(ge=0)] = Rules.share
    growth: Annotated[float, Meta(ge=1)] = Rules.growth
    gradient_growth: Annotated[float, Meta(ge=1)] = Rules.gradient_growth

    @classmethod
    def of(cls, value: "str | HealthSettings") -> "HealthSettings":
        """The same for the short form, the policy alone."""
        return value if isinstance(value, HealthSettings) else cls(policy=value)  # type: ignore[arg-type]

    def relevant(self) -> dict[str, Any]:
        """What decides over training: nothing where health only tells."""
        if self.policy in {"tell", "off"}:
            return {}
        told = {"dead", "share", *(() if self.policy == "roll_back" else ("factor", "most"))}
        return {name: value for name, value in self.plain().items() if name not in told}


class PhaseSettings(Section, frozen=True):
    """`[[training.phases]]`: what is different from the beginning of an epoch on, until a later phase says otherwise.

    Attributes:
        epoch: the first of it, from 1.
        learning_rate: of its first iteration; not with a new optimizer, whose arguments hold it.
        optimizer: a new one, whose state begins anew; as `training.optimizer`.
        schedule: of the new optimizer's learning rate; as `training.schedule`.
        loss: as `training.loss`.
        frozen: patterns of names of layers that are not trained, such as "conv*"; [] to train all again.
        batch_size: samples in a batch.
        sets: numbers of the sets that are fit; by default all of the train split.
    """

    epoch: Positive
    learning_rate: Annotated[float, Meta(gt=0)] | None = None
    optimizer: str | Use | None = None
    schedule: Use | None = None
    loss: str | Use | None = None
    frozen: tuple[str, ...] | None = None
    batch_size: Positive | None = None
    sets: tuple[NotNegative, ...] | None = None

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """Something is different, and said once."""
        if not self.relevant().keys() - {"epoch"}:
            yield "epoch", "a phase says what is different: learning_rate, optimizer, loss, frozen, ...", self.epoch
        if self.learning_rate is not None and self.optimizer is not None:
            yield (
                "learning_rate",
                "belongs to the arguments of the new optimizer; expected none here",
                self.learning_rate,
            )
        if self.schedule is not None and self.optimizer is None:
            yield "schedule", "needs an optimizer, which it belongs to", self.schedule.use
        if self.sets == ():
            yield "sets", "expected at least one", []
        if self.loss is not None:
            yield from _unknown("loss", self.loss)

    def relevant(self) -> dict[str, Any]:
        """What was said, in one spelling."""
        value = {name: one for name, one in self.plain().items() if one is not None}
        if self.optimizer is not None:
            value["optimizer"] = Use.of(self.optimizer).plain()
        return value if self.loss is None else {**value, "loss": _plain(self.loss)}

    @property
    def changes_data(self) -> bool:
        """Whether other batches are fit."""
        return self.batch_size is not None or self.sets is not None


def _unknown(key: str, loss: str | Use) -> Iterable[tuple[str, str, Any]]:
    """What is wrong with the name of a loss."""
    name = Use.of(loss).use
    if ":" not in name and keras_names.loss(name) is None:
        yield key, keras_names.unknown_loss(name), name


def _plain(loss: str | Use) -> dict[str, Any]:
    """A loss as identities tell it."""
    use = Use.of(loss)
    return {**use.plain(), "use": keras_names.in_one_spelling(use.use)}


ON_TENSORFLOW = ("jit", "fit", "evaluate")
"""Settings of `[training]` that only Keras on TensorFlow takes."""

ON_TENSORFLOW_IN_PHASES = ("optimizer", "loss", "frozen")
"""Likewise of a phase."""


GRADIENTS = "gradients"
OF_GRADIENTS = frozenset({"watch"})
"""Ready-made callbacks that look at gradients where their argument `of` does not say what they look at."""


class TrainingSettings(Section, frozen=True):
    """`[training]`: how the model is trained.

    Attributes:
        epochs: how many; asking for more later trains only what is missing.
        batch_size: samples in a batch.
        optimizer: a name from `keras.optimizers` or "module:name"; its arguments hold the learning rate.
        schedule: a learning-rate schedule from `keras.optimizers.schedules` or "module:name"; one that depends on the
            total number of steps is told it in its own arguments, since `epochs` may grow.
        loss: a name from `keras.losses`, also a short one ("mse"), or "module:name"; by default the one that fits the
            labels; of several outputs a table of these by the outputs' names, or one for all.
        loss_weights: what the loss of each of several outputs counts for in their sum; 1 for those that are not named.
        metrics: names of metrics, tables of a name and arguments, or functions of (y_true, y_pred[, sample_weight][,
            threshold]) as "module:name"; computed over the whole validation split, and over the epoch's batches where
            they are made of counts. Of one of several outputs "OUTPUT.METRIC", or a table with `output`.
        key_metric: the one of them, or "loss", or of several outputs the loss of one ("OUTPUT.loss"), that tells which
            epoch is best on the validation split; with `maximize` one that the model computes itself.
        maximize: whether more of a key metric that the model computes itself is better; other metrics tell it.
        callbacks: what acts while training, such as "early_stopping"; `{use, arguments, every = { iterations = 100 }}`.
        validate: how often the validation split is judged, beside the end of each epoch that `epochs` names; by default
            at the end of each epoch.
        health: what is done when weights or gradients are not finite, dead, large or explode: "tell", "stop",
            "roll_back" or "off", or a table; see `HealthSettings`.
        phases: what is different from some epochs on; see `PhaseSettings`. Epochs before a phase do not depend on it.
        preprocessors: what is done to every batch or window, one after the other, such as "normalise".
        windows: how sequences are cut along time; without it every sample is fed whole.
        class_weights: what a sample of each class counts for in the training loss: "balanced", so that all classes
            count alike, or weights by the names of the classes, 1 for those that are not named.
        order: of the samples in an epoch: "sets" permuted and samples as they are stored in them, "blocks" permuted and
            the samples of 64 of them together, "samples" across the whole split, or "none"; by default "sets" where raw
            files are numbered sets, otherwise "blocks".
        sampling: draws samples instead of taking each once: "balanced", each class equally often, or "weighted", by the
            samples' own weights, which then do not count in the loss as well; in the order "samples".
        last: what becomes of an epoch's last batch when samples are left over: "keep" it short, "drop" it, or "fill" it
            with the epoch's first samples.
        superbatch_bytes: what may be held of each split in memory; a split that fits is read once.
        backend: of Keras: "tensorflow", "jax" or "torch", which are installed with deeptrain[jax] and deeptrain[torch];
            changes bits, and the options `ON_TENSORFLOW` are there on TensorFlow only.
        threads: of the backend within one operation; convolutions change bits with it.
        deterministic: whether the backend is held to operations that give the same bits on every run.
        jit: whether XLA compiles each iteration: faster for recurrent layers, slower for tiny ones; changes bits.
        precision: what layers compute in, as Keras' dtype policy; weights stay float32, "mixed_float16" scales losses.
        fit: one iteration in place of Keras' own: "module:function", called as `fit(model, optimizer, loss, batch)`.
        evaluate: likewise what a batch is judged by: `evaluate(model, loss, batch)` returns loss and outputs.
        autosave_seconds: the most that a crash costs, in seconds of training.
        keep_every: the heavy state of every n-th epoch stays on disk, beside the last two and the best; 0 for none.
        epochs_per_task: epochs in one Luigi task; by default as many as keep a run at 500 tasks.
    """

    outside_identity: ClassVar[frozenset[str]] = frozenset(
        {"epochs", "autosave_seconds", "keep_every", "epochs_per_task", "superbatch_bytes"}
    )
    without_effect: ClassVar[dict[str, Any]] = {
        "backend": "tensorflow",
        "jit": False,
        "precision": "float32",
        "fit": None,
        "evaluate": None,
        "loss_weights": None,
        "maximize": None,
    }
    """Settings that are in the identity only where they differ from these."""

    epochs: Positive
    batch_size: Positive = 32
    optimizer: str | Use = "adam"
    schedule: Use | None = None
    loss: str | Use | dict[str, str | Use] | None = None
    loss_weights: dict[str, Annotated[float, Meta(ge=0)]] | None = None
    metrics: tuple[str | MetricUse, ...] = ()
    key_metric: str = "loss"
    maximize: bool | None = None
    callbacks: tuple[str | CallbackUse, ...] = ()
    validate: EverySettings = EverySettings(epochs=1)
    health: Literal["tell", "stop", "roll_back", "off"] | HealthSettings = "tell"
    phases: tuple[PhaseSettings, ...] = ()
    preprocessors: tuple[str | Use, ...] = ()
    windows: WindowSettings | None = None
    class_weights: Literal["balanced"] | dict[str, Annotated[float, Meta(ge=0)]] | None = None
    order: Literal["sets", "blocks", "samples", "none"] | None = None
    sampling: Literal["balanced", "weighted"] | None = None
    last: Literal["keep", "drop", "fill"] = "keep"
    superbatch_bytes: Positive = 512 << 20
    backend: Literal["tensorflow", "jax", "torch"] = "tensorflow"
    threads: Annotated[int, Meta(ge=1, le=1024)] = 2
    deterministic: bool = True
    jit: bool = False
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    fit: str | Use | None = None
    evaluate: str | Use | None = None
    autosave_seconds: Annotated[float, Meta(gt=0)] = 60.0
    keep_every: NotNegative = 0
    epochs_per_task: Positive | None = None

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """Metrics are known and named once, and the key metric is one of them."""
        for rule, value in of_output.mistakes(self.metrics):
            yield "metrics", rule, value
        of_loss = self.key_metric == "loss" or self.key_loss is not None
        known = of_loss or of_output.answering(self.key_metric, self.metrics) is not None
        if not known and self.maximize is None:
            named = ", ".join(of_output.called(named) or Use.of(named).use for named in self.metrics)
            rule = f"expected loss or one of metrics ({named or 'none'}); one that the model computes needs maximize"
            yield "key_metric", rule, self.key_metric
        if known and self.maximize is not None:
            yield "maximize", f"{self.key_metric} tells itself whether more of it is better", self.maximize
        for output, loss in self.losses.items():
            yield from _unknown(f"loss.{output}" if output else "loss", loss)
        for number, phase in enumerate(self.phases, 1):
            if phase.epoch in {other.epoch for other in self.phases[: number - 1]}:
                yield f"phases.{number}.epoch", "expected each phase to begin with another epoch", phase.epoch
        if self.validate.validations is not None:
            yield "validate.validations", "a validation cannot wait for validations", self.validate.validations
        if self.validate.seconds is not None:
            rule = "a clock would make two runs differ; expected another frequency"
            yield "validate.seconds", rule, self.validate.seconds
        for key in ("fit", "evaluate"):
            named = getattr(self, key)
            if named is not None and ":" not in Use.of(named).use:
                yield key, "expected module:function", Use.of(named).use
        if self.backend != "tensorflow":
            yield from self._on_tensorflow()
        if self.sampling is not None and self.order not in {None, "samples"}:
            yield "order", "expected samples, or none given, where samples are drawn (sampling)", self.order
        if not self.autosave_seconds < float("inf"):
            yield "autosave_seconds", "expected a finite number", self.autosave_seconds
        if self.epochs_per_task is not None and self.epochs > MOST_TASKS * self.epochs_per_task:
            needed = -(-self.epochs // MOST_TASKS)
            yield "epochs_per_task", f"expected at least {needed} for {self.epochs} epochs", self.epochs_per_task

    def relevant(self) -> dict[str, Any]:
        """In one spelling: bare names as tables, metrics by their own names."""
        value = Section.relevant(self)
        value = {
            key: one
            for key, one in value.items()
            if key not in self.without_effect or getattr(self, key) != self.without_effect[key]
        }
        for key in ("fit", "evaluate"):
            if key in value:
                value[key] = Use.of(getattr(self, key)).plain()
        value["optimizer"] = Use.of(self.optimizer).plain()
        value["loss"] = {name: _plain(loss) for name, loss in self.losses.items()} or None
        if ONLY in self.losses:
            value["loss"] = value["loss"][ONLY]
        callbacks = [CallbackUse.of(named) for named in self.callbacks]
        value["callbacks"] = [use.plain() for use in callbacks if use.use not in WATCHING]
        value["preprocessors"] = [Use.of(named).plain() for named in self.preprocessors]
        value["phases"] = [phase.relevant() for phase in sorted(self.phases, key=lambda phase: phase.epoch)]
        if not self.phases:
            del value["phases"]
        value["health"] = HealthSettings.of(self.health).relevant()
        if not value["health"]:
            del value["health"]
        value["validate"] = self.validate.given
        if value["validate"] == {"epochs": 1}:
            del value["validate"]
        value["metrics"] = [of_output.plain(named) for named in self.metrics]
        return {**value, "key_metric": self.key}

    def _on_tensorflow(self) -> Iterable[tuple[str, str, Any]]:
        """What is asked for that is there on TensorFlow only."""
        rule = f'needs the backend "tensorflow", the experiment asks for "{self.backend}"'
        for key in ON_TENSORFLOW:
            if getattr(self, key) != self.without_effect[key]:
                yield key, rule, getattr(self, key)
        for number, use in enumerate(map(CallbackUse.of, self.callbacks), 1):
            of = use.arguments.get("of", [GRADIENTS] if use.use in OF_GRADIENTS else [])
            if use.use in WATCHING and isinstance(of, list) and GRADIENTS in of:
                yield f"callbacks.{number}", f"{rule} for gradients; say `of` without them", use.use
        for number, phase in enumerate(self.phases, 1):
            for key in ON_TENSORFLOW_IN_PHASES:
                if getattr(phase, key) is not None:
                    yield f"phases.{number}.{key}", rule, getattr(phase, key)

    @property
    def key(self) -> str:
        """What results call the key metric."""
        return of_output.answering(self.key_metric, self.metrics) or self.key_metric

    @property
    def key_loss(self) -> str | None:
        """The output whose loss is the key metric, None where it is none of several."""
        output, dot, name = self.key_metric.rpartition(".")
        return output if dot and name == "loss" else None

    @property
    def losses(self) -> dict[str, str | Use]:
        """The loss that was asked for, under `ONLY`, or the losses by output; empty where the labels tell it."""
        if isinstance(self.loss, dict):
            return self.loss
        return {} if self.loss is None else {ONLY: self.loss}

    @property
    def judge(self) -> str | Use | None:
        """The key metric as it is named; None when it is the loss."""
        found = (named for named in self.metrics if of_output.called(named) == self.key)
        return next((of_output.split(named)[1] for named in found), None)

    def order_of(self, numbered: bool) -> Literal["sets", "blocks", "samples", "none"]:
        """The order that was asked for, or the one that fits the data.

        Args:
            numbered: whether the raw files are numbered sets.
        """
        if self.order is not None:
            return self.order
        if self.sampling is not None:
            return "samples"
        return "sets" if numbered else "blocks"

    @property
    def task_epochs(self) -> int:
        """Epochs in one Luigi task; Luigi's scheduling is quadratic in the number of tasks."""
        return self.epochs_per_task or -(-self.epochs // MOST_TASKS)


MOST_TASKS = 500


class PredictionsSettings(Section, frozen=True):
    """`[predictions]`: which epoch's model predicts.

    Attributes:
        epoch: "best" by the key metric on the validation split among the epochs asked for, "last", or a number.
        average: of how many epochs the weights are averaged: of "best" the best by the key metric, otherwise those up
            to that epoch; fewer where training stopped before there were as many. In the identity where it is not 1.
    """

    epoch: Literal["best", "last"] | Positive = "best"
    average: Positive = 1

    def relevant(self) -> dict[str, Any]:
        """Without what is not used."""
        value = Section.relevant(self)
        return value if self.average > 1 else {"epoch": value["epoch"]}
