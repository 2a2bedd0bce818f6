"""A Keras model on JAX as a learner: fused iterations, and every variable there is by name."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from deeptrain.errors import DeeptrainError, TrainingError, in_one_line
from deeptrain.loading.arrays import Arrays, mapped
from deeptrain.metrics.metric import Kind
from deeptrain.training import keras_checks, keras_forward, keras_parts, keras_step
from deeptrain.training.keras_globals import as_when_built, global_seed_generator
from deeptrain.training.keras_rate import OVERRIDE, LearningRate
from deeptrain.training.keras_variables import averages_of, check_fit, check_names, named_variables
from deeptrain.training.learner import Fitted

State = dict[str, Any]
"""The value of every variable by its name, as JAX arrays, which nothing changes."""


class JaxLearner:
    """A model, its optimizer and its loss, driven in groups of iterations, where Keras runs on JAX.

    An iteration is a pure function of the state and a batch. Fitting k batches is one compiled loop over it that is
    told k only when it runs, so that nothing the compiler does to a loop of known length can make bits depend on k.
    Arrays have room for a power of two of iterations, so that few loops are compiled.

    An iteration is Keras' way: loss, gradients, the optimizer's update. Where the optimizer keeps moving averages
    (`use_ema`), the model is judged and predicts with them. Not here: functions and a `train_step` of the user's,
    metrics that the model computes itself, phases that change more than the learning rate.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        loss: Callable[..., Any] | Mapping[str, Any],
        kind: Kind | Mapping[str, Kind],
        *,
        loss_weights: Mapping[str, float] | None = None,
        precision: str = "float32",
    ) -> None:
        """Take a model that was built under KERAS_BACKEND=jax.

        Args:
            model: a built `keras.Model`; several inputs or outputs go by name.
            optimizer: a `keras.optimizers.Optimizer`, not yet built.
            loss: a `keras.losses.Loss`; of several outputs one for all, or one for each by its name.
            kind: of the task; labels that are no class numbers are fed as floats of the output's shape.
            loss_weights: what the loss of each of several outputs is multiplied with in their sum; 1 for others.
            precision: Keras' dtype policy, the one the model was built with.

        Raises:
            TrainingError: when Keras runs on another backend, the model is not built, there is no optimizer, or the
                model has a `train_step` of its own.
        """
        import keras

        if keras.config.backend() != "jax":
            raise TrainingError(
                f"JaxLearner needs Keras' jax backend, this process uses {keras.config.backend()}: set "
                "KERAS_BACKEND=jax before Keras is imported"
            )
        keras_checks.check_model(model, optimizer)
        if keras_step.step_of_model(model) is not None or keras_step.loss_of_model(model) is not None:
            raise TrainingError(
                f"{model.name}: a train_step or test_step of its own is run on TensorFlow only; "
                "JaxLearner fits Keras' way"
            )
        self.model = model
        self._global_seeds = global_seed_generator()
        self._kind = kind
        self._loss, self._loss_weights = loss, dict(loss_weights or {})
        self._precision = precision
        self._learnable = list(model.trainable_variables)
        self._following = False
        self._shapes: Any = None
        self._seen = False
        with as_when_built(self._global_seeds, precision):
            model.compile(optimizer=optimizer, loss=None if isinstance(loss, Mapping) else loss, jit_compile=False)
            self.optimizer = model.optimizer  # for loss scaling Keras puts an optimizer of its own around it
            self.optimizer.build(self._learnable)
        self._rate = LearningRate(self.optimizer)
        self._renew()

    def fit(
        self,
        x: Arrays,
        y: Arrays,
        *,
        weights: np.ndarray | None = None,
        mask: Arrays | None = None,
        begins: np.ndarray | None = None,
    ) -> Fitted:
        """Fit batches in one call: see `Learner.fit`.

        Raises:
            BatchError: for a batch of another shape than the model takes, labels out of the loss' range, and NaN: in
                the first group before anything is fit, later when it has spoiled a loss.
            TrainingError: when the step cannot be traced, or a checkpoint could not hold what it depends on.
        """
        begins = begins if self._recurrent else None
        parts = keras_parts.present(x=x, y=self._targets(x, y, 1), weights=weights, mask=mask, begins=begins)
        keras_parts.check_labels(self._loss, self._shapes, parts)
        if not self._seen:
            keras_checks.check_rows(parts)
            keras_checks.check_finite(parts)
            self._seen = True
        count = next(len(part) for _, part in keras_checks.arrays(parts))
        room = 1 << (count - 1).bit_length()
        given = keras_parts.changed(lambda part: _with_room(part, room), parts)
        state, (told, outputs) = self._called(self._fit, self._state(), given, count)
        self._set(state)
        metrics = {name: np.asarray(values)[:count] for name, values in told.items()}
        losses = metrics.pop("loss")
        if not np.isfinite(losses).all():
            keras_checks.check_finite(parts)
        return Fitted(losses, mapped(lambda part: np.asarray(part)[:count], outputs), metrics)

    def evaluate(
        self, x: Arrays, y: Arrays, *, weights: np.ndarray | None = None, mask: Arrays | None = None
    ) -> tuple[float | Mapping[str, float], Arrays]:
        """Loss and outputs of a batch: see `Learner.evaluate`."""
        told, outputs = self._run(keras_parts.present(x=x, y=self._targets(x, y, 0), weights=weights, mask=mask))
        losses = {name: float(loss) for name, loss in told.items()}
        return losses if len(losses) > 1 else losses["loss"], outputs

    def predict(self, x: Arrays, *, mask: Arrays | None = None) -> Arrays:
        """Raw outputs of a batch: see `Learner.predict`."""
        _, outputs = self._run(keras_parts.present(x=x, mask=mask))
        return outputs

    @contextlib.contextmanager
    def sequence(self) -> Iterator[None]:
        """Follow a series through its windows: see `Learner.sequence`."""
        kept = {name: self._named[name].value for name in self._recurrent}
        self._following = True
        try:
            self._set({name: np.zeros(value.shape, value.dtype) for name, value in kept.items()})
            yield
        finally:
            self._following = False
            self._set(kept)

    def variables(self) -> dict[str, np.ndarray]:
        """Every variable by name: see `Learner.variables`. On the CPU each is a view of memory nothing writes to."""
        return {name: np.asarray(value) for name, value in self._state().items()}

    def restore(self, variables: Mapping[str, np.ndarray]) -> None:
        """Set every variable: see `Learner.restore`. A learning rate that was set where there is a schedule is one."""
        overridden = variables.get(OVERRIDE)
        if overridden is None or overridden.shape == ():
            check_names(self._named, variables, {OVERRIDE})
            self.set_learning_rate(None if overridden is None else float(overridden))
        check_names(self._named, variables)
        check_fit(self._named, variables)
        self._set({name: np.array(variables[name]) for name in self._named})

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next iteration, from a schedule if there is one."""
        return self._rate.value

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.set_learning_rate(value)

    def set_learning_rate(self, value: float | None) -> None:
        """Set the learning rate; where there is a schedule it holds instead, until None goes back to it."""
        if self._rate.set(value):
            self._renew()

    def _renew(self) -> None:
        """Forget what was compiled, and name the variables again."""
        import jax

        # Compiled within another, an iteration is traced once for all lengths.
        self._fit = jax.jit(functools.partial(self._iterations, jax.jit(self._iteration)))
        self._forward = jax.jit(self._judged)
        self._named = named_variables(self.model, self.optimizer, self._global_seeds)
        if self._rate.override is not None:
            self._named[OVERRIDE] = self._rate.override
        names = {id(variable): name for name, variable in self._named.items()}
        self._trained = [names[id(variable)] for variable in self._learnable]
        self._of_optimizer = [names[id(variable)] for variable in self.optimizer.variables]
        self._averages = [names[id(variable)] for variable in averages_of(self.optimizer)]
        self._recurrent = [name for name in self._named if name.startswith("recurrent/")]

    def _state(self) -> State:
        return {name: variable.value for name, variable in self._named.items()}

    def _set(self, state: State) -> None:
        for name, value in state.items():
            self._named[name].assign(value)

    def _targets(self, x: Arrays, y: Arrays, leading: int) -> Arrays:
        """Labels as the loss takes them; the first batch tells the shapes of the outputs."""
        keras_checks.check_inputs(self.model, x, leading)
        if self._shapes is None:
            self._shapes = keras_parts.output_shapes(self.model, x, leading)
        return keras_parts.targets(y, self._shapes, self._kind, leading)

    def _called(self, compiled: Any, state: State, parts: Mapping[str, Any], *more: Any) -> Any:
        try:
            with as_when_built(self._global_seeds, self._precision):
                return compiled(state, parts, *more)
        except DeeptrainError:
            raise
        except Exception as error:
            shapes = ", ".join(f"{name} {list(part.shape)}" for name, part in keras_checks.arrays(parts))
            raise TrainingError(
                f"{self.model.name}: JAX refused a step for a batch of {shapes}: {in_one_line(error)}"
            ) from error

    def _iterations(self, iteration: Callable[..., Any], state: State, given: Any, count: Any) -> tuple[State, Any]:
        """Fit the first `count` batches one after the other; beside the state what each told, and its outputs."""
        import jax

        def one(number: Any) -> Any:
            return jax.tree.map(lambda part: jax.lax.dynamic_index_in_dim(part, number, keepdims=False), given)

        def step(number: Any, carry: Any) -> Any:
            state, kept = carry
            state, came = iteration(state, one(number))
            put = jax.lax.dynamic_update_index_in_dim
            return state, jax.tree.map(lambda array, part: put(array, part, number, 0), kept, came)

        room = len(jax.tree.leaves(given)[0])
        _, came = jax.eval_shape(lambda: iteration(state, one(0)))
        kept = jax.tree.map(lambda part: jax.numpy.zeros((room, *part.shape), part.dtype), came)
        state, kept = jax.lax.fori_loop(0, count, step, (state, kept))
        return state, kept

    def _iteration(self, state: State, one: Mapping[str, Any]) -> tuple[State, tuple[dict[str, Any], Any]]:
        import jax
        from jax import numpy as jnp

        batch = keras_parts.given(one)
        if "begins" in one:
            state = state | {name: jnp.where(one["begins"], 0, state[name]) for name in self._recurrent}

        def scaled_loss(trained: list[Any]) -> Any:
            def run() -> Any:
                outputs = keras_forward.outputs(self.model, batch, jnp.array, training=True)
                losses = self._losses(batch, outputs, training=True)
                return self.optimizer.scale_loss(losses["loss"]), losses, outputs

            (scaled, losses, outputs), after = self._within(state | dict(zip(self._trained, trained, strict=True)), run)
            return scaled, (losses, outputs, after)

        weights = [state[name] for name in self._trained]
        (_, (losses, outputs, after)), gradients = jax.value_and_grad(scaled_loss, has_aux=True)(weights)
        made = self.optimizer.stateless_apply([after[name] for name in self._of_optimizer], gradients, weights)
        for names, values in zip((self._trained, self._of_optimizer), made, strict=True):
            after |= zip(names, values, strict=True)
        after = {name: jnp.asarray(value, state[name].dtype) for name, value in after.items()}
        return after, ({name: loss.astype("float32") for name, loss in losses.items()}, outputs)

    def _judged(self, state: State, given: Any) -> tuple[State, Any]:
        """A forward pass, and the losses where there are labels; beside them the states of recurrent layers."""
        from jax import numpy as jnp

        batch = keras_parts.given(given)
        if self._averages:
            begun = self.optimizer.iterations
            name = next(name for name, variable in self._named.items() if variable is begun)
            weights = {
                one: jnp.where(state[name] != 0, state[average], state[one])  # before, they are zeros
                for one, average in zip(self._trained, self._averages, strict=True)
            }
            state = state | weights

        def run() -> Any:
            outputs = keras_forward.outputs(self.model, batch, jnp.array, training=False)
            return {} if batch.y is None else self._losses(batch, outputs, training=False), outputs

        came, after = self._within(state, run)
        return {name: after[name] for name in self._recurrent}, came

    def _run(self, parts: Mapping[str, Any]) -> tuple[dict[str, Any], Arrays]:
        """Losses and outputs; changes nothing but states being followed."""
        states, (losses, outputs) = self._called(self._forward, self._state(), parts)
        if self._following:
            self._set(states)
        return losses, mapped(np.array, outputs)  # copies: what comes out may be what went in

    def _losses(self, batch: keras_step.Given, outputs: Any, *, training: bool) -> dict[str, Any]:
        return keras_forward.losses(self.model, self._loss, self._loss_weights, batch, outputs, training=training)

    def _within(self, state: State, run: Callable[[], Any]) -> tuple[Any, State]:
        """What a function returns where the variables have the values of a state, and the values that it leaves.

        Raises:
            TrainingError: when it writes a variable that no checkpoint holds.
        """
        import keras

        mapping = [(self._named[name], value) for name, value in state.items()]
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
            came = run()
        if scope.state_mapping.keys() - {id(variable) for variable in self._named.values()}:
            raise TrainingError(
                f"{self.model.name}: training changes variables that no checkpoint holds: variables must belong to a "
                "layer of the model or to the optimizer, and random ones to a keras.random.SeedGenerator there"
            )
        return came, {name: scope.get_current_value(self._named[name]) for name in state}


def _with_room(part: np.ndarray, room: int) -> np.ndarray:
    """The same iterations at the beginning of an array for `room` of them; the rest is zeros."""
    if len(part) == room:
        return part
    made = np.zeros((room, *part.shape[1:]), part.dtype)
    made[: len(part)] = part
    return made
