"""What watching a training, and listening to it, costs the thread that trains: seconds of that thread's processor."""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from deeptrain.training import Trainer
from deeptrain.training.journal import Journal
from deeptrain.training.live_page import LivePage
from deeptrain.training.mailbox import send
from deeptrain.training.progress_file import ProgressFile
from deeptrain.training.reporter import Reporter
from tasks.watching import SchedulerStatus
from tests.benchmarks.side_by_side import bar
from tests.training.test_written_edges import run_in, windowed

CALLS = 20_000
BAR = 20.0


def microseconds(call: Callable[[], object]) -> float:
    """Of this thread's processor, a call; the least of five rounds."""
    least = float("inf")
    for _ in range(5):
        begun = time.thread_time()
        for _ in range(CALLS // 5):
            call()
        least = min(least, (time.thread_time() - begun) / (CALLS // 5))
    return 1e6 * least


def test_telling_and_listening_in_every_iteration(tmp_path: Path) -> None:
    """As if each iteration were a group of its own; fused, up to a thousand share it."""
    run = run_in(tmp_path)
    live = run.directory / "live"
    sinks = [LivePage(live / "index.html", "x"), ProgressFile(live, "x"), SchedulerStatus()]
    reporter = Reporter(sinks)
    trainer, _ = windowed(journal=Journal(run), epochs=200, watch=reporter.update)
    trainer.train(150)  # curves of 150 epochs, and the mailbox is looked into from now on
    trainer.step(2)
    loop = trainer._loop

    def tell() -> None:
        loop.display.tell("fit", trainer, 200, str, loop.record.loss)

    def listen() -> None:
        loop._answer()

    told, heard = microseconds(tell), microseconds(listen)
    reporter.close()
    sys.stdout.write(f"\nwatching: {told:.1f} us a group of iterations, listening {heard:.1f} us\n")
    bar("both, a group, in microseconds", told + heard, BAR)
    trainer.close()


def test_an_answer_through_the_mailbox(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    trainer, _ = windowed(journal=Journal(run), epochs=1_000_000)
    took: list[float] = []

    def talk(trainer: Trainer) -> None:
        for _ in range(20):
            begun = time.perf_counter()
            send(run.directory, "checkpoint", 60)
            took.append(time.perf_counter() - begun)
        trainer.interrupt_after_epoch()

    trainer.step(1)
    talking = threading.Thread(target=talk, args=(trainer,))
    talking.start()
    try:
        trainer.train()
    except KeyboardInterrupt:
        talking.join()
    trainer.close()
    sys.stdout.write(f"\na checkpoint asked for through the mailbox is answered in {sorted(took)[10]:.2f} s\n")
