"""Raw files of any format become files of any other, beside experiments."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import luigi
from luigi.freezing import recursively_unfreeze

from deeptrain import lineage
from tasks import children, watching
from tasks.base import SettingsParameter

if TYPE_CHECKING:
    from deeptrain.shards.rewriting import Rewriting


class RawFiles(luigi.Task):
    """`luigi --module pipelines RawFiles --path data/digits --to parquet`; see `deeptrain.shards.rewriting`."""

    path: str = luigi.Parameter(description="raw file or directory")
    to: str = luigi.Parameter(default="npy", description="the format to write")
    store: str = luigi.Parameter(
        default=lineage.STORE, description="directory of runs; the files go to raw-files there"
    )
    settings: Any = SettingsParameter(default={}, description='what is said besides, {"label_column": "digit"}')

    debug: bool = luigi.BoolParameter(default=False, significant=False, description="show the traceback of an error")

    @cached_property
    def rewriting(self) -> "Rewriting":
        """What is to be written, and where."""
        from deeptrain.shards import rewriting

        return rewriting.planned(
            self.path, Path(self.store) / "raw-files", self.to, **recursively_unfreeze(self.settings)
        )

    def complete(self) -> bool:
        """Whether the files are there, whole, and the raw ones are still those they were made from."""
        from deeptrain.store.completeness import Checker

        return Checker().complete(self.rewriting.specification)

    def output(self) -> luigi.LocalTarget:
        """The directory of the files."""
        return luigi.LocalTarget(str(self.rewriting.directory))

    def run(self) -> None:
        """Write them."""
        from deeptrain.shards import rewriting
        from deeptrain.store import sweep
        from deeptrain.store.completeness import Checker

        children.follow_parent()
        sweep.sweep(self.rewriting.specification.root)
        with watching.converting(self) as watch:
            rewriting.make(self.rewriting, Checker(), watch)
