"""What people see of a run: live progress while it goes on, a summary at its end.

Progress goes to stderr and adapts to where that leads: a table that redraws itself in a terminal, a line every few
seconds in a log.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gauntlet.errors import RefusedError

if TYPE_CHECKING:
    from gauntlet.testing.lifecycle.progress import Progress, ShardProgress

_LINE_SECONDS = 5.0
_COLOURS = {
    "completed": "green",
    "passed": "green",
    "running": "cyan",
    "pending": "dim",
    "queued": "dim",
    "failed": "red",
    "lost": "red",
    "timeout": "yellow",
    "cancelled": "yellow",
    "rejected": "red",
    "expired": "yellow",
}


class Show(Protocol):
    """Something that shows progress."""

    def update(self, progress: Progress) -> None:
        """Show how it stands now."""

    def trouble(self, text: str) -> None:
        """Show that nothing can be learned just now."""


@contextmanager
def watching(name: str, *, quiet: bool) -> Iterator[Show]:
    """The way to show progress that suits where stderr leads."""
    console = Console(stderr=True)
    if quiet:
        yield _Silence()
    elif console.is_terminal:
        with Live(console=console, transient=True, refresh_per_second=8) as live:
            yield _Table(name, live)
    else:
        yield _Lines(name)


def summary(document: dict[str, Any], *, password_file: Path) -> None:
    """The end of a run, for people."""
    console = Console()
    colour = _COLOURS.get(document["status"], "white")
    table = Table(title=f"{document['name']} · {document['executionId']}", title_justify="left")
    for column, justify in (("Shard", "right"), ("Status", "left"), ("Tests", "right"), ("Time", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    table.add_column("Attempts", justify="right")
    table.add_column("Pod")
    table.add_column("Cause", overflow="fold")
    for shard in document["shards"]:
        status = Text(shard["status"], style=_COLOURS.get(shard["status"], ""))
        seconds = f"{shard['durationMs'] / 1000:.1f} s"
        why = f"{shard['cause']}: {shard['message']}" if shard["message"] else shard["cause"]
        cells = (str(shard["index"]), status, str(shard["tests"]), seconds, str(shard["attempts"]), shard["pod"], why)
        table.add_row(*cells)
    console.print(table)
    counts = ", ".join(
        f"{document[name]} {name}" for name in ("passed", "failed", "errors", "skipped", "flaky") if document[name]
    )
    line = Text(f"{document['status'].upper()}", style=f"bold {colour}")
    line.append(f"  {document['tests']} tests: {counts or 'none ran'}  in {document['durationMs'] / 1000:.1f} s", "")
    console.print(line)
    if document["reason"] and document["status"] != "completed":
        console.print(Text(document["reason"], style=colour), soft_wrap=True)
    for name, place in document["reports"].items():
        console.print(f"  {name.upper():<6}{place}", soft_wrap=True, highlight=False)
    console.print(f"  Airflow  {document['links']['dagRun']}", soft_wrap=True, highlight=False)
    console.print(f"  Log in as admin; the password is in {password_file}", soft_wrap=True, highlight=False)


def problems(error: RefusedError) -> list[dict[str, Any]]:
    """A refusal for programs."""
    return [
        {"file": one.file, "line": one.line, "field": one.field, "found": one.found, "expected": one.expected}
        for one in error.problems
    ]


class _Silence:
    def update(self, progress: Progress) -> None:
        """Nothing: stdout is for programs, and they did not ask for stderr."""

    def trouble(self, text: str) -> None:
        """Nothing."""


class _Lines:
    """For logs: a line when something changed, at most every few seconds."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._last = ""
        self._said = 0.0

    def update(self, progress: Progress) -> None:
        counts = progress.counts
        over = sum(shard.over for shard in progress.shards)
        text = (
            f"{progress.execution.state}: {over}/{len(progress.shards)} shards, {counts.passed} passed, "
            f"{counts.failed + counts.errors} failed, {counts.skipped} skipped"
        )
        self._say(text, progress.elapsed_seconds)

    def trouble(self, text: str) -> None:
        self._say(text, None)

    def _say(self, text: str, elapsed_seconds: float | None) -> None:
        now = time.monotonic()
        if text != self._last and now - self._said >= _LINE_SECONDS:
            when = "" if elapsed_seconds is None else f"{elapsed_seconds:6.1f} s  "
            sys.stderr.write(f"{when}{self._name}  {text}\n")
            self._last, self._said = text, now


class _Table:
    """For terminals."""

    def __init__(self, name: str, live: Live) -> None:
        self._name = name
        self._live = live

    def update(self, progress: Progress) -> None:
        state = str(progress.execution.state)
        head = Text(f"{self._name} ", style="bold")
        head.append(state, style=_COLOURS.get(progress.execution.status.value, ""))
        head.append(f"  {progress.elapsed_seconds:.1f} s", style="dim")
        table = Table(box=None, pad_edge=False)
        for column in ("shard", "status", "cases", "passed", "failed", "skipped"):
            table.add_column(column, justify="left" if column == "status" else "right", header_style="dim")
        table.add_column("now", overflow="ellipsis", no_wrap=True, header_style="dim")
        for shard in progress.shards:
            table.add_row(*self._row(shard))
        self._live.update(Group(head, table) if progress.shards else head)

    def trouble(self, text: str) -> None:
        self._live.update(Text(text, style="yellow"))

    @staticmethod
    def _row(shard: ShardProgress) -> list[Text | str]:
        counts, beat = shard.counts, shard.heartbeat
        red = counts.failed + counts.errors
        return [
            str(shard.row.index),
            Text(shard.row.status.value, style=_COLOURS.get(shard.row.status.value, "")),
            f"{counts.total}/{shard.row.planned}",
            Text(str(counts.passed), style="green"),
            Text(str(red), style="red" if red else "dim"),
            Text(str(counts.skipped), style="dim"),
            Text(beat.current if beat else "", style="dim"),
        ]
