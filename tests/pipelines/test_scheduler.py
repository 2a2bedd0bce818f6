"""A command and Luigi's scheduler, central or local, as far as no training is needed to see it."""

from pathlib import Path

from tests.luigid import Luigid
from tests.pipelines import command
from tests.pipelines.command import Warm

SHARDS, EPOCHS = (("--module", "pipelines", task, "--experiment", "tiny.toml") for task in ("Shards", "Epochs"))


def test_under_a_stock_luigid_codes_are_right_and_what_failed_runs_again_at_once(experiment: Path, warm: Warm) -> None:
    here = experiment.parent
    raw = here / "raw/part-2.csv"
    data = raw.read_bytes()
    luigid = Luigid(here)
    try:
        raw.write_text("a,b,c,d,y\n")
        failed = warm(*SHARDS, *luigid.arguments, cwd=here)
        assert (failed.code, failed.err) == (30, f"deeptrain: {raw}: no samples: it has a header and no rows\n")
        raw.write_bytes(data)
        finished = warm(*SHARDS, *luigid.arguments, cwd=here)
        assert (finished.code, finished.err) == (0, "")
        assert "scheduler" not in finished.out
        assert command.stages(here / "runs") == ["samples", "part 1", "shards"]
        assert warm(*SHARDS, *luigid.arguments, cwd=here).code == 0
        assert len(command.stages(here / "runs")) == 3
    finally:
        luigid.kill()


def test_a_device_that_the_scheduler_does_not_have_is_not_trained_on(experiment: Path, warm: Warm) -> None:
    (experiment.parent / "luigi.cfg").write_text("[resources]\ngpu = 1\n")
    asked = (*EPOCHS, "--local-scheduler", "--Scheduling-gpu", "2")
    finished = warm(*asked, cwd=experiment.parent)
    assert finished.code == 25
    assert command.stages(experiment.parent / "runs") == ["samples", "part 1", "shards"]
