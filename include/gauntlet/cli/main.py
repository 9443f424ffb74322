"""The `gauntlet` command: its commands are registered here and imported when they are called.

`gauntlet --help` must stay instant, so this module imports typer and nothing of ours but errors; each command
lives in a module of its own and does its imports there. Whatever a user can act on is a GauntletError and is
printed as one message on stderr with exit code 2; anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gauntlet.errors import GauntletError

COULD_NOT_RUN = 2


class _Typer(typer.Typer):
    """Turns errors that a person can act on into one message."""

    def __call__(self, *args: object, **kwargs: object) -> object:
        try:
            return super().__call__(*args, **kwargs)
        except GauntletError as error:
            sys.stderr.write(f"gauntlet: {error}\n")
            raise SystemExit(COULD_NOT_RUN) from None


app = _Typer(
    help="Put a system through its tests, its event flows and its faults, and learn from what it saw.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


@app.command()
def up() -> None:
    """Start PostgreSQL, a small Kubernetes and Airflow on this machine; return when all are healthy."""
    from gauntlet.cli import stack

    stack.up()


@app.command()
def down(
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Also delete databases, results, logs and passwords.")
    ] = False,
) -> None:
    """Stop everything that `up` started; no process of it is left."""
    from gauntlet.cli import stack

    stack.down(delete_data=delete_data)


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Show what runs, where, and what is wrong with it; exit code 1 when something is."""
    from gauntlet.cli import stack

    raise typer.Exit(stack.status(as_json=as_json))


@app.command()
def doctor() -> None:
    """Look for whatever on this machine stands in the way; exit code 1 when something does."""
    from gauntlet.cli import stack

    raise typer.Exit(stack.doctor())


@app.command()
def run(
    what: Annotated[
        str, typer.Argument(metavar="FILE_OR_NAME", help="A definition file, or a name under include/suites.")
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until the verdict; exit with its code.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write the JUnit report here (with --wait).")] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait for the verdict; the run itself goes on.")
    ] = None,
) -> None:
    """Run a definition. Exit codes: 0 passed, 1 tests failed, 2 could not run, 3 refused definition."""
    from gauntlet.cli.run import Options
    from gauntlet.cli.run import run as run_definition

    # Whoever names a file for the report, or a limit for the verdict, means to wait for it.
    waits = wait or junit is not None or timeout is not None
    options = Options(wait=waits, as_json=as_json, junit=junit, timeout_seconds=timeout)
    raise typer.Exit(run_definition(what, options))


@app.command()
def validate(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Definition files, or folders of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Check definitions without running them; exit code 3 when one is refused."""
    from gauntlet.cli.validate import validate as validate_files

    raise typer.Exit(validate_files(paths, as_json=as_json))


if __name__ == "__main__":
    app()
