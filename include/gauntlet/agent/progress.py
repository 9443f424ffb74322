"""What the test-side plugin said so far, and what must be said for cases it said nothing about.

Reads the file of events (:mod:`gauntlet_pytest` describes it) as it grows. Every wanted case ends up with exactly one
result, even when the tool dies: that rule lives here and nowhere else.
"""

from __future__ import annotations

import json
import signal
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gauntlet.agent.contract import Case, Counts, dumps

STATUSES = ("passed", "failed", "error", "skipped")
CHUNK_BYTES = 4 << 20


class Progress:
    """The events of one run.

    :param path: the file of events; it need not exist yet, or ever.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self._by_status = dict.fromkeys(STATUSES, 0)
        self._running: dict[str, None] = {}
        self._seen: set[str] = set()
        self._fresh: deque[bytes] = deque()
        self.missing: list[str] = []
        self.spoke = False
        self.finished = False
        self.max_failures = ""
        self.stopped = ""
        self.unreadable = 0

    @property
    def counts(self) -> Counts:
        """Cases so far."""
        by = self._by_status
        return Counts(sum(by.values()), by["passed"], by["failed"], by["error"], by["skipped"])

    @property
    def reached(self) -> int:
        """Cases that have a result or were begun."""
        return len(self._seen) + len(self._running)

    @property
    def current(self) -> str:
        """A case that is running."""
        return next(iter(self._running), "")

    def read(self) -> None:
        """Take in what was appended since the last time."""
        try:
            with self._path.open("rb") as opened:
                opened.seek(self._offset)
                while True:
                    data = opened.read(CHUNK_BYTES)
                    if not data:
                        return
                    self._offset += len(data)
                    lines = (self._rest + data).split(b"\n")
                    self._rest = lines.pop()
                    for line in lines:
                        self._take(line)
        except FileNotFoundError:
            return

    def _take(self, line: bytes) -> None:
        try:
            self._event(line[:1], json.loads(line[1:]), line[1:])
        except (ValueError, KeyError, TypeError, AttributeError):
            self.unreadable += 1

    def _event(self, kind: bytes, document: Any, raw: bytes) -> None:
        self.spoke = True
        if kind == b"S":
            self._running[str(document)] = None
        elif kind == b"C":
            self._case(str(document["id"]), document["status"], raw)
        elif kind == b"M":
            self.missing.extend(map(str, document))
        elif kind == b"F":
            self.finished = True
            self.max_failures = str(document["max_failures"])
            self.stopped = str(document["stopped"])

    def _case(self, case_id: str, status: str, raw: bytes) -> None:
        self._running.pop(case_id, None)
        if case_id in self._seen:
            return
        self._by_status[status] += 1
        self._seen.add(case_id)
        self._fresh.append(raw)

    def add(self, case: Case) -> None:
        """Take a case the tool did not report itself."""
        self._case(case.id, case.status, dumps(case).encode("utf-8", "backslashreplace"))

    def take_fresh(self, max_bytes: int = 16 << 20) -> bytes:
        """Lines of cases not handed out before, about as many as fit."""
        lines: list[bytes] = []
        size = 0
        while self._fresh and size < max_bytes:
            lines.append(self._fresh.popleft())
            size += len(lines[-1])
        return b"".join(line + b"\n" for line in lines)

    def give_back(self, data: bytes) -> None:
        """Return lines that could not be handed on; they come first the next time."""
        self._fresh.extendleft(reversed(data.split(b"\n")[:-1]))

    def complete(self, wanted: Sequence[str], reason: str, while_running: str) -> int:
        """Give every wanted case without a result one.

        :param reason: why the others were not run, as a sentence.
        :param while_running: what happened to those that were running.
        :returns: how many there were.
        """
        running = list(self._running)
        missing = set(self.missing)
        lost = [case_id for case_id in wanted if case_id not in self._seen]
        for case_id in running:
            self.add(unreported(case_id, "error", f"{while_running} while this ran"))
        for case_id in lost:
            if case_id in missing:
                self.add(unreported(case_id, "error", "it was in the inventory but was not collected", ran=False))
            elif case_id not in self._seen and self.max_failures:
                self.add(unreported(case_id, "skipped", f"not run: {self.max_failures}", ran=False))
            elif case_id not in self._seen:
                self.add(unreported(case_id, "error", f"not run: {reason}", ran=False))
        return len(set(running) | set(lost))


def unreported(case_id: str, status: str, message: str, *, ran: bool = True) -> Case:
    """A result for a case its tool gave none for."""
    path, bracket, parameters = case_id.partition("[")
    file, *inner = path.split("::")
    module = (file[:-3] if file.endswith(".py") else file).strip("/").replace("/", ".")
    parts = [module, *inner]
    return Case(
        id=case_id,
        name=parts[-1] + bracket + parameters,
        classname=".".join(parts[:-1]),
        file=file,
        status=status,
        duration_ms=0.0,
        message=message,
        ran=ran,
    )


def ending(exit_code: int) -> str:
    """How a process ended, in words."""
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"signal {-exit_code}, {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"signal {-exit_code}"
