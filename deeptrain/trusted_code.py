"""The code that a run names, and whether it may be imported: only what this user's own files name."""

from collections.abc import Sequence
from pathlib import Path

from deeptrain.errors import UserCodeError
from deeptrain.experiment import Experiment
from deeptrain.store import code
from deeptrain.store.artifact import Artifact

READY_EXPERIMENTS = "pipelines.experiments"
"""The package whose builders may be named by a run alone."""


def place(
    by: Artifact,
    imported: Sequence[str],
    everything: Sequence[str],
    experiment: Experiment | None,
    allowed: Sequence[str],
) -> Path:
    """Where the code of a run is taken from, after checking that it is code this user trusts, and the run's.

    A run's directory may be a stranger's, and so may every name in it: only what the experiment's own file names, or,
    without one, what the ready experiments name, is ever imported.

    Args:
        by: the artifact whose manifest names the code.
        imported: what of it is going to be imported.
        everything: what the manifest's digest is of.
        experiment: that was named, None if none was.
        allowed: what its file names for this.

    Raises:
        UserCodeError: when it may not be imported, or is not what the run was made with.
    """
    own = [name for name in imported if ":" in name]
    if experiment is not None:
        beside = experiment.beside
        strange = [name for name in own if name not in set(allowed)]
        if strange:
            raise UserCodeError(f"{strange[0]}: named by {by.directory} and not by {experiment.file.name}")
    else:
        strange = [name for name in own if not _ready(name)]
        if strange:
            raise UserCodeError(
                f"{strange[0]}: code of one's own is only taken from an experiment that is named: "
                'deeptrain.load(RUN, experiment="my.toml"), or --experiment my.toml'
            )
        found = code.locate(own[0].partition(":")[0], Path()) if own else None
        beside = Path() if found is None else found.parent
    if code.digest(everything, beside) != by.manifest.code:
        raise UserCodeError(
            f"{beside}: the code of {', '.join(own)} is not what {by.directory} was made with; "
            "put it back as it was, or run TrainModel for what it is now"
        )
    return beside


def _ready(name: str) -> bool:
    """Whether a ready experiment may name it; through dots it could lead to what its module imports, os.unlink say."""
    module, _, attribute = name.partition(":")
    return module.startswith(f"{READY_EXPERIMENTS}.") and "." not in attribute
