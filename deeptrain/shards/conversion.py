"""From raw files to shards: the artifacts of `plan`, each made once, by any number of processes.

What is made, and every byte of it, is a function of the settings and the raw files. A conversion that is killed goes on
with the artifacts it had not finished; one that is missing, short or altered is made again alone, and what was made
from it stays if it has the same content.
"""

import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeptrain.errors import ArtifactError, DataError
from deeptrain.settings import Mistakes, typed
from deeptrain.shards import arrangement, intake, joining, parts, plan, samples, sources
from deeptrain.shards.arrangement import Arrangement
from deeptrain.shards.gathering import Gatherer
from deeptrain.shards.plan import Conversion
from deeptrain.shards.progress import Progress, Watch, nobody
from deeptrain.shards.samples import Samples
from deeptrain.shards.settings import DataSettings
from deeptrain.store import artifact, sweep
from deeptrain.store.artifact import Artifact
from deeptrain.store.completeness import Checker
from deeptrain.store.locks import lock_of

MEMORY = 256 << 20
"""Bytes of values held at once, by default; what is known of each sample (its number, label, origin) comes on top."""


def convert(
    path: str | Path | None,
    directory: str | Path,
    *,
    processes: int = 1,
    memory: int = MEMORY,
    watch: Watch = nobody,
    **settings: Any,
) -> Path:
    """Shards of the raw data at a path, without an experiment: what is there already is not made again.

        convert("raw", "converted", splits={"train": 0.8, "val": 0.2}, labels={"column": "y"}, seed=7)

    Args:
        path: raw file or directory; None where the splits have paths of their own.
        directory: where the artifacts go.
        processes: how many make parts at once; the bytes are the same for any number. More than one needs a script
            that can be imported (`if __name__ == "__main__":`).
        memory: bytes of values that all of them together hold.
        watch: is told how far it is; from another process's parts only when they are done.
        settings: as in `[data]` of an experiment, paths relative to the working directory.

    Returns:
        The directory to open with `reading.open`.

    Raises:
        SettingsError: with every mistake in the settings.
        DataError: for whatever is wrong with raw files, labels or the sizes of the splits.
    """
    mistakes = Mistakes("convert")
    table = settings if path is None else {"path": str(path), **settings}
    asked = typed(DataSettings, table, "", mistakes)
    mistakes.raise_if_any()
    if asked is None:
        raise DataError("convert: no settings")
    root = Path(directory)
    made = plan.of(asked, Path.cwd(), root, root / "live" / "fingerprints.json")
    sweep.sweep(root)
    make(made, Checker(), processes=processes, memory=memory, watch=watch)
    return made.directory


def make(
    made: Conversion, checker: Checker, *, processes: int = 1, memory: int = MEMORY, watch: Watch = nobody
) -> Artifact:
    """The whole of a conversion, after making what is not complete of it; arguments as of `convert`.

    Raises:
        AlteredError: when an artifact it was to be made from is altered.
        ArtifactError: when the disk is full.
        DataError: for whatever is wrong with raw files, labels or the sizes of the splits.
        LockedError: when another process is making an artifact of it.
    """
    if not checker.complete(made.whole):
        make_samples(made, checker, memory, watch)
        missing = [number for number, part in enumerate(made.parts, 1) if not checker.complete(part)]
        if processes > 1 and len(missing) > 1:
            _make_in_processes(made, missing, min(processes, len(missing)), memory, watch)
        else:
            for number in missing:
                make_part(made, checker, number, memory, watch)
        make_whole(made, checker, watch)
    return checker.artifact(made.whole)


def make_samples(made: Conversion, checker: Checker, memory: int = MEMORY, watch: Watch = nobody) -> bool:
    """Make the first stage, unless it is complete; whether it was made."""
    with lock_of(made.root, made.samples.directory):
        if checker.complete(made.samples):
            return False
        with artifact.writing(made.samples, checker.links(made.samples)) as writer:
            intake.write(
                writer,
                made.settings,
                made.base,
                memory,
                lambda done, of: watch(Progress("samples", 0, len(made.parts), done, of)),
            )
            _check_unchanged(made)
    return True


