"""What ``gauntlet run`` was asked to run: a file, or the name of a definition under ``include/``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gauntlet.definitions.base import Definition
from gauntlet.definitions.loader import load_file
from gauntlet.definitions.source import FOLDERS, SUFFIXES, dag_id_of, find_definitions, source_of
from gauntlet.errors import GauntletError
from gauntlet.testing.content import anchored

TRIGGERED_DAG = "run_test"


class UnknownTargetError(GauntletError):
    """Neither a file nor a definition has that name."""


@dataclass(frozen=True)
class Target:
    """A definition and the DAG that runs it.

    :param document: complete, with folders anchored where the definition's file is.
    :param conf: of the DAG run.
    """

    definition: Definition
    document: dict[str, Any]
    dag_id: str
    conf: dict[str, Any]


def resolve(text: str, root: Path) -> Target:
    """Find what a person named.

    :param root: the definitions' folder.
    :raises UnknownTargetError: when there is no such thing; it names what there is.
    :raises gauntlet.errors.RefusedError: when the definition is wrong.
    """
    path = Path(text)
    if path.suffix not in SUFFIXES and not path.is_file():
        path = _named(text, root)
    definition = load_file(path)
    source = source_of(path, root)
    document = anchored(definition.document(), base=path.resolve().parent)
    if source is None:
        return Target(definition, document, TRIGGERED_DAG, {"definition": document})
    return Target(definition, document, dag_id_of(source), {})


def names(root: Path) -> list[str]:
    """What can be run by name: the path below its kind's folder, without the suffix."""
    return [Path(*Path(source.relative).parts[1:]).with_suffix("").as_posix() for source in find_definitions(root)]


def _named(name: str, root: Path) -> Path:
    found = [
        root / folder / f"{name}{suffix}"
        for folder in FOLDERS
        for suffix in SUFFIXES
        if (root / folder / f"{name}{suffix}").is_file()
    ]
    if found:
        return found[0]
    known = ", ".join(names(root)) or "none"
    raise UnknownTargetError(
        f"there is no definition called {name!r} and no such file", todo=f"Definitions under {root}: {known}"
    )
