"""Reads container logs back: the part a client asked for, followed while the container lives.

Format: the Container Runtime Interface's log lines, as ``shim`` writes them; one rotated file precedes the current.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from gauntlet.local.devcluster.api.streams import LogOptions

FOLLOW_SECONDS = 0.05
PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Line:
    """One record: when, whether the line goes on in the next record, the text without its newline."""

    time: bytes
    partial: bool
    text: bytes


def parse(record: bytes) -> Line | None:
    """Take a record apart; None for what is none."""
    parts = record.rstrip(b"\n").split(b" ", 3)
    if len(parts) != 4:
        return None
    return Line(parts[0], parts[2] == b"P", parts[3])


def rendered(line: Line, *, timestamps: bool) -> bytes:
    """Write a line for a client."""
    stamp = line.time + b" " if timestamps else b""
    return stamp + line.text + (b"" if line.partial else b"\n")


def since(options: LogOptions, now: datetime) -> bytes:
    """Return the first moment wanted, comparable with a record's time as text; empty for all."""
    if options.since_seconds is not None:
        moment = now - timedelta(seconds=options.since_seconds)
    elif options.since_time:
        moment = datetime.fromisoformat(options.since_time.replace("Z", "+00:00")).astimezone(UTC)
    else:
        return b""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f").encode()


def tail(lines: Iterator[Line], count: int | None) -> Iterator[Line]:
    """Keep the last `count` lines; None keeps all."""
    return lines if count is None else iter(deque(lines, maxlen=count))


def limited(pieces: Iterator[bytes], limit_bytes: int | None) -> Iterator[bytes]:
    """Cut a stream of pieces after `limit_bytes`."""
    left = limit_bytes
    for piece in pieces:
        if left is None:
            yield piece
            continue
        if left > 0:
            yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return


async def read(path: Path, options: LogOptions, lives: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield the wanted part of a log, then what is added to it as long as `lives()`."""
    start = since(options, datetime.now(UTC))
    files = [file for file in (path.with_name(path.name + ".1"), path) if file.exists()]
    with _Reader(path) as current:
        older = [line for file in files[:-1] for line in _lines(file.read_bytes().splitlines(keepends=True))]
        known = iter([*older, *_lines(current.records())])
        wanted = tail((line for line in known if line.time >= start), options.tail_lines)
        text = (rendered(line, timestamps=options.timestamps) for line in wanted)
        left = options.limit_bytes
        for piece in _joined(limited(text, left)):
            left = None if left is None else left - len(piece)
            yield piece
        while options.follow and (left is None or left > 0):
            alive = lives()
            fresh = [rendered(x, timestamps=options.timestamps) for x in _lines(current.records()) if x.time >= start]
            for piece in _joined(limited(iter(fresh), left)):
                left = None if left is None else left - len(piece)
                yield piece
            if not alive and not fresh:
                return
            if not fresh:
                await asyncio.sleep(FOLLOW_SECONDS)


def last_lines(path: Path, count: int, limit_bytes: int) -> str:
    """Return the end of a log, for a termination message."""
    if not path.exists():
        return ""
    lines = deque(_lines(path.read_bytes().splitlines(keepends=True)), maxlen=count)
    return b"".join(rendered(line, timestamps=False) for line in lines)[-limit_bytes:].decode(errors="replace")


def _lines(records: list[bytes]) -> Iterator[Line]:
    for record in records:
        line = parse(record)
        if line is not None:
            yield line


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Gather small pieces, so that a long log is not one write per line."""
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= PIECE_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


class _Reader:
    """Reads whole records as they are appended, also across a rotation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def records(self) -> list[bytes]:
        """Return the records added since the last call."""
        if self._file is None:
            if not self._path.exists():
                return []
            self._file = self._path.open("rb")
        rotated = self._rotated()
        data = self._rest + self._file.read()
        if rotated:
            self._file.close()
            self._file = self._path.open("rb")
            data += self._file.read()
        *records, self._rest = data.split(b"\n")
        return records

    def _rotated(self) -> bool:
        try:
            there = self._path.stat()
        except OSError:
            return False
        assert self._file is not None  # noqa: S101
        return there.st_ino != os.fstat(self._file.fileno()).st_ino
