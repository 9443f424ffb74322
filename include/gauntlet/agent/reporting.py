"""Everything an attempt writes to the store: heartbeats, live cases, files, and the manifest last.

:class:`Attempt` knows the order of things; :class:`Beat` does it on the side while a tool runs or an environment is
built. A heartbeat that does not arrive is tried again with the next one; a manifest that does not arrive is an error.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gauntlet.agent.collecting import Found, content_type_of, described, described_bytes
from gauntlet.agent.contract import (
    CASES_FOLDER,
    HEARTBEAT,
    MANIFEST,
    Counts,
    Heartbeat,
    Manifest,
    Order,
    StoredFile,
    dumps,
)
from gauntlet.agent.failures import UploadError
from gauntlet.agent.progress import Progress
from gauntlet.agent.redaction import Redactor
from gauntlet.agent.uploading import Uploader
from gauntlet.agent.workplace import Workplace


def say(text: str) -> None:
    """A line in the pod's log."""
    sys.stderr.write(f"gauntlet: {text}\n")
    sys.stderr.flush()


class Attempt:
    """One attempt's prefix in the store, and what is known about the attempt."""

    def __init__(
        self, order: Order, workplace: Workplace, uploader: Uploader, started_at: float, redactor: Redactor
    ) -> None:
        self.order = order
        self.redactor = redactor
        self.started_at = started_at
        self.files: list[StoredFile] = []
        self.warnings: list[str] = []
        self.phases: dict[str, float] = {}
        self.cpu_seconds = 0.0
        self.max_memory_bytes = 0
        self.environment_lock = ""
        self._workplace = workplace
        self._uploader = uploader
        self._parts = 0

    def beat(self, state: str, counts: Counts | None = None, *, current: str = "", memory_bytes: int = 0) -> None:
        """Rewrite the heartbeat; it is no loss when that fails once."""
        heartbeat = Heartbeat(
            state=state,
            at=time.time(),
            counts=counts or Counts(),
            planned=len(self.order.cases),
            current=current,
            cpu_seconds=round(self.cpu_seconds, 3),
            memory_bytes=memory_bytes,
        )
        try:
            self._uploader.put_bytes(HEARTBEAT, dumps(heartbeat).encode(), "application/json", hasty=True)
        except UploadError as error:
            say(f"heartbeat: {error}")

    def put_cases(self, progress: Progress, *, hasty: bool) -> None:
        """Upload the cases that are new as one more part, or as several when they are many.

        :raises UploadError: unless ``hasty``; then they are kept for the next time.
        """
        while True:
            data = progress.take_fresh()
            if not data:
                return
            data = self.redactor.whole(data)
            name = f"{CASES_FOLDER}/{self._parts + 1}.jsonl"
            try:
                self._uploader.put_bytes(name, data, content_type_of(name), hasty=hasty)
            except UploadError as error:
                if not hasty:
                    raise
                progress.give_back(data)
                say(f"live cases: {error}")
                return
            self._parts += 1
            self.files.append(described_bytes(data, name, "cases"))

    def put(self, found: Found) -> None:
        """Upload a file.

        :raises UploadError: when the store did not take it.
        """
        stored = described(found.file, found.name, found.type)
        self._uploader.put_file(stored.path, found.file, stored.content_type)
        self.files.append(stored)

    def put_all(self, files: Sequence[Found]) -> None:
        """Upload files that the verdict does not hang on: one that fails is a warning."""
        for found in files:
            try:
                self.put(found)
            except (UploadError, OSError) as error:
                self.warnings.append(f"{found.name} was not kept: {error}")

    def close(
        self,
        state: str,
        *,
        counts: Counts | None = None,
        exit_code: int | None = None,
        cause: str = "",
        message: str = "",
        details: str = "",
    ) -> None:
        """Write the manifest: with it the attempt is finished. The heartbeat repeats the state.

        :raises UploadError: when the store did not take it.
        """
        manifest = Manifest(
            kind=self.order.kind,
            execution=self.order.execution,
            shard=self.order.shard,
            attempt=self.order.attempt,
            state=state,
            exit_code=exit_code,
            started_at=self.started_at,
            finished_at=time.time(),
            counts=counts or Counts(),
            planned=len(self.order.cases),
            cause=cause,
            message=self.redactor.text(message),
            details=self.redactor.text(details),
            files=self.files,
            phases={name: round(seconds, 3) for name, seconds in self.phases.items()},
            cpu_seconds=round(self.cpu_seconds, 3),
            max_memory_bytes=self.max_memory_bytes,
            environment_lock=self.environment_lock,
            pod=self._workplace.pod,
            node=self._workplace.node,
            warnings=self.warnings,
        )
        self._uploader.put_bytes(MANIFEST, dumps(manifest).encode("utf-8", "backslashreplace"), "application/json")
        self.beat(state, counts)
        say(f"{state}{f' ({cause}: {message})' if cause else ''}")


class Beat:
    """Does something at once and then again and again, on a thread of its own, until it is stopped."""

    def __init__(self, every_seconds: float, act: Callable[[], Any]) -> None:
        self._every_seconds = max(0.2, every_seconds)
        self._act = act
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go, name="heartbeat", daemon=True)

    def _go(self) -> None:
        while True:
            self._act()
            if self._stop.wait(self._every_seconds):
                return

    def __enter__(self) -> Beat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def file_if_any(path: Path) -> bool:
    """Whether there is a file with something in it."""
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False
