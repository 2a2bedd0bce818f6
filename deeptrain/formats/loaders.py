"""Loader functions: a user's function that reads a file of any other kind, handled like the built-in formats.

A loader is called with the path of one file, and the arguments that were said with its name, and gives

    an array (samples, ...)                          the input "x"
    a list of arrays (steps, ...), one a sample      the input "x", sequences of different lengths
    a mapping of names to either                     several inputs, labels

It must give the same answer each time: every call is compared with the first one.
"""

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeptrain import user_code
from deeptrain.errors import DataError, DeeptrainError, UserCodeError, did_you_mean, in_one_line, said
from deeptrain.formats import numbers
from deeptrain.formats.cells import listed, shown
from deeptrain.formats.format import TEXT, Chunk, Field
from deeptrain.formats.npy import ONLY

if TYPE_CHECKING:  # a plan imports this file and must not load NumPy for it
    import numpy as np
    from numpy.typing import NDArray

Loader = Callable[..., Any]

registered: dict[str, "Loaded"] = {}
"""Loaders by the extension they were registered for in this process."""


def loader(extension: str) -> Callable[[Loader], Loader]:
    """Decorates the function that reads files of an extension: `@formats.loader(".xyz")`.

    Raises:
        UserCodeError: when it is no extension.
    """
    if not extension.startswith(".") or extension != extension.lower() or not extension[1:].isprintable():
        raise UserCodeError(f"{extension!r} is no extension; write it in lower case with the dot, '.xyz'")

    def register(function: Loader) -> Loader:
        registered[extension] = Loaded(f"{function.__module__}:{function.__qualname__}", (extension,), function)
        return function

    return register


@dataclass(frozen=True)
class Answer:
    """What a loader gave for a file.

    Attributes:
        arrays: by name (samples, ...), of a sequence the steps of all samples.
        lengths: of each sequence (samples,) int64.
        samples: how many.
        digest: of all of it.
    """

    arrays: "Mapping[str, NDArray[Any]]"
    lengths: "Mapping[str, NDArray[np.int64]]"
    samples: int
    digest: str


@dataclass(frozen=True)
class Known:
    """What is remembered of the first answer for a file."""

    digest: str
    fields: tuple[Field, ...]
    samples: int


