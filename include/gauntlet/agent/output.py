"""The tool's output, however much of it: its head and its tail in a file, its beginning in the pod's log.

A gigabyte of output may cost time but neither memory nor disk. The tail is a ring in a second file.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import IO

from gauntlet.agent.redaction import Redactor

CHUNK_BYTES = 1 << 16
MAX_POD_LOG_BYTES = 10_000_000


class HeadAndTail:
    """A file that keeps the first and the last half of what is written.

    :param path: the file.
    :param max_bytes: of the file, the line that says what was left out not counted.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._head_bytes = max(0, max_bytes) // 2
        self._tail_bytes = max(0, max_bytes) - self._head_bytes
        self._head = path.open("wb")
        self._ring_path = path.with_name(path.name + ".tail")
        self._ring: IO[bytes] | None = None
        self.bytes = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        room = max(0, self._head_bytes - self.bytes)
        if room:
            self._head.write(data[:room])
        rest = data[room:]
        past = max(0, self.bytes - self._head_bytes)
        self.bytes += len(data)
        if rest and self._tail_bytes:
            self._write_ring(rest, past)

    def _write_ring(self, data: bytes, past: int) -> None:
        if self._ring is None:
            self._ring = self._ring_path.open("w+b")
        if len(data) > self._tail_bytes:
            past += len(data) - self._tail_bytes
            data = data[-self._tail_bytes :]
        while data:
            position = past % self._tail_bytes
            part = data[: self._tail_bytes - position]
            self._ring.seek(position)
            self._ring.write(part)
            past += len(part)
            data = data[len(part) :]

    def close(self) -> None:
        """Put head and tail together."""
        past = max(0, self.bytes - self._head_bytes)
        left_out = past - min(past, self._tail_bytes)
        if left_out:
            self._head.write(f"\n[… {left_out} bytes left out …]\n".encode())
        if self._ring is not None:
            start = past % self._tail_bytes if left_out else 0
            self._copy(start, min(past, self._tail_bytes) - start)
            self._copy(0, start)
            self._ring.close()
            self._ring_path.unlink()
        self._head.close()

    def _copy(self, start: int, count: int) -> None:
        assert self._ring is not None  # noqa: S101  (the only caller made sure)
        self._ring.seek(start)
        while count > 0:
            chunk = self._ring.read(min(count, CHUNK_BYTES))
            if not chunk:
                return
            self._head.write(chunk)
            count -= len(chunk)


class PodLog:
    """The pod's log, which the cluster keeps: as much of the output as is sensible, then a note."""

    def __init__(self, descriptor: int, max_bytes: int = MAX_POD_LOG_BYTES) -> None:
        self._descriptor = descriptor
        self._left = max_bytes
        self._silent = False

    def write(self, data: bytes) -> None:
        """Take the next bytes; a log nobody takes is no reason to stop."""
        if self._silent:
            return
        part = data[: self._left]
        self._left -= len(part)
        if self._left <= 0:
            part += b"\n[gauntlet: the rest is in output.log]\n"
            self._silent = True
        try:
            while part:
                part = part[os.write(self._descriptor, part) :]
        except OSError:
            self._silent = True


def pump(source: IO[bytes], redactor: Redactor, kept: HeadAndTail, log: PodLog) -> None:
    """Copy until the last writer is gone, without the values of secrets."""
    with contextlib.suppress(OSError, ValueError):
        while True:
            data = os.read(source.fileno(), CHUNK_BYTES)
            masked = redactor.next(data) if data else redactor.rest()
            kept.write(masked)
            log.write(masked)
            if not data:
                return


def tail(path: Path, max_bytes: int = 8_000) -> str:
    """The last of a file, as text that any JSON takes."""
    try:
        with path.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, size - max_bytes))
            text = opened.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "".join(char if char in "\n\t" or char >= " " else "\N{REPLACEMENT CHARACTER}" for char in text).strip()
