"""`gauntlet up|down|status|doctor`: shows what `gauntlet.local` does and says. Decides nothing."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gauntlet.local.airflow_settings import ADMIN_USER
from gauntlet.local.stack import Component, Description, Stack

_out = Console(highlight=False, soft_wrap=True)


def up() -> None:
    """Bring the stack up and say where it is."""
    stack = Stack()
    description = stack.up(_step)
    _out.print(_where(stack, description))


def down(*, delete_data: bool) -> None:
    """Take the stack down and, if asked, delete its state folder."""
    stack = Stack()
    _out.print("[green]Stopped.[/] No process is left." if stack.down(_step) else "Nothing was running.")
    if delete_data:
        stack.forget()
        _out.print(f"Deleted {escape(str(stack.paths.state))}")


def status(*, as_json: bool) -> int:
    """Print every component.

    :returns: the exit code: 0 when all are of use, else 1.
    """
    stack = Stack()
    description = stack.description()
    components = stack.status()
    healthy = bool(components) and all(each.problem is None for each in components)
    if as_json:
        _out.print_json(json.dumps(_document(stack, description, components, healthy=healthy)))
    elif description is None:
        _out.print("Nothing was started yet: run `make up`.")
    else:
        _out.print(_table(components))
        _out.print(_where(stack, description))
    return 0 if healthy else 1


def doctor() -> int:
    """Print every finding about this machine.

    :returns: the exit code: 0 when nothing keeps the stack from starting, else 1.
    """
    stack = Stack()
    findings = stack.examine()
    for finding in findings:
        sign = "[red]✗[/]" if finding.fatal else "[yellow]![/]"
        _out.print(f"{sign} {escape(str(finding))}")
    if not any(finding.fatal for finding in findings):
        _out.print("[green]✓[/] Nothing keeps the stack from starting.")
    return 1 if any(finding.fatal for finding in findings) else 0


def _step(what: str, seconds: float) -> None:
    _out.print(f"[green]✓[/] {escape(what)} [dim]({seconds:.1f} s)[/]")


def _where(stack: Stack, description: Description) -> str:
    cluster = "devcluster on this machine" if description.own_cluster else f"the cluster of {description.kubeconfig}"
    kubeconfig, password = _short(Path(description.kubeconfig)), _short(stack.paths.admin_password)
    return (
        f"Airflow   [bold]{description.ui_url}[/]  user {ADMIN_USER}, password: cat {password}\n"
        f"pods      {escape(cluster)}: kubectl --kubeconfig {kubeconfig} get pods -A\n"
        f"results   {escape(description.store_url)}\n"
        f"logs      {_short(stack.paths.logs)}"
    )


def _short(path: Path) -> str:
    """A path as one would type it here."""
    here = Path.cwd()
    return escape(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _table(components: list[Component]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("component", "state", "pid", "up for", "health"):
        table.add_column(heading)
    for each in components:
        health = "[green]healthy[/]" if each.problem is None else f"[red]{escape(each.problem)}[/]"
        uptime = f"{each.uptime_seconds:.0f} s" if each.pid else ""
        table.add_row(each.name, each.state, str(each.pid or ""), uptime, health)
    return table


def _document(
    stack: Stack, description: Description | None, components: list[Component], *, healthy: bool
) -> dict[str, object]:
    return {
        "healthy": healthy,
        "state": str(stack.paths.state),
        "ui": description and description.ui_url,
        "kubeconfig": description and description.kubeconfig,
        "store": description and description.store_url,
        "logs": str(stack.paths.logs),
        "components": [asdict(each) for each in components],
    }
