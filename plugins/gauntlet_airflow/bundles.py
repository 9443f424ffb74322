"""A DAG per definition file, without one file's mistake touching another's DAG (design, decision 13).

Airflow ties import errors, staleness and with them the fate of running DagRuns to a *path*. So each YAML under
``include/`` gets a loader of its own, with the validated definition inside:

* a good file has ``suites/networkx.yaml.py``;
* a broken one keeps its last good loader, and ``suites/networkx.yaml.broken.py`` beside it only raises, so that the
  error stands in Airflow's UI under a path of its own while DagRuns go on;
* a deleted one keeps its loader, without schedule, until the longest run it could have started is over.

Only files are written here. What a loader builds is decided by the graphs.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle

from gauntlet.definitions.loader import load_text
from gauntlet.definitions.source import SUFFIXES, DefinitionSource, dag_id_of, find_definitions
from gauntlet.errors import GauntletError
from gauntlet.testing.content import anchored

# The words "airflow" and "DAG" must stand in each loader: Airflow skips files without them.
_LOADER = '''"""Airflow DAG of {source}. Written by Gauntlet's DefinitionsBundle: edit the YAML file instead."""

import airflow.providers.cncf.kubernetes.operators.pod  # noqa: F401  (imported once, before the processor forks)
from gauntlet_airflow.graphs import dag_of

dag = dag_of(dag_id={dag_id!r}, source={source!r}, scheduled={scheduled!r}, document={document!r})
'''
_BROKEN = '''"""The definition {source} is refused; its last good DAG, if any, goes on. Mend the YAML file."""

import airflow  # noqa: F401  (marks the file as one that Airflow reads for a DAG)
from gauntlet_airflow.bundles import refuse

refuse({message!r})
'''
_LOADER_SUFFIX = ".py"
_BROKEN_SUFFIX = ".broken.py"
# Beside a run's own limit: its time in the queue (1 h at most) and its teardowns.
_AROUND_A_RUN_SECONDS = 2 * 3600


class DefinitionRefused(Exception):  # noqa: N818  (shown to people by its name in Airflow's UI)
    """A definition file that is wrong; the text says where and what to do."""


def refuse(message: str) -> None:
    """What a broken file's loader calls.

    :raises DefinitionRefused: always.
    """
    raise DefinitionRefused(message)


@dataclass(frozen=True)
class Loader:
    """A loader's text and how long it must outlive its definition, in seconds."""

    text: str
    linger_seconds: int


class DefinitionsBundle(BaseDagBundle):
    """The bundle of all definitions under one folder.

    :param root: the folder with ``suites/`` and its siblings.
    """

    supports_versioning = False

    def __init__(self, *, root: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._root = Path(root)

    @property
    def path(self) -> Path:
        """Where the loaders are."""
        return self.base_dir / "loaders"

    def initialize(self) -> None:
        """Write the loaders where there are none yet (a worker on a fresh machine); else leave them alone."""
        if not self.path.is_dir():
            self.refresh()
        super().initialize()

    def refresh(self) -> None:
        """Bring the loaders in line with the definitions."""
        with self.lock():
            self.path.mkdir(parents=True, exist_ok=True)
            refresh(self._root, self.path, now=time.time())

    def get_current_version(self) -> None:
        """Definitions are files as they are now; each run keeps a snapshot of its own."""
        return


def refresh(root: Path, loaders: Path, *, now: float) -> None:
    """Write, keep and remove loaders.

    :param root: the definitions.
    :param loaders: where loaders lie; the modification time of one tells when its definition was last seen.
    :param now: seconds since the epoch.
    """
    seen: set[Path] = set()
    for source in find_definitions(root):
        loader = loaders / f"{source.relative}{_LOADER_SUFFIX}"
        broken = loaders / f"{source.relative}{_BROKEN_SUFFIX}"
        seen.update({loader, broken})
        try:
            _write(loader, _loader(source).text)
            broken.unlink(missing_ok=True)
        except GauntletError as error:
            _write(broken, _BROKEN.format(source=source.relative, message=str(error)))
    for path in _written(loaders):
        if path not in seen:
            _retire(path, loaders, now=now)


def _loader(source: DefinitionSource, *, scheduled: bool = True) -> Loader:
    dag_id = dag_id_of(source)
    definition = load_text(source.text(), file=source.relative)
    if definition.kind != source.kind:
        raise GauntletError(
            f"found kind {definition.kind}, expected {source.kind}",
            where=source.relative,
            todo=f"Move the file to the folder of its kind, or correct its kind to {source.kind}",
        )
    document = anchored(definition.document(), base=PurePosixPath(source.relative).parent)
    return _render(dag_id, source.relative, document, scheduled=scheduled)


def _render(dag_id: str, source: str, document: Mapping[str, Any], *, scheduled: bool) -> Loader:
    text = json.dumps(document, sort_keys=True, ensure_ascii=True)
    config = document.get("config", {})
    attempts = 1 + config.get("retryPolicy", {}).get("maxRetries", 0)
    linger = _AROUND_A_RUN_SECONDS + attempts * (config.get("timeout", 0) + 3600)
    return Loader(_LOADER.format(source=source, dag_id=dag_id, scheduled=scheduled, document=text), linger)


def _retire(path: Path, loaders: Path, *, now: float) -> None:
    """A definition is gone: drop its error at once, its loader when no run of it can live any more."""
    if path.name.endswith(_BROKEN_SUFFIX):
        path.unlink(missing_ok=True)
        return
    relative = path.relative_to(loaders).as_posix().removesuffix(_LOADER_SUFFIX)
    try:
        dag_id, document = embedded(path.read_text())
    except ValueError:
        path.unlink(missing_ok=True)
        return
    loader = _render(dag_id, relative, document, scheduled=False)
    # Written only once, so that the modification time is the moment at which the definition was missed.
    _write(path, loader.text)
    if now - path.stat().st_mtime > loader.linger_seconds:
        path.unlink(missing_ok=True)


def embedded(loader_text: str) -> tuple[str, dict[str, Any]]:
    """The DAG id and the definition inside a loader, read without running it.

    :raises ValueError: when the text is no loader of ours.
    """
    import ast

    try:
        for node in ast.walk(ast.parse(loader_text)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dag_of":
                values = {item.arg: ast.literal_eval(item.value) for item in node.keywords if item.arg}
                return str(values["dag_id"]), dict(json.loads(values["document"]))
    except (SyntaxError, KeyError, TypeError) as error:
        raise ValueError(str(error)) from None
    raise ValueError("no loader")


def _written(loaders: Path) -> Iterator[Path]:
    for path in sorted(loaders.rglob(f"*{_LOADER_SUFFIX}")):
        if any(path.name.endswith(suffix + end) for suffix in SUFFIXES for end in (_LOADER_SUFFIX, _BROKEN_SUFFIX)):
            yield path


def _write(path: Path, text: str) -> None:
    """Write atomically, and only what changed: a file's modification time makes Airflow parse it again."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


__all__ = ["DefinitionRefused", "DefinitionsBundle", "embedded", "refresh", "refuse"]
