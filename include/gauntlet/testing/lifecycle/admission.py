"""The first step: the definition is read, refused or snapshotted, and the execution has a row.

A submitter may have made the row already (the command line, the API); then its snapshot counts, because it is what
the submitter saw. A run that Airflow began by itself (a schedule, the form) gets its row here.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gauntlet.definitions.loader import load_data, load_text
from gauntlet.errors import GauntletError, Problem, RefusedError
from gauntlet.runs import ids
from gauntlet.runs.states import State
from gauntlet.settings import Settings, current
from gauntlet.storage import definitions, executions, layout
from gauntlet.storage.database import DatabaseUnreachableError
from gauntlet.storage.executions import Execution, NewExecution
from gauntlet.testing.content import FolderContent
from gauntlet.testing.frameworks.base import framework
from gauntlet.testing.lifecycle.installation import store, transaction
from gauntlet.testing.orders import check_fetchable
from gauntlet.testing.suite import TestSuite

__all__ = ["Answer", "DatabaseUnreachableError", "Request", "admit", "read_definition", "runnable"]

KIND = "TestSuite"


@dataclass(frozen=True)
class Request:
    """What ``admit`` knows of a run.

    :param document: the definition that the DAG's file embeds, as JSON; empty when there is none.
    :param definition: the one given at trigger time, as JSON: an object, or a string of YAML; may be empty.
    :param overrides: the form's values as a JSON object.
    """

    dag_id: str
    run_id: str
    submitter: str = ""
    document: str = ""
    definition: str = ""
    overrides: str = ""


@dataclass(frozen=True)
class Answer:
    """The execution's public id, and why it was refused; ``refusal`` is empty when it goes on."""

    execution: str
    refusal: str = ""


def admit(request: Request) -> Answer:
    """Validate, snapshot and let go on. Doing it twice changes nothing.

    :raises DatabaseUnreachableError: when the database does not answer; nothing has happened then.
    """
    with transaction() as connection:
        existing = executions.of_dag_run(connection, request.dag_id, request.run_id)
    given = dict(existing.definition) if existing is not None and existing.definition else None
    try:
        suite = read_definition(request, given)
        runnable(suite, current())
    except GauntletError as error:
        return _reject(request, existing, given, error)
    execution = _accept(request, existing, suite)
    return Answer(execution.public_id)


def read_definition(request: Request, given: Mapping[str, Any] | None) -> TestSuite:
    """The suite that a run is about: what its submitter gave, or what came with the trigger, or the file's.

    :raises RefusedError: when it is wrong.
    """
    if given is not None:
        suite = load_data(dict(given))
    else:
        raw = json.loads(request.definition) if request.definition else json.loads(request.document or "null")
        definition = load_text(raw, file="definition") if isinstance(raw, str) else load_data(raw, file="definition")
        suite = _overridden(definition.document(), request)
    if not isinstance(suite, TestSuite):
        raise RefusedError([Problem("definition", None, "kind", suite.kind, KIND)])
    return suite


def runnable(suite: TestSuite, settings: Settings) -> None:
    """Refuse what is valid but cannot run here.

    :raises GauntletError: saying why.
    """
    framework(suite.type).inventory(suite)
    check_fetchable(suite)
    if isinstance(suite.content, FolderContent):
        roots = settings.folder_roots or settings.definitions_root
        folder = (Path(settings.definitions_root) / suite.content.folder).resolve()
        if not any(folder.is_relative_to(Path(root).resolve()) for root in roots.split(":")):
            raise GauntletError(
                "the folder lies outside of the folders that may be sent",
                where=f"content.folder {folder}",
                todo="Move it, or have GAUNTLET_FOLDER_ROOTS name a folder above it",
            )


def _overridden(document: dict[str, Any], request: Request) -> Any:
    """The definition with the values that a person changed in the form; untouched ones are the file's."""
    overrides = json.loads(request.overrides or "{}")
    embedded = json.loads(request.document) if request.document else {}
    config = dict(document.get("config", {}))
    for name in ("parallelism", "timeout"):
        if name in overrides and overrides[name] != embedded.get("config", {}).get(name):
            config[name] = overrides[name]
    changed = {**document, "config": config}
    if "priority" in overrides and overrides["priority"] != embedded.get("priority"):
        changed["priority"] = overrides["priority"]
    return load_data(changed, file="definition")


def _accept(request: Request, existing: Execution | None, suite: TestSuite) -> Execution:
    document = suite.document()
    with transaction() as connection:
        mirrored = definitions.mirror(
            connection,
            kind=KIND,
            name=suite.name,
            body=document,
            type=suite.type,
            source=request.dag_id if request.document else "",
            owner=suite.owner,
        )
        execution = executions.create(
            connection,
            NewExecution(
                execution_id=_identity(request, existing),
                kind=KIND,
                name=suite.name,
                definition=document,
                definition_id=mirrored.id,
                dag_id=request.dag_id,
                run_id=request.run_id,
                submitted_by=request.submitter or suite.owner,
                priority=suite.priority,
            ),
        )
        if execution.verdict is not None:
            execution = executions.move(connection, execution.execution_id, State.RETRYING, "Cleared")
        elif execution.state is State.SUBMITTED:
            for state in (State.VALIDATING, State.QUEUED):
                executions.move(connection, execution.execution_id, state)
        if execution.state in (State.SUBMITTED, State.QUEUED, State.RETRYING):
            execution = executions.move(connection, execution.execution_id, State.SCHEDULED, "Admitted")
    store().write(layout.definition(execution.public_id), json.dumps(document, indent=2).encode())
    return execution


def _reject(
    request: Request, existing: Execution | None, given: Mapping[str, Any] | None, error: GauntletError
) -> Answer:
    with transaction() as connection:
        execution = existing or executions.create(
            connection,
            NewExecution(
                execution_id=_identity(request, existing),
                kind=KIND,
                name=request.dag_id,
                definition=dict(given or {}),
                dag_id=request.dag_id,
                run_id=request.run_id,
                submitted_by=request.submitter,
            ),
        )
        cause = "Refused" if isinstance(error, RefusedError) else "NotRunnable"
        executions.conclude(
            connection, execution.execution_id, State.REJECTED, cause=cause, reason=str(error), exit_code=3
        )
    return Answer(execution.public_id, str(error))


def _identity(request: Request, existing: Execution | None) -> uuid.UUID:
    if existing is not None:
        return existing.execution_id
    return ids.execution_id_of_dag_run(request.dag_id, request.run_id)
