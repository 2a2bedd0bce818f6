"""The files of a data set and of its labels, by their names alone: nothing is opened, and NumPy is not needed."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeptrain.errors import DataError
from deeptrain.formats import registry
from deeptrain.formats.cells import listed, shown
from deeptrain.formats.directory import check_name, check_regular, entries
from deeptrain.formats.format import Format
from deeptrain.settings import Use

LABEL_NAMES = frozenset({"label", "labels", "target", "targets", "y"})
"""Names of files, folders, columns and keys, in any case, that are labels."""
NO_PLACES = frozenset({"none", "input", "folder", "column"})
"""What `labels` says other than a path."""
FOLDERS = {"folder": 1, "folder:1": 1, "folder:2": 2}
"""What `group` says other than a column: which folder below the path, of those a file lies in."""
SPLITS = frozenset({"train", "val", "valid", "validation", "test", "calibration"})


@dataclass(frozen=True)
class Found:
    """What names of files tell.

    Attributes:
        path: what was asked for.
        format: of the data files.
        files: in natural order; of folders of classes, folder by folder.
        labels: files of labels apart, in natural order; empty if there are none.
        classes: names of the folders the files lie in, if each is a class; else ().
        class_level: which folder below the path is the class of a file, 1 the first.
        group_level: which is its group, 0 where none is.
    """

    path: Path
    format: Format
    files: tuple[Path, ...]
    labels: tuple[Path, ...]
    classes: tuple[str, ...]
    class_level: int = 1
    group_level: int = 0


def find(
    path: Path,
    *,
    format: str | None = None,
    loader: str | Use | Callable[[Path], Any] | None = None,
    beside: Path | None = None,
    labels: str | Path | None = None,
    label_column: str | None = None,
    group: str | None = None,
    others: Sequence[Path] = (),
) -> Found:
    """The files of a data set and of its labels; arguments as for `discovery.open`.

    Files lie in the directory itself, or in folders, one a class. Where folders are groups, files of any format lie in
    them, or in folders within them: of pictures and recordings these are the classes then.

    Labels apart are looked for, if nothing is said of them: for a directory, a file `labels.*` (or `y.*`,
    `targets.*`) in it, else a folder `labels` in or beside it, else such a file beside it; for a file, such a file
    beside it, or `NAME_labels.*`, or `y_NAME.*` for `x_NAME.*`. A `label_column` without `labels` is one of the data.

    Raises:
        DataError: when nothing is there, formats are mixed, an entry is no plain file, or labels may be in several
            places.
    """
    if format is not None and loader is not None:
        raise DataError(f"{path}: format {format!r} and a loader were given; give one of them")
    if not path.exists():
        raise DataError(f"{path}: does not exist; give the path of a file or of a directory")
    asked = registry.named(format) if format is not None else None
    asked = registry.loading(loader, beside) if loader is not None else asked
    said = () if labels is None or str(labels) in NO_PLACES else _label_files(Path(labels))
    looks = labels is None and label_column is None
    if not path.is_dir():
        check_regular(path)
        apart = said or (_beside_file(path) if looks else ())
        return Found(path, asked or registry.of(path), (path,), apart, ())
    inside = entries(path)
    folders = [entry for entry in inside if entry.is_dir()]
    for folder in folders:
        check_name(folder)
    plain = [entry for entry in inside if entry not in folders]
    taken = {os.path.realpath(file) for file in (*said, *others)}
    if labels is not None and str(labels) not in NO_PLACES:
        taken.add(os.path.realpath(labels))
    plain = [entry for entry in plain if os.path.realpath(entry) not in taken]
    named = [entry for entry in plain if _is_label(entry.stem)]
    others = [entry for entry in plain if not _is_label(entry.stem)]
    label_folders = [
        entry for entry in folders if os.path.realpath(entry) in taken or (entry.name.lower() in LABEL_NAMES and others)
    ]
    folders = [entry for entry in folders if entry not in label_folders]
    if not others and not folders:
        others, named = named, []
    if asked is not None and asked.extensions:
        others = [entry for entry in others if entry.suffix.lower() in asked.extensions]
        folders = [] if others else folders
    if others:
        if folders:
            raise DataError(
                f"{folders[0]}: is a directory; raw files lie directly in {path}, or all in folders; move it elsewhere"
            )
        files, level, depth = tuple(others), 0, 0
    elif folders:
        level = FOLDERS.get(group or "", 0)
        files, depth = _in_folders(path, folders, asked, bool(level))
        if level > depth:
            raise DataError(f"{path}: group {group!r}, but its files lie in one folder each; say group = 'folder'")
    else:
        wanted = f"that end in {' or '.join(asked.extensions)}" if asked and asked.extensions else registry.told()
        raise DataError(f"{path}: no raw files here; put files there {wanted}")
    kind = _one_format(path, files, asked)
    of_classes = _class_level(depth, level)
    classes = tuple(dict.fromkeys(folder_of(path, file, of_classes) for file in files if of_classes))
    if level and not kind.single:
        classes = ()
    if classes and not kind.single:
        raise DataError(
            f"{path}: holds the folders {listed(classes)} of {kind.name} files; folders are classes of pictures and "
            f"recordings only: open one of the folders, or say group = 'folder' if samples of one belong together"
        )
    apart = said
    if looks:
        apart = _only(path, named, [folder for folder in label_folders if folder.name.lower() in LABEL_NAMES]) or (
            () if classes else _beside_directory(path)
        )
    return Found(path, kind, files, apart, classes, of_classes or 1, level)


def folder_of(path: Path, file: Path, level: int) -> str:
    """The name of the folder below a path that a file lies in, 1 for the first, 2 for the one in it."""
    return file.relative_to(path).parts[level - 1]


def _class_level(depth: int, group_level: int) -> int:
    """Which folder is the class of files that lie so deep, 0 where none is."""
    if depth == 0 or (group_level and depth == 1):
        return 0
    return 3 - group_level if group_level else 1


def _is_label(stem: str) -> bool:
    return stem.lower() in LABEL_NAMES


def _in_folders(
    path: Path, folders: Sequence[Path], asked: Format | None, groups: bool
) -> tuple[tuple[Path, ...], int]:
    """The files of folders, folder by folder, and how many folders each lies in: where these are groups, 1 or 2."""
    names = tuple(folder.name for folder in folders)
    splits = [name for name in names if name.lower() in SPLITS]
    if splits:
        raise DataError(
            f"{path}: holds the folders {listed(names)}: {splits[0]} looks like a split, not like a class; open one of "
            f"them, as {path / splits[0]}, or rename it"
        )
    files = [file for folder in folders for file in _of_folder(folder, path, asked, deeper=groups)]
    if len(folders) < 2:
        what = "group" if groups else "class"
        raise DataError(f"{path}: holds the folder {names[0]} only; open that, or have one folder a {what}")
    depths = {len(file.relative_to(path).parts) - 1: file for file in files}
    if len(depths) > 1:
        one, two = depths[1].relative_to(path), depths[2].relative_to(path)
        raise DataError(
            f"{path}: {shown(one, quoted=False)} lies in one folder and {shown(two, quoted=False)} in two; have all "
            f"files as deep"
        )
    return tuple(files), min(depths)


def _of_folder(folder: Path, path: Path, asked: Format | None, *, deeper: bool) -> Iterator[Path]:
    """The files of a folder; `deeper`, those of its folders, too."""
    check_directory(folder, path)
    found = list(entries(folder))
    if asked is not None and asked.extensions:
        found = [entry for entry in found if entry.is_dir() or entry.suffix.lower() in asked.extensions]
    if not found:
        raise DataError(
            f"{folder}: no samples: the folder is empty; a folder is a {'group' if deeper else 'class'}, remove it if "
            f"it is none"
        )
    for entry in found:
        if not entry.is_dir():
            yield entry
            continue
        check_name(entry)
        if not deeper:
            raise DataError(f"{entry}: is a directory within a folder that is a class; files lie directly in it")
        yield from _of_folder(entry, path, asked, deeper=False)


def check_directory(folder: Path, inside: Path) -> None:
    """Refuse a folder that is a link out of the directory `inside`.

    Raises:
        DataError: naming it and where it leads.
    """
    target = folder.resolve()
    if not target.is_relative_to(inside.resolve()):
        raise DataError(f"{folder}: is a link out of {inside}, to {target}; put the folder itself there")


def _one_format(path: Path, files: Sequence[Path], asked: Format | None) -> Format:
    for file in files:
        check_regular(file, path)
    if asked is not None:
        if not asked.extensions and len(kinds := sorted({file.suffix for file in files})) > 1:
            raise DataError(f"{path}: holds files that end in {listed(kinds)}; one loader reads one kind, keep one")
        return asked
    kind = registry.of(files[0])
    for file in files:
        other = registry.of(file)
        if other is not kind:
            raise DataError(
                f"{path}: holds {kind.name} ({files[0].name}) and {other.name} ({file.name}) files; "
                f"keep one kind, or say which with format"
            )
    return kind


def _label_files(path: Path) -> tuple[Path, ...]:
    """The files of labels at a path that was said."""
    if not path.exists():
        raise DataError(f"{path}: does not exist; give the path of the labels, or where else they are")
    if not path.is_dir():
        check_regular(path)
        return (path,)
    files = entries(path)
    if not files:
        raise DataError(f"{path}: holds no files of labels")
    for file in files:
        check_regular(file, path)
    _one_format(path, files, None)
    return files


def _only(path: Path, *kinds: Sequence[Path]) -> tuple[Path, ...]:
    """The files of the one candidate there is for labels, () without any."""
    candidates = [candidate for kind in kinds for candidate in kind]
    if len(candidates) > 1:
        raise DataError(
            f"{path}: labels may be in {' or '.join(shown(candidate.name) for candidate in candidates)}; say which "
            f"with labels, or labels = 'none'"
        )
    for candidate in candidates:  # nobody named it: it must not lead elsewhere
        (check_directory if candidate.is_dir() else check_regular)(candidate, path)
    return _label_files(candidates[0]) if candidates else ()


def _known(directory: Path) -> Iterator[Path]:
    """Files of a directory that are of a known format."""
    known = registry.extensions()
    yield from (entry for entry in entries(directory) if entry.suffix.lower() in known and entry.is_file())


def _beside_directory(path: Path) -> tuple[Path, ...]:
    """Labels beside a directory: a folder `labels`, one for each of several directories in it, or a file."""
    path = path.absolute()
    parent = path.parent
    folders = [parent / name for name in sorted(LABEL_NAMES) if (parent / name).is_dir() and parent / name != path]
    folders += [entry for entry in [parent / f"{path.name}_labels"] if entry.is_dir()]
    folders = [folder / path.name if (folder / path.name).is_dir() else folder for folder in folders]
    folders = [folder for folder in folders if not any(entry.is_dir() for entry in entries(folder))]
    names = {f"{path.name}_labels".lower()}
    files = [entry for entry in _known(parent) if _is_label(entry.stem) or entry.stem.lower() in names]
    return _only(parent, folders, files)


def _beside_file(path: Path) -> tuple[Path, ...]:
    """Labels beside a file."""
    stem = path.stem.lower()
    if _is_label(stem):
        return ()
    names = {*LABEL_NAMES, f"{stem}_labels", f"{stem}-labels", f"labels_{stem}"}
    if stem == "x" or stem.startswith(("x_", "x-")):
        names = {f"y{stem[1:]}", *(() if stem != "x" else names)}
    return _only(path.parent, [entry for entry in _known(path.parent) if entry.stem.lower() in names])
