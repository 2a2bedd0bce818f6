"""Complete runs whose artifacts hold next to nothing: planning reads manifests, sizes and little JSON only."""

from pathlib import Path

from deeptrain.lineage import Lineage
from deeptrain.store import artifact
from deeptrain.store.specification import Specification
from deeptrain.training.results import Results
from deeptrain.training.run import HISTORY, METRICS, PROGRESS, STATE


def publish(plan: Lineage, files: int = 1) -> None:
    """Publish every artifact of a plan that is not complete.

    Args:
        plan: of an experiment.
        files: how many each part of its shards has.
    """
    publish_shards(plan, files)
    for number in range(1, plan.epochs + 1):
        publish_epoch(plan, number)
    for stage, specification in plan.stages.items():
        _write(plan, specification, {"made": stage.encode()})


def publish_shards(plan: Lineage, files: int = 1) -> None:
    """Publish what is made of the raw data of a plan, unless it is complete; `files`: of each part."""
    for specification in plan.conversion.specifications:
        _write(plan, specification, {f"{number:05d}": b"x" for number in range(files)})


def publish_epoch(plan: Lineage, number: int) -> None:
    """Publish an epoch and its state, unless it is complete."""
    state = plan.training.state(number)
    if not state.directory.exists():
        _write(plan, state, {STATE: str(number).encode()})
    value = 1 / number
    results = Results(number, 10 * number, {"loss": value}, {"loss": value}, 0.1, value, is_best=True)
    progress = {
        "state_content": artifact.open(state.directory).manifest.content,
        "state": {"best": {"epoch": number, "value": value}},
    }
    made = plan.training.epoch(number)
    if not plan.checker.complete(made):
        with artifact.writing(made, plan.checker.links(made)) as writer:
            writer.json(METRICS, results.plain())
            writer.json(PROGRESS, progress)
            writer.write(HISTORY, b"")


def _write(plan: Lineage, specification: Specification, files: dict[str, bytes]) -> None:
    if specification.stage != "state" and plan.checker.complete(specification):
        return
    with artifact.writing(specification, plan.checker.links(specification)) as writer:
        for name, data in files.items():
            writer.write(name, data)


def seen(directory: Path) -> dict[str, tuple[int, int]]:
    """Every file and directory below one with its time and size: what looking at a run must not change."""
    found = [directory, *directory.rglob("*")]
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in found}
