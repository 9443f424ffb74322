"""Packs a folder or an inline script into an archive that is the same whenever its content is the same.

The archive is addressed by its checksum, so equal content is stored once and inventories of it can be reused.
"""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gauntlet.errors import GauntletError
from gauntlet.testing.content import FolderContent, InlineContent

MAX_BYTES = 500_000_000
ALWAYS_EXCLUDED = (".git", "__pycache__", ".venv", "node_modules", ".gauntlet", ".pytest_cache", ".mypy_cache")
_SCRIPT_NAMES = {"python": "test_inline.py", "javascript": "inline.test.js", "shell": "inline.sh"}


@dataclass(frozen=True)
class Packed:
    """A packed content: the bytes of a ``tar.gz`` and their SHA-256."""

    data: bytes
    sha256: str


def pack(content: FolderContent | InlineContent, *, base: Path) -> Packed:
    """Pack what the definition points at.

    :param base: the folder that a relative ``folder`` starts from.
    :raises GauntletError: when the folder is missing, empty or larger than 500 MB.
    """
    if isinstance(content, InlineContent):
        name = _SCRIPT_NAMES.get(content.language, f"inline.{content.language}")
        return _archive([(name, content.script.encode(), 0o644)])
    folder = (base / content.folder).resolve()
    if not folder.is_dir():
        raise GauntletError(
            "there is no such folder", where=f"content.folder {folder}", todo="Name one relative to the definition"
        )
    files = list(_files(folder, content.exclude))
    if not files:
        raise GauntletError("the folder holds no file to send", where=f"content.folder {folder}")
    return _archive(files)


def _files(folder: Path, exclude: Sequence[str]) -> Iterable[tuple[str, bytes, int]]:
    total = 0
    for root, folders, names in os.walk(folder):
        here = Path(root).relative_to(folder)
        folders[:] = sorted(name for name in folders if not _excluded(here / name, exclude))
        for name in sorted(names):
            path = Path(root) / name
            if _excluded(here / name, exclude) or path.is_symlink() or not path.is_file():
                continue
            data = path.read_bytes()
            total += len(data)
            if total > MAX_BYTES:
                raise GauntletError(
                    f"the folder holds more than {MAX_BYTES // 1_000_000} MB",
                    where=f"content.folder {folder}",
                    todo="Leave files out with content.exclude",
                )
            yield (here / name).as_posix(), data, 0o755 if os.access(path, os.X_OK) else 0o644


def _excluded(path: Path, patterns: Sequence[str]) -> bool:
    return path.name in ALWAYS_EXCLUDED or any(
        fnmatch.fnmatch(path.as_posix(), pattern) or fnmatch.fnmatch(path.name, pattern) for pattern in patterns
    )


def _archive(files: Iterable[tuple[str, bytes, int]]) -> Packed:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data, mode in files:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), mode, 0
            archive.addfile(info, io.BytesIO(data))
    packed = gzip.compress(plain.getvalue(), compresslevel=6, mtime=0)
    return Packed(packed, hashlib.sha256(packed).hexdigest())
