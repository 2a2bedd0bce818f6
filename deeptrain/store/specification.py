"""What an artifact will be, before it exists: its settings, its inputs, its identity and its directory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from deeptrain.files import digest_of

SHORT = 16
"""Hex digits of an identity in a directory's name; the manifest holds all 64."""


@dataclass(frozen=True)
class Source:
    """An input that is no artifact: raw files, whose identity is their content.

    Attributes:
        content: hex sha256 over the names and bytes of all files.
        files: each file's name and sha256, for the manifest's reader.
    """

    content: str
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """The content: raw files are asked for by what is in them."""
        return self.content


@dataclass(frozen=True)
class Late:
    """An input whose identity is known before it is known which artifact it will be: "the last epoch of eight".

    Attributes:
        identity: hex digest of what is asked.
        resolve: the artifact it turned out to be, by what is complete; None while that is open.
    """

    identity: str
    resolve: "Callable[[], Specification | None]"


@dataclass(frozen=True)
class Specification:
    """An artifact as it is asked for.

    Attributes:
        stage: "shards", "epoch", ...
        recipe: the stage's integer; raising it makes every artifact of the stage again.
        root: the directory that holds the artifact.
        settings: result-relevant settings only, plain values.
        inputs: by name, other specifications, sources, or what is resolved late.
        code: hex digest of the user's code that the stage calls, or None.
        seeds: named seeds derived for this artifact; they follow from the settings and are here to be recorded.
        name: the directory's name, if it is not `STAGE-IDENTITY`.
    """

    stage: str
    recipe: int
    root: Path
    settings: Mapping[str, Any]
    inputs: Mapping[str, "Specification | Source | Late"] = field(default_factory=dict)
    code: str | None = None
    seeds: Mapping[str, int] = field(default_factory=dict)
    name: str | None = None

    @cached_property
    def identity(self) -> str:
        """Hex sha256 of canonical JSON of stage, recipe, settings, the inputs' identities and the code's digest."""
        for made in self._ancestors_first():
            made.__dict__.setdefault("identity", made._own_identity())
        return self._own_identity()

    def _own_identity(self) -> str:
        return digest_of(
            {
                "stage": self.stage,
                "recipe": self.recipe,
                "settings": self.settings,
                "inputs": {name: made.identity for name, made in self.inputs.items()},
                "code": self.code,
            }
        )

    def _ancestors_first(self) -> list["Specification"]:
        """All specifications below this one, inputs before users; a chain of epochs is too deep for recursion."""
        found: list[Specification] = []
        waiting: list[Specification] = [self]
        while waiting:
            for made in waiting.pop().inputs.values():
                if isinstance(made, Specification) and "identity" not in made.__dict__:
                    found.append(made)
                    waiting.append(made)
        return found[::-1]

    @cached_property
    def directory(self) -> Path:
        """Where the artifact stands when it is whole."""
        return self.root / (self.name or f"{self.stage}-{self.identity[:SHORT]}")

    def __str__(self) -> str:
        """The artifact's name as people see it."""
        return self.directory.name


Input = Specification | Source | Late
"""Whatever an artifact can be made from."""
