"""The pages: a list of trainings, a page of each, runs side by side, and files of the store."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import jinja2
from tornado.web import HTTPError, RequestHandler

import deeptrain
from deeptrain.errors import ArtifactError, DeeptrainError
from deeptrain.training import messages
from pipelines.ui import store_files, view
from pipelines.ui.guard import Refusal
from pipelines.ui.headers import OF_A_STORE, POLICY
from pipelines.ui.runs import AT_WORK, Listed, Runs
from pipelines.ui.starting import Started, Starter

MOST_TITLE = 80
Made = TypeVar("Made")


@dataclass(frozen=True)
class Desk:
    """What all pages share.

    Attributes:
        runs: of the store; only the thread of `reader` may ask it.
        reader: one thread, so that no disk keeps the scheduler waiting.
        drawer: one thread, for what takes seconds.
        postmen: threads that wait for the answers of trainings.
        templates: of the pages.
        token: what a page sends when it changes something.
        command: how a run is started so that this server's scheduler is asked.
        starter: starts runs; only the thread of `reader` may ask it. None where none is started from here.
    """

    runs: Runs
    reader: Executor
    drawer: Executor
    postmen: Executor
    templates: jinja2.Environment
    token: str
    command: str
    starter: Starter | None


class Page(RequestHandler):
    """What a page of ours can do."""

    def initialize(self, desk: Desk) -> None:
        """Take what all share."""
        self.desk = desk

    async def read(self, function: Callable[..., Made], *arguments: Any) -> Made:
        """What a function that reads the store gives, from the one thread that does."""
        return await asyncio.get_running_loop().run_in_executor(self.desk.reader, function, *arguments)

    def show(self, template: str, **values: Any) -> None:
        """Write a page."""
        self.write(self.desk.templates.get_template(template).render(token=self.desk.token, **values))

    def write_error(self, status_code: int, **told: Any) -> None:
        """A page that says what is wrong; of an error of ours its line, of any other nothing."""
        error = told.get("exc_info", (None, None))[1]
        if isinstance(error, DeeptrainError):
            status_code = 404 if isinstance(error, ArtifactError) else 400
            self.set_status(status_code)
        line = str(error) if isinstance(error, DeeptrainError) else self._reason
        self.finish(self.desk.templates.get_template("error.html").render(token=None, status=status_code, line=line))

    def log_exception(self, *told: Any) -> None:
        """What the page tells is not told again."""
        if not isinstance(told[1], DeeptrainError):
            super().log_exception(*told)


class Refused(Page):
    """The answer to a request that the guard does not let through."""

    def initialize(self, desk: Desk, refusal: Refusal) -> None:  # type: ignore[override]
        """Take the reason."""
        super().initialize(desk)
        self._refusal = refusal

    def prepare(self) -> None:
        """Say it, whatever was asked, in a line."""
        self.set_status(self._refusal.status)
        if self._refusal.status == 405:
            self.set_header("Allow", "GET, HEAD, POST")
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{self._refusal.why}\n")


class Missing(Page):
    """The answer where there is nothing."""

    def prepare(self) -> None:
        """Say so."""
        raise HTTPError(404, reason="There is no such page.")


class List(Page):
    """The trainings of the store."""

    async def get(self) -> None:
        """The list, of those whose names hold the words that are looked for."""
        words = self.get_argument("find", "").lower().split()
        found = await self.read(self.desk.runs.listed)
        experiments, started = await self.read(_startable, self.desk.starter)
        chosen = [one for one in found if all(word in _text(one) for word in words)]
        now = time.time()
        self.show(
            "list.html",
            rows=[view.row(one, now) for one in chosen],
            total=len(found),
            words=" ".join(words),
            store=str(self.desk.runs.store),
            command=self.desk.command,
            at_work=sum(one.state in AT_WORK for one in found),
            experiments=experiments,
            started=started,
        )

    head = get


def _startable(starter: Starter | None) -> tuple[Sequence[str], Sequence[Started]]:
    return ((), ()) if starter is None else (starter.experiments(), starter.started())


def _text(one: Listed) -> str:
    return f"{one.standing.run} {one.standing.name} {one.standing.training} {one.state}".lower()


class Training(Page):
    """One training."""

    async def get(self, run: str, training: str) -> None:
        """All that is known of it."""
        shown = await self.read(self.desk.runs.shown, run, training)
        now = time.time()
        heads, epochs = view.table(shown.epochs)
        self.show(
            "training.html",
            one=view.row(shown.listed, now),
            now=view.now_rows(shown, now),
            metrics=view.metrics(shown),
            charts=view.charts(shown),
            part=None if shown.live is None else view.part_done(shown.live),
            at_work=shown.listed.state in AT_WORK,
            findings=() if shown.live is None else shown.live.findings,
            log=() if shown.live is None else shown.live.log,
            heads=heads,
            epochs=epochs,
            lineage=view.lineage(shown.lineage),
            report=shown.report,
            pictures=shown.pictures,
            hardest=shown.hardest,
            hardest_split=shown.hardest_split,
            buttons=messages.WORDS,
        )

    head = get


class StoreFile(Page):
    """A file of the store."""

    async def get(self, where: str) -> None:
        """Its bytes; a page or a drawing is shown as one of nobody: no script of it runs, and it can ask nothing."""
        suffix = Path(where).suffix
        if suffix not in store_files.TYPES:
            raise HTTPError(404, reason=f"Only files of these types are shown: {', '.join(store_files.TYPES)}.")
        data = await self.read(store_files.read, self.desk.runs.store, *where.split("/"))
        self.set_header("Content-Type", store_files.TYPES[suffix])
        self.set_header(POLICY, OF_A_STORE)
        self.write(data)

    head = get


class Compare(Page):
    """Runs side by side."""

    async def get(self) -> None:
        """The page that `python -m pipelines compare --page` writes."""
        asked = [one.rpartition("/") for one in self.get_arguments("run")]
        if not all(run for run, _, _ in asked):
            raise ArtifactError("expected run=RUN/TRAINING in the address, twice or more")
        places = [self.desk.runs.directory(run, training) for run, _, training in asked]
        page = await asyncio.get_running_loop().run_in_executor(self.desk.drawer, _compared, places)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header(POLICY, OF_A_STORE)
        self.write(page)

    head = get


def _compared(places: list[Path]) -> bytes:
    from deeptrain.report import comparison_page  # what draws takes seconds to load

    return comparison_page.render(deeptrain.compare(*places))


class ToScheduler(RequestHandler):
    """The way to Luigi's page."""

    def get(self) -> None:
        """Go there."""
        self.redirect("/static/visualiser/index.html")

    head = get
