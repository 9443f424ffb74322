"""``gauntlet run``: submit, watch, and end with the verdict's exit code.

What is printed for people goes to stderr while the run goes on and to stdout at its end; with ``--json`` stdout
holds one document and nothing else.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from gauntlet.cli import display
from gauntlet.cli.airflow import Airflow
from gauntlet.cli.targets import Target, resolve
from gauntlet.errors import GauntletError, RefusedError
from gauntlet.local.airflow_settings import ADMIN_USER
from gauntlet.local.stack import Stack
from gauntlet.runs import ids
from gauntlet.runs.states import State

REFUSED = 3
COULD_NOT_RUN = 2
_LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Options:
    """How ``gauntlet run`` was called; ``timeout_seconds`` is None to wait as long as it takes."""

    wait: bool
    as_json: bool
    junit: Path | None
    timeout_seconds: float | None


def run(what: str, options: Options) -> int:
    """Run a definition.

    :param what: a file, or a definition's name.
    :returns: the exit code: 0 passed, 1 tests failed, 2 could not run, 3 refused.
    """
    stack = Stack()
    # The steps below the doors read their settings from the environment, wherever they run.
    os.environ.update(stack.settings())
    from gauntlet.settings import current

    try:
        target = resolve(what, Path(current().definitions_root))
    except RefusedError as error:
        return _refused(error, options)
    description = stack.description()
    if description is None:
        raise GauntletError("the stack was never started", todo="Run `make up`")
    airflow = Airflow(description.ui_url, ADMIN_USER, stack.paths.admin_password.read_text().strip())
    public_id = submit(target, airflow)
    links = {
        "dagRun": f"{description.ui_url}/dags/{target.dag_id}/runs/{public_id}",
        "airflow": description.ui_url,
    }
    if not options.as_json:
        sys.stderr.write(f"{public_id} submitted: {links['dagRun']}\n")
    finished = _watch(public_id, target, options) if options.wait else False
    return _report(public_id, links, options, stack, finished=finished)


def submit(target: Target, airflow: Airflow) -> str:
    """Make the execution's row, then its DAG run, under one id.

    :returns: the public id.
    :raises GauntletError: when the DAG run cannot be made; the row is closed then.
    """
    from gauntlet.storage import executions
    from gauntlet.storage.executions import NewExecution
    from gauntlet.testing.lifecycle.installation import transaction

    airflow.wait_for_dag(target.dag_id)
    execution_id = ids.new_execution_id()
    public_id = ids.public_id(execution_id)
    with transaction() as connection:
        executions.create(
            connection,
            NewExecution(
                execution_id=execution_id,
                kind=target.definition.kind,
                name=target.definition.name,
                definition=target.document,
                dag_id=target.dag_id,
                run_id=public_id,
                submitted_by=ADMIN_USER,
                priority=target.definition.priority,
            ),
        )
    try:
        airflow.trigger(target.dag_id, public_id, target.conf)
    except GauntletError as error:
        with transaction() as connection:
            executions.conclude(
                connection,
                execution_id,
                State.CANCELLED,
                cause="NotStarted",
                reason=str(error),
                exit_code=COULD_NOT_RUN,
            )
        raise
    return public_id


def _watch(public_id: str, target: Target, options: Options) -> bool:
    """Show how it goes until the verdict stands, or the patience is over.

    :returns: whether the verdict stands.
    """
    from gauntlet.storage.database import DatabaseUnreachableError
    from gauntlet.testing.lifecycle import progress

    deadline = None if options.timeout_seconds is None else time.monotonic() + options.timeout_seconds
    with display.watching(target.definition.name, quiet=options.as_json) as show:
        while True:
            try:
                now = progress.look(public_id)
            except DatabaseUnreachableError as error:
                # A database that restarts does not end the run, so it does not end the watching.
                show.trouble(str(error))
            else:
                show.update(now)
                if now.over:
                    return True
            if deadline is not None and time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)


def _report(public_id: str, links: dict[str, str], options: Options, stack: Stack, *, finished: bool) -> int:
    from gauntlet.testing.lifecycle import progress

    now = progress.look(public_id)
    document = progress.document(now, links=links)
    if options.junit is not None and finished:
        _copy_junit(public_id, options.junit)
    if options.as_json:
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    elif finished:
        display.summary(document, password_file=stack.paths.admin_password)
    else:
        sys.stdout.write(f"{public_id} is {document['status']}; it goes on by itself. See {links['dagRun']}\n")
    if finished:
        code = now.execution.exit_code
        return COULD_NOT_RUN if code is None else code
    if not options.wait:
        return 0
    sys.stderr.write(f"gauntlet: no verdict within {options.timeout_seconds:.0f} s\n")
    return COULD_NOT_RUN


def _copy_junit(public_id: str, path: Path) -> None:
    from gauntlet.storage import layout
    from gauntlet.testing.lifecycle.installation import store

    raw = store().read_if_exists(layout.report(public_id, layout.REPORTS["junit"]))
    if raw is None:
        sys.stderr.write(f"gauntlet: {public_id} left no JUnit report, so {path} was not written\n")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)


def _refused(error: RefusedError, options: Options) -> int:
    if options.as_json:
        sys.stdout.write(json.dumps({"status": "rejected", "problems": display.problems(error)}, indent=2) + "\n")
    sys.stderr.write(f"gauntlet: {error}\n")
    return REFUSED
