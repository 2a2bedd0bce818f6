"""From the start of a process to the first iteration after a resume, against importing, building and tracing alone."""

import subprocess
import sys
from pathlib import Path

from tests.benchmarks.side_by_side import measured, show

DIGITS = Path("pipelines/experiments/digits.toml").resolve()

ALONE = """
from deeptrain.training import runtime
runtime.start(2, True)
import tensorflow as tf
import keras, numpy as np
from pipelines.experiments.digits_model import build
class Data:
    shape = (8, 8, 1)
model = build(Data, 16, 0.3)
model.compile("adam", "binary_crossentropy", jit_compile=False)
@tf.function(autograph=False)
def step(x, y):
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x=x, y=y, y_pred=model(x, training=True))
    model.optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss
model.optimizer.build(model.trainable_variables)
float(step(tf.constant(np.zeros((32, 8, 8, 1), "float32")), tf.constant(np.zeros((32, 1), "float32"))))
"""

STOPPED = """
import sys
from deeptrain.errors import Interrupted
from deeptrain.training import Trainer
def stop(progress):
    if progress.epoch == 2 and progress.iteration == 7:
        trainer.interrupt()
trainer = Trainer.from_experiment(sys.argv[1], store=sys.argv[2], watch=stop)
trainer._loop.course.pace.took = lambda *_: None
try:
    trainer.train()
except Interrupted:
    pass
"""

RESUMED = """
import os, sys
from deeptrain.training import Trainer
def first(progress):
    if progress.phase == "fit":
        os._exit(0)
trainer = Trainer.from_experiment(sys.argv[1], store=sys.argv[2], watch=first)
assert trainer.position.batch == 7, trainer.position
trainer.train()
"""


def test_the_first_iteration_after_a_resume(tmp_path: Path) -> None:
    def run(code: str) -> None:
        subprocess.run([sys.executable, "-c", code, DIGITS, tmp_path], check=True, capture_output=True)

    run(STOPPED)
    contestants = {
        "resumed, to its first iteration": lambda: run(RESUMED),
        "import + build + trace alone": lambda: run(ALONE),
    }
    show("the first iteration of a resumed run", measured(contestants, rounds=5), "s", 1)
