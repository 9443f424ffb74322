"""Which files under ``include/`` are definitions, of which kind, and what their DAGs are called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gauntlet.errors import GauntletError

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Folder:
    """A folder of definitions: their kind and the prefix of their DAG ids."""

    kind: str
    prefix: str


#: Later kinds (event tests, experiments, game days) are one line each.
FOLDERS: Mapping[str, Folder] = {"suites": Folder("TestSuite", "suite")}

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_MAX_DAG_ID = 200


@dataclass(frozen=True)
class DefinitionSource:
    """One definition file.

    :param root: the definitions' folder.
    :param relative: its path below it, with ``/``.
    :param kind: what its folder says it is.
    """

    root: Path
    relative: str
    kind: str

    @property
    def path(self) -> Path:
        """The file."""
        return self.root / self.relative

    def text(self) -> str:
        """What it says.

        :raises GauntletError: when it cannot be read as UTF-8.
        """
        try:
            return self.path.read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise GauntletError(f"cannot be read as text: {error}", where=self.relative) from None


def find_definitions(root: Path) -> Iterator[DefinitionSource]:
    """All definition files below a root, in a stable order; hidden files and folders are left out."""
    for folder, meaning in FOLDERS.items():
        for path in sorted((root / folder).rglob("*")):
            relative = path.relative_to(root)
            hidden = any(part.startswith((".", "_")) for part in relative.parts)
            if path.suffix in SUFFIXES and path.is_file() and not hidden:
                yield DefinitionSource(root, relative.as_posix(), meaning.kind)


def source_of(path: Path, root: Path) -> DefinitionSource | None:
    """The source that a file is, when it lies where definitions live; None for any other file."""
    resolved, base = path.resolve(), root.resolve()
    if not resolved.is_relative_to(base):
        return None
    relative = resolved.relative_to(base)
    meaning = FOLDERS.get(relative.parts[0])
    if meaning is None or resolved.suffix not in SUFFIXES:
        return None
    return DefinitionSource(root, relative.as_posix(), meaning.kind)


def dag_id_of(source: DefinitionSource) -> str:
    """The DAG id of a definition: its folder's prefix and its path, joined by two underscores.

    :raises GauntletError: when the path does not make an id, or another file makes the same one.
    """
    path = PurePosixPath(source.relative)
    parts = [*path.parts[1:-1], path.stem]
    for part in parts:
        if not _PART.fullmatch(part) or "__" in part:
            raise GauntletError(
                f"the name {part!r} cannot be part of a DAG id",
                where=source.relative,
                todo="Use letters, digits, '-', '.' and single '_', beginning with a letter or digit",
            )
    twin = [source.root / path.with_suffix(suffix) for suffix in SUFFIXES if suffix != path.suffix]
    if path.suffix != SUFFIXES[0] and any(other.exists() for other in twin):
        raise GauntletError(
            f"{path.with_suffix(SUFFIXES[0])} makes the same DAG id", where=source.relative, todo="Keep one of the two"
        )
    dag_id = "__".join([FOLDERS[path.parts[0]].prefix, *parts])
    if len(dag_id) > _MAX_DAG_ID:
        raise GauntletError(f"its DAG id would be longer than {_MAX_DAG_ID}", where=source.relative, todo="Shorten it")
    return dag_id
