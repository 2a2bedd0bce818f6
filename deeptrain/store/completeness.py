"""Whether artifacts are complete, to the roots: one walk a plan, memoised, reading manifests and sizes only."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deeptrain.errors import ArtifactError, NewerError
from deeptrain.store import artifact
from deeptrain.store.artifact import Artifact
from deeptrain.store.manifest import NAME, Link
from deeptrain.store.specification import Input, Late, Source, Specification

_Key = tuple[Path, str]
"""Where and what: two runs of a store may each hold an artifact of one identity."""

RECENT = 64
"""Artifacts whose manifests are remembered; of a thousand epochs they would be most of what a training remembers."""


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes:
        artifact: the whole artifact, or None when it is not complete.
        reason: why it is not complete, in words; empty when it is.
        damaged: whether something stands under its name that must be set aside and made again.
    """

    artifact: Artifact | None
    reason: str = ""
    damaged: bool = False


class Checker:
    """Checks specifications against the disk and remembers what is complete.

    Whether an artifact that was found complete still is, is not asked again in this process; one that was not is
    looked at again, because it may have been made meanwhile.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._complete: dict[_Key, Link] = {}
        self._recent: dict[_Key, Artifact] = {}

    def check(self, specification: Specification) -> Verdict:
        """Whether an artifact is whole and was made from inputs that are whole and still have the same content.

        Raises:
            NewerError: when it, or one of them, is of a newer version: it is not damaged.
        """
        failed = self._failed(specification)
        if failed is not None:
            return failed
        key = _key(specification)
        if key in self._recent:
            return Verdict(self._recent[key])
        try:
            found = artifact.open(specification.directory)
        except NewerError:
            raise
        except ArtifactError as error:
            return Verdict(None, str(error), damaged=True)
        if found.link != self._complete[key]:
            return Verdict(None, f"{specification.directory}: has been replaced by another one", damaged=True)
        self._remember(key, found)
        return Verdict(found)

    def artifact(self, specification: Specification) -> Artifact:
        """The artifact, which is complete.

        Raises:
            ArtifactError: when it is not, with the reason.
        """
        verdict = self.check(specification)
        if verdict.artifact is None:
            raise ArtifactError(verdict.reason)
        return verdict.artifact

    def _failed(self, specification: Specification) -> Verdict | None:
        """Why an artifact is not complete; None when it is."""
        known: dict[_Key, Verdict] = {}
        waiting = [specification]
        while waiting:
            current = waiting[-1]
            key = _key(current)
            if key in self._complete or key in known:
                waiting.pop()
                continue
            # An absent artifact needs no look at its inputs: most of a fresh plan ends here.
            if not (current.directory / NAME).is_file():
                present = current.directory.exists()
                reason = f"{current}: {'has no manifest' if present else 'not made yet'}"
                known[key] = Verdict(None, reason, damaged=present)
                waiting.pop()
                continue
            resolved = (_resolved(made) for made in current.inputs.values())
            below = [
                made
                for made in resolved
                if isinstance(made, Specification) and _key(made) not in self._complete and _key(made) not in known
            ]
            if below:
                waiting.extend(below)
                continue
            waiting.pop()
            verdict = self._own(current, known)
            if verdict.artifact is None:
                known[key] = verdict
            else:
                self._complete[key] = Link(current.identity, verdict.artifact.manifest.content)
                self._remember(key, verdict.artifact)
        return known.get(_key(specification))

    def _remember(self, key: _Key, found: Artifact) -> None:
        self._recent[key] = found
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]

    def complete(self, specification: Specification) -> bool:
        """Whether the artifact is complete."""
        return self._failed(specification) is None

    def links(self, specification: Specification) -> dict[str, Link]:
        """What an artifact about to be made has to record of its inputs.

        Raises:
            ArtifactError: when an input is not complete.
        """
        links: dict[str, Link] = {}
        for name, made in specification.inputs.items():
            resolved = _resolved(made)
            if isinstance(resolved, Source):
                links[name] = Link(made.identity, resolved.content)
                continue
            if resolved is None:
                raise ArtifactError(f"{specification}: its input {name} is not complete")
            failed = self._failed(resolved)
            if failed is not None:
                raise ArtifactError(f"{specification}: its input {name} is not complete: {failed.reason}")
            links[name] = self._complete[_key(resolved)]
        return links

    def forget(self) -> None:
        """Look at every artifact again the next time: something was found altered."""
        self._complete.clear()
        self._recent.clear()

    def _own(self, specification: Specification, known: Mapping[_Key, Verdict]) -> Verdict:
        try:
            found = artifact.open(specification.directory)
        except NewerError:
            raise
        except ArtifactError as error:
            return Verdict(None, str(error), damaged=True)
        if found.manifest.identity != specification.identity:
            return Verdict(None, f"{specification.directory}: is another artifact with the same name", damaged=True)
        for name, made in specification.inputs.items():
            recorded = found.manifest.inputs.get(name)
            resolved = _resolved(made)
            if isinstance(resolved, Source):
                content = resolved.content
            elif resolved is None:
                return Verdict(None, f"{specification}: its input {name} is not complete")
            else:
                below = self._complete.get(_key(resolved))
                if below is None:
                    reason = known[_key(resolved)].reason
                    return Verdict(None, f"{specification}: its input {name} is not complete: {reason}")
                content = below.content
            if recorded is None or recorded.content != content:
                return Verdict(
                    None, f"{specification}: its input {name} has another content than it was made from", damaged=True
                )
        return Verdict(found)


def _resolved(made: Input) -> Specification | Source | None:
    """The input itself; for a late one the artifact it turned out to be, None while that is open."""
    return made.resolve() if isinstance(made, Late) else made


def _key(made: Specification) -> _Key:
    return made.root, made.identity
