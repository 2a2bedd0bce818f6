"""What a person asks for from the pages: something of a running training, or that a run is started."""

import asyncio
import json
from functools import partial

from deeptrain.errors import DeeptrainError, MessageError, SettingsError
from deeptrain.training import mailbox, messages
from pipelines.ui.pages import Page

WAIT_SECONDS = 10.0
"""For the answer: a checkpoint that is asked for is written first."""


class Words(Page):
    """Takes a message, and gives the answer of the training, both as JSON."""

    async def post(self, run: str, training: str) -> None:
        """Say it, and wait for the answer; what is no message, or reaches nobody, is told as an error."""
        try:
            place = self.desk.runs.directory(run, training)
            send = partial(mailbox.send, place, _text(self.request.body), WAIT_SECONDS)
            answer = await asyncio.get_running_loop().run_in_executor(self.desk.postmen, send)
            self.write({"answer": answer})
        except DeeptrainError as error:
            self.set_status(409)
            self.write({"error": str(error)})


class Start(Page):
    """Starts a run."""

    async def post(self) -> None:
        """Start the experiment that is named, and give the number of its process, or an error, as JSON."""
        try:
            if self.desk.starter is None:
                raise SettingsError("no run is started from this page")
            process = await self.read(self.desk.starter.start, _text(self.request.body))
            self.write({"answer": f"started as process {process}"})
        except DeeptrainError as error:
            self.set_status(409)
            self.write({"error": str(error)})


def _text(body: bytes) -> str:
    try:
        text = json.loads(body)["text"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MessageError('expected {"text": "a message"} as JSON') from error
    if not isinstance(text, str) or len(text) > messages.LONGEST:
        raise MessageError(f"expected a text of at most {messages.LONGEST} characters")
    return text
