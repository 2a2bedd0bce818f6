"""The learning-rate range test: what it finds, and that a trainer does not notice it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot
from PIL import Image

from deeptrain.errors import SettingsError, TrainingError
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.batches import Batches
from deeptrain.loading.piece_feed import PieceFeed
from deeptrain.shards.reading import Split
from deeptrain.training import Trainer, find_rate, on
from deeptrain.training.learner import Fitted
from deeptrain.training.rate_finder import RateCurve
from deeptrain.training.sklearn_learner import SklearnLearner
from pipelines import __main__
from tests import shard_files
from tests.conftest import TOML, tree
from tests.numpy_learner import NumpyLearner
from tests.piecewise import Debt, Ended, Halves, Mean
from tests.training import test_windowed_resume


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    x = np.random.Generator(np.random.Philox(1)).standard_normal((22, 3), np.float32)
    return shard_files.split(tmp_path_factory.mktemp("samples"), x, np.arange(22, dtype=np.uint8) % 2, kind="binary")


class Told(NumpyLearner):
    """Its loss is a function of the rate it has."""

    def __init__(self, loss: Callable[[float], float]) -> None:
        super().__init__(3)
        self._told = loss

    def fit(self, x: Any, y: Any, **rest: Any) -> Fitted:
        fitted = super().fit(x, y, **rest)
        return Fitted(np.full(len(x), self._told(self.learning_rate), np.float32), fitted.outputs)


def plain(learner: Any, split: Split) -> Trainer:
    return Trainer(learner, Batches(split, 6, seed=5, order="samples"), Batches(split, 6), epochs=3)


def in_pieces(learner: Any, split: Split) -> Trainer:
    """Batches become several iterations, and preprocessors keep something from one to the next."""
    chain: list[Any] = [Mean(), Debt(), Halves(), Ended()]
    batches = Batches(split, 6, seed=5, order="samples")
    validation = BatchFeed(Batches(split, 6, preprocessors=chain))
    return Trainer(learner, PieceFeed(batches, preprocessors=chain), validation, epochs=3)


def learner(name: str) -> Any:
    from sklearn.linear_model import SGDClassifier
    from sklearn.neural_network import MLPClassifier

    if name == "numpy":
        return NumpyLearner(3)
    if name == "sgd":
        return SklearnLearner(
            SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.01, random_state=1), "binary"
        )
    return SklearnLearner(MLPClassifier((3,), random_state=1), "binary")


@pytest.mark.filterwarnings("ignore:overflow encountered in exp:RuntimeWarning")  # the rate is to explode
@pytest.mark.parametrize("make", [plain, in_pieces])
@pytest.mark.parametrize("name", ["numpy", "sgd", "mlp"])
def test_wherever_it_stands_a_trainer_trains_on_as_if_nothing_had_happened(
    make: Callable[..., Trainer], name: str, split: Split
) -> None:
    undisturbed = make(learner(name), split)
    undisturbed.train()
    for cut in range(0, undisturbed.position.iteration + 1, 1 if make is in_pieces else 3):
        trainer = make(learner(name), split)
        if cut:
            trainer.step(cut)
        before = trainer.state
        find_rate(trainer, iterations=11 + cut, greatest=0.05)
        assert trainer.state == before
        trainer.train()
        assert trainer.state.kept == undisturbed.state.kept
        assert trainer.results == undisturbed.results
        assert trainer.interventions == []
        np.testing.assert_array_equal(trainer.history().loss, undisturbed.history().loss)
        for variable, value in undisturbed.learner.variables().items():
            np.testing.assert_array_equal(
                trainer.learner.variables()[variable], value, err_msg=f"{variable} after {cut}"
            )


SCHEDULED = TOML.replace(
    "threads = 1",
    'threads = 1\nschedule = { use = "CosineDecay", arguments = { initial_learning_rate = 0.1, decay_steps = 12 } }',
)


@pytest.mark.parametrize("toml", [TOML, SCHEDULED], ids=["constant", "scheduled"])
def test_a_written_training_of_a_keras_model_is_not_touched(toml: str, make_experiment: Callable[..., Path]) -> None:
    """Batch normalisation, dropout's generator, the optimizer's slots, and a schedule that a rate was set over."""
    trees = []
    for name, found in (("plain", False), ("found", True)):
        file = make_experiment(name, toml=toml)
        trainer = Trainer.from_experiment(file, store=file.parent / "runs")
        told: list[str] = []
        trainer.callbacks = {**trainer.callbacks, "mine": on("iteration_end")(lambda _, told=told: told.append("told"))}
        for steps in (None, 7, 3):
            if steps is not None:
                trainer.step(steps)
            if found:
                before, count = tree(file.parent / "runs"), len(told)
                curve = find_rate(trainer, iterations=12)
                assert len(curve.rates) >= 2
                assert tree(file.parent / "runs") == before
                assert len(told) == count
        trainer.train()
        trainer.close()
        trees.append(tree(file.parent / "runs"))
    assert trees[0] == trees[1]


@pytest.mark.parametrize("cut", [1, 4, 7])
def test_states_of_recurrent_layers_go_on_in_the_middle_of_a_series(cut: int, tmp_path: Path) -> None:
    for store, found in ((tmp_path / "plain", False), (tmp_path / "found", True)):
        trainer = test_windowed_resume.trainer(store)
        trainer.step(cut)
        if found:
            find_rate(trainer, iterations=15)
        trainer.train()
        trainer.close()
    assert tree(tmp_path / "plain") == tree(tmp_path / "found")


def test_the_command_prints_and_draws(
    experiment: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(experiment.parent)
    assert __main__.main(["find-rate", experiment.name, "--iterations", "20", "--out", "rate.png"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "rate.png"
    assert Image.open(io.BytesIO((experiment.parent / "rate.png").read_bytes())).format == "PNG"
    assert not (experiment.parent / "runs").exists()
    assert __main__.main(["find-rate", experiment.name, "--least", "2"]) == 1
    assert "find_rate: expected 0 < least < greatest, got 2.0 and 1.0" in capsys.readouterr().err
    assert __main__.main(["find-rate", experiment.name, "--out", "nowhere/rate.png"]) == 1
    assert "the directory nowhere does not exist" in capsys.readouterr().err


def test_the_suggestion_is_where_the_loss_falls_fastest(split: Split) -> None:
    def loss(rate: float) -> float:
        place = np.log10(rate)
        return float(1 - 0.5 / (1 + np.exp(-3 * (place + 3))) + 5 / (1 + np.exp(-12 * (place + 0.5))))

    curve = find_rate(plain(Told(loss), split), iterations=141)
    np.testing.assert_allclose(curve.rates, 10 ** np.linspace(-7, 0, 141)[: len(curve.rates)])
    assert curve.suggestion == pytest.approx(1e-3, rel=0.3)
    assert curve.stopped is not None
    assert len(curve.rates) < 141
    text = str(curve)
    assert "the loss exploded at" in text
    assert len(text.splitlines()) <= 24


def test_noise_of_batches_is_taken_out_and_a_straight_line_stays_one() -> None:
    rates = np.geomspace(1e-4, 1, 50)
    line = 3 - 0.2 * np.log10(rates)
    straight = RateCurve(rates, line, 50)
    np.testing.assert_allclose(straight.smoothed, line)
    np.testing.assert_allclose(straight.slopes, -0.2)
    noise = np.random.Generator(np.random.Philox(2)).normal(0, 0.1, 50)
    noisy = RateCurve(rates, line + noise, 50)
    assert np.abs(noisy.smoothed - line).mean() < 0.5 * np.abs(noise).mean()


def test_a_loss_that_never_falls_suggests_nothing(split: Split) -> None:
    curve = find_rate(plain(Told(lambda rate: 1 + rate), split))
    assert curve.suggestion is None
    assert "none: the loss did not fall" in str(curve)
    assert Image.open(io.BytesIO(curve.picture().png())).size == (760, 460)


def test_it_ends_when_the_loss_is_not_finite(split: Split) -> None:
    curve = find_rate(plain(Told(lambda rate: 1 - rate if rate < 1e-2 else float("nan")), split))
    assert curve.stopped is not None
    assert curve.stopped.startswith("the loss became nan at 0.01")
    assert np.isfinite(curve.losses).all()
    with pytest.raises(TrainingError, match="the loss became inf at 1e-07, with which it began: begin with less than"):
        find_rate(plain(Told(lambda _: float("inf")), split))


def test_the_picture_has_no_global_state(split: Split) -> None:
    curve = find_rate(plain(NumpyLearner(3), split), greatest=10.0)
    drawn = np.asarray(Image.open(io.BytesIO(curve.picture().png())).convert("RGB"))
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 50
    assert curve.picture().png() == curve.picture().png()
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"least": 0.0}, "find_rate: expected 0 < least < greatest, got 0.0 and 1.0"),
        ({"least": 2.0}, "got 2.0 and 1.0"),
        ({"greatest": float("inf")}, "got 1e-07 and inf"),
        ({"iterations": 9}, "find_rate: expected at least 10 iterations, got 9"),
    ],
)
def test_what_makes_no_curve_is_refused(given: Any, message: str, split: Split) -> None:
    with pytest.raises(SettingsError, match=message):
        find_rate(plain(NumpyLearner(3), split), **given)


def test_a_learner_without_a_rate_is_refused(split: Split) -> None:
    from sklearn.naive_bayes import GaussianNB

    with pytest.raises(TrainingError, match="find_rate: SklearnLearner has no learning rate to set"):
        find_rate(plain(SklearnLearner(GaussianNB(), "binary"), split))
