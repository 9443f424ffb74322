"""Which of the files a tool left are worth keeping, and what they are.

Finds and describes; uploading is :mod:`gauntlet.agent.uploading`'s. A tool's folders are its own: links are followed
only as far as they stay inside, names may be anything, and there may be a million of them.
"""

from __future__ import annotations

import hashlib
import mimetypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gauntlet.agent.contract import StoredFile

MAX_FILES = 2_000
MAX_BYTES = 2_000_000_000
CHUNK_BYTES = 1 << 20

_TYPES: dict[str, str] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"), "screenshot"),
    **dict.fromkeys((".webm", ".mp4", ".avi", ".mkv"), "video"),
    **dict.fromkeys((".log", ".txt", ".out", ".err"), "log"),
    **dict.fromkeys((".har", ".trace"), "trace"),
}


class Found(NamedTuple):
    """A file to keep.

    :param name: its path relative to the attempt's prefix.
    :param type: report, artifact, screenshot, video, log or trace.
    """

    file: Path
    name: str
    type: str


def content_type_of(name: str) -> str:
    """A media type by file name."""
    if name.endswith(".jsonl"):
        return "application/x-ndjson"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def described(file: Path, name: str, kind: str) -> StoredFile:
    """Size and checksum of a file as it is stored."""
    hashed = hashlib.sha256()
    size = 0
    with file.open("rb") as opened:
        while True:
            chunk = opened.read(CHUNK_BYTES)
            if not chunk:
                break
            size += len(chunk)
            hashed.update(chunk)
    return StoredFile(name, size, hashed.hexdigest(), kind, content_type_of(name))


def described_bytes(data: bytes, name: str, kind: str) -> StoredFile:
    """Size and checksum of an object that was never a file."""
    return StoredFile(name, len(data), hashlib.sha256(data).hexdigest(), kind, content_type_of(name))


def store_name(relative: str) -> str:
    """A path that any store, URL and terminal takes."""
    data = relative.encode("utf-8", "replace").decode("utf-8", "replace")
    return "".join(char if char.isprintable() and char not in '\\"<>|?*:' else "_" for char in data)


def _matches(root: Path, pattern: str) -> Iterator[Path]:
    """Files below a folder that match a glob and really lie there."""
    if not root.is_dir() or pattern.startswith("/") or ".." in pattern.split("/") or not pattern.strip():
        return
    real_root = Path(os.path.realpath(root))
    for path in sorted(root.glob(pattern)):
        real = Path(os.path.realpath(path))
        if path.is_file() and real_root in real.parents:
            yield path


def reports(results: Path, wanted: Sequence[dict[str, str]]) -> tuple[list[Found], list[str]]:
    """The reports an order names (paths or globs below the results), and what is wrong with them."""
    found: dict[str, Found] = {}
    warnings: list[str] = []
    for report in wanted:
        pattern = report.get("path", "")
        matches = list(_matches(results, pattern))
        if not matches:
            warnings.append(f"the tool left no report {pattern!r}")
        for path in matches:
            name = "reports/" + store_name(path.relative_to(results).as_posix())
            found.setdefault(name, Found(path, name, "report"))
    return list(found.values()), warnings


def artifacts(
    roots: Sequence[Path],
    patterns: Sequence[str],
    besides: Sequence[Found],
    max_files: int = MAX_FILES,
    max_bytes: int = MAX_BYTES,
) -> tuple[list[Found], list[str]]:
    """The files worth keeping below some folders, within limits, and what was left out.

    :param besides: what is kept already.
    """
    known = {found.file for found in besides}
    found: list[Found] = []
    names = set()
    left_out = 0
    total = 0
    for root, path in _candidates(roots, patterns):
        if path in known:
            continue
        known.add(path)
        size = path.stat().st_size
        if len(found) >= max_files or total + size > max_bytes:
            left_out += 1
            continue
        total += size
        name = "artifacts/" + store_name(path.relative_to(root).as_posix())
        while name in names:
            name = f"{name}_"
        names.add(name)
        found.append(Found(path, name, _TYPES.get(path.suffix.lower(), "artifact")))
    warnings = [f"{left_out} artifacts were left out: the limit is {max_files} files and {max_bytes} bytes"]
    return found, warnings if left_out else []


def _candidates(roots: Sequence[Path], patterns: Sequence[str]) -> Iterator[tuple[Path, Path]]:
    for root in roots:
        for pattern in patterns:
            for path in _matches(root, pattern):
                yield root, path