@dataclass(frozen=True, eq=False)
class Loaded:
    """Files that a function reads; a `Format`. Each call holds what the function gives for one file in memory.

    Attributes:
        name: "module:function".
        extensions: of the files it was registered for; empty for any.
        function: None to find it by its name when it is first called: planning imports no user's code.
        beside: where its module is looked for first.
        arguments: by name, that it is called with beside the path.
    """

    name: str
    extensions: tuple[str, ...] = ()
    function: Loader | None = None
    beside: Path | None = None
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tabular: bool = False
    single: bool = False
    _first: "dict[Path, Known]" = dataclasses.field(default_factory=dict, repr=False)

    def afresh(self) -> "Loaded":
        """The same loader with no memory of earlier answers: files may have changed since."""
        return Loaded(self.name, self.extensions, self.function, self.beside, self.arguments)

    def fields(self, path: Path) -> tuple[Field, ...]:
        """One field an array."""
        return self._known(path).fields

    def samples(self, path: Path, field: str) -> int | None:  # noqa: ARG002
        """As many as the function gives."""
        return self._known(path).samples

    def chunks(self, path: Path, fields: Sequence[Field], rows: int) -> Iterator[Chunk]:
        """See `Format.chunks`."""
        import numpy as np

        answer = self._answer(path)
        ends = {name: np.concatenate([[0], np.cumsum(counts)]) for name, counts in answer.lengths.items()}
        for first in range(0, answer.samples, rows):
            last = min(first + rows, answer.samples)
            arrays: dict[str, NDArray[Any]] = {}
            text = {}
            for field in fields:
                steps = ends.get(field.name)
                at = slice(first, last) if steps is None else slice(int(steps[first]), int(steps[last]))

                def where(
                    row: int, at: slice = at, steps: "NDArray[Any] | None" = steps, name: str = field.name
                ) -> str:
                    sample = at.start + row
                    if steps is not None:
                        sample = int(np.searchsorted(steps, sample, side="right")) - 1
                    return f"{path}: {self.name}: {shown(name)}: row {sample:,}"

                part = answer.arrays[field.name][at]
                if field.is_text:
                    text[field.name] = numbers.words(part, where)
                else:
                    arrays[field.name] = numbers.cast(part, field.dtype, where, field.missing)
            lengths = {name: counts[first:last] for name, counts in answer.lengths.items()}
            asked = {field.name for field in fields}
            yield Chunk(first, last - first, arrays, text, {name: lengths[name] for name in lengths if name in asked})

    def random_access(self, path: Path) -> bool:  # noqa: ARG002
        """Never: each call reads a whole file."""
        return False

    def take(self, path: Path, field: Field, rows: "NDArray[np.int64]", out: "NDArray[Any]") -> None:  # noqa: ARG002
        """Not through a function."""
        raise ValueError(f"{path}: a loader function has no random access")

    def place(self, path: Path, row: int) -> str:  # noqa: ARG002
        """The row."""
        return f"row {row:,}"

    def trait(self, path: Path) -> str:  # noqa: ARG002
        """Nothing."""
        return ""

    def _known(self, path: Path) -> "Known":
        if path not in self._first:
            self._answer(path)
        return self._first[path]

    def _answer(self, path: Path) -> Answer:
        function = self.function or user_code.find(self.name, self.beside)
        _check_arguments(self.name, function, path, self.arguments)
        try:
            given = function(path, **self.arguments)
        except DeeptrainError:
            raise
        except Exception as error:
            raise UserCodeError(f"{path}: the loader {self.name} raised {in_one_line(error)}") from error
        answer = self._understood(path, given)
        if path not in self._first:
            fields = tuple(
                _field(name, array, answer.lengths.get(name), f"{path}: {self.name}: {shown(name)}")
                for name, array in answer.arrays.items()
            )
            self._first[path] = Known(answer.digest, fields, answer.samples)
        if self._first[path].digest != answer.digest:
            raise UserCodeError(
                f"{path}: the loader {self.name} gave something else than at its first call; it must give the same "
                f"answer each time, so seed what is random in it (or did the file change?)"
            )
        return answer

    def _understood(self, path: Path, given: Any) -> Answer:
        import numpy as np
        import xxhash

        what = f"{path}: the loader {self.name}"
        named = given if isinstance(given, Mapping) else {ONLY: given}
        if not named:
            raise UserCodeError(f"{what} gave an empty mapping; give at least one array")
        arrays, lengths, samples = {}, {}, {}
        digest = xxhash.xxh3_128()
        for name, value in named.items():
            if not isinstance(name, str) or not name.isprintable() or not name:
                raise UserCodeError(f"{what} gave the name {name!r}; names are printable words")
            told = f"{what}, {shown(name)}:" if isinstance(given, Mapping) else what
            parts = value if isinstance(value, list | tuple) else [value]
            if any(np.ma.is_masked(one) for one in parts if isinstance(one, np.ndarray)):
                raise UserCodeError(f"{told} gave masked values, which would be taken for real ones; fill or drop them")
            if isinstance(value, np.ndarray) and value.ndim:
                arrays[name] = value
                samples[name] = len(value)
            elif isinstance(value, list | tuple) and value and all(isinstance(one, np.ndarray) for one in value):
                arrays[name], lengths[name] = _joined(list(value), told)
                samples[name] = len(value)
                digest.update(lengths[name].tobytes())
            else:
                kind = "an array without axes" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
                kind = f"an empty {type(value).__name__}" if isinstance(value, list | tuple) and not value else kind
                raise UserCodeError(
                    f"{told} gave {kind}; give an array (samples, ...), a list of arrays (a sequence each), or a "
                    f"mapping of names to such"
                )
            _field(name, arrays[name], lengths.get(name), told)  # refuses what is not read, objects above all
            digest.update(repr((name, arrays[name].dtype.str, arrays[name].shape)).encode())
            digest.update(np.ascontiguousarray(arrays[name]).data)
        if len(set(samples.values())) > 1:
            counts = ", ".join(f"{shown(name)} {count:,}" for name, count in samples.items())
            raise UserCodeError(f"{what} gave arrays of different numbers of samples: {counts}")
        if not max(samples.values()):
            raise DataError(f"{what} gave no samples")
        return Answer(arrays, lengths, max(samples.values()), digest.hexdigest())


def _check_arguments(name: str, function: Loader, path: Path, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that the function does not take, or lacks."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions do not tell what they take
        return
    try:
        signature.bind(path, **arguments)
    except TypeError as error:
        known = [
            taken.name
            for taken in list(signature.parameters.values())[1:]
            if taken.kind in {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
        ]
        strange = [argument for argument in arguments if argument not in known]
        if not strange:
            raise UserCodeError(f"{path}: the loader {name} cannot be called with its path: {said(error)}") from error
        hint = did_you_mean(strange[0], known, f"it takes {listed(known) or 'the path alone'}")
        raise UserCodeError(f"{path}: the loader {name} takes no argument {shown(strange[0])}; {hint}") from error


def _field(name: str, array: "NDArray[Any]", lengths: "NDArray[np.int64] | None", what: str) -> Field:
    if lengths is not None:
        found = numbers.field_of(name, array.dtype, (None, *array.shape[1:]), what)
        if found.dtype == TEXT:
            raise DataError(f"{what}: holds sequences of words; give numbers")
        return found
    return numbers.field_of(name, array.dtype, array.shape[1:], what)


def _joined(sequences: "list[NDArray[Any]]", told: str) -> "tuple[NDArray[Any], NDArray[np.int64]]":
    """The steps of all sequences, and how many each has."""
    import numpy as np

    kinds = {(one.dtype.str, one.shape[1:]) if one.ndim else ("", ()) for one in sequences}
    if len(kinds) > 1 or ("", ()) in kinds:
        shapes = sorted({f"{one.dtype.name} {one.shape}" for one in sequences})[:3]
        raise UserCodeError(
            f"{told} gave sequences that differ in more than their length: {', '.join(shapes)}; "
            f"all need one dtype and the same shape after the first axis"
        )
    return np.concatenate(sequences), np.array([len(one) for one in sequences], np.int64)