def make_part(made: Conversion, checker: Checker, number: int, memory: int = MEMORY, watch: Watch = nobody) -> bool:
    """Make a part, from 1, unless it is complete; whether it was made. The first stage must be complete."""
    specification = made.parts[number - 1]
    with lock_of(made.root, specification.directory):
        if checker.complete(specification):
            return False
        links = checker.links(specification)
        ready = _ready(made, checker)
        with artifact.writing(specification, links) as writer:
            parts.write(
                writer,
                number,
                ready.samples,
                ready.arranged,
                ready.gatherer,
                made.settings,
                memory,
                lambda done, of: watch(Progress("part", number, len(made.parts), done, of)),
            )
            if not ready.samples.described.staged:
                _check_unchanged(made)
    return True


def make_whole(made: Conversion, checker: Checker, watch: Watch = nobody) -> bool:
    """Make the last stage, unless it is complete; whether it was made. All others must be complete."""
    with lock_of(made.root, made.whole.directory):
        if checker.complete(made.whole):
            return False
        links = checker.links(made.whole)
        ready = _ready(made, checker)
        found = [checker.artifact(part) for part in made.parts]
        with artifact.writing(made.whole, links) as writer:
            joining.write(writer, ready.samples, ready.arranged, found, made.settings)
        count = len(ready.samples)
        _kept.clear()
        watch(Progress("shards", 0, len(made.parts), count, count))
    return True


@dataclass(frozen=True)
class _Ready:
    """The first stage opened, and what follows from it for every part."""

    samples: Samples
    arranged: Arrangement
    gatherer: Gatherer


_kept: dict[tuple[str, ...], _Ready] = {}
"""That of the last part this process made: the next one needs the same."""


def _ready(made: Conversion, checker: Checker) -> _Ready:
    found = checker.artifact(made.samples)
    # where raw files lie is in no identity, and they are open here
    places = (str((made.base / path).resolve()) for path in made.settings.raw.values())
    key = (str(found.directory.resolve()), found.manifest.content, made.whole.identity, *places)
    ready = _kept.get(key)
    if ready is None:
        _kept.clear()
        opened = samples.open(found)
        arranged = arrangement.arrange(opened, made.settings, len(made.parts))
        _kept[key] = ready = _Ready(opened, arranged, Gatherer(opened, lambda: sources.open(made.settings, made.base)))
    return ready


def _check_unchanged(made: Conversion) -> None:
    """The raw files must still be those that the identity was computed from."""
    now = plan.fingerprinted(sources.find(made.settings, made.base), made.memory)
    for name, source in made.raw.items():
        if name not in now or now[name].content != source.content:
            raise DataError(f"{made.settings.raw.get(name, name)}: changed while it was converted; run the same again")


def _make_in_processes(made: Conversion, missing: Sequence[int], processes: int, memory: int, watch: Watch) -> None:
    # Not by fork: TensorFlow and pyarrow may have threads here.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_follow, initargs=(os.getpid(),)) as pool:
        waiting = {pool.submit(_make_alone, made, number, memory // processes): number for number in missing}
        try:
            for future in as_completed(waiting):
                count = future.result()
                watch(Progress("part", waiting[future], len(made.parts), count, count))
        except BrokenProcessPool as error:
            raise ArtifactError(
                f"{made.directory}: a process that made a part of it was ended, by lack of memory perhaps; run the "
                f"same again, parts that are done stay, or give it fewer processes"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _make_alone(made: Conversion, number: int, memory: int) -> int:
    """A part in a process of its own; how many samples went through."""
    last = [0]

    def watch(progress: Progress) -> None:
        last[0] = progress.samples

    make_part(made, Checker(), number, memory, watch)
    return last[0]


def _follow(parent: int) -> None:
    """End with the process that asked, however it ended."""

    def follow() -> None:
        process = multiprocessing.parent_process()
        if process is not None and process.pid == parent:
            process.join()
        os._exit(1)

    threading.Thread(target=follow, name="follow the parent", daemon=True).start()
