"""Unpacking a stranger's archive without letting it out of its folder.

Files are written before any link exists, so that no name can lead through one; links come last and every one of them
must then really end inside the tree. Devices are refused, set-uid bits dropped, and sizes counted as they are
written, never as a header claims them.
"""

from __future__ import annotations

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from gauntlet.agent.failures import Refusal

MAX_FILES = 200_000
MAX_HEADER_BYTES = 1 << 20
MAX_LINK_BYTES = 4096
CHUNK_BYTES = 1 << 20


class Entry(NamedTuple):
    """One member of an archive, whatever its format.

    :param kind: ``folder``, ``file``, ``link`` (symbolic), ``hardlink`` or what it is that is refused.
    """

    name: str
    kind: str
    executable: bool
    target: str
    source: IO[bytes] | None


class _CarefulTarInfo(tarfile.TarInfo):
    """Refuses extended headers of absurd size: tarfile reads them into memory as they are."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        header = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
        long_name = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
        if self.type in header + long_name and self.size > MAX_HEADER_BYTES:
            raise Refusal("ContentUnsafe", f"a header of {self.size} bytes; a path has a few hundred")
        return super()._proc_member(tar)  # type: ignore[misc,no-any-return]


def _tar_kind(member: tarfile.TarInfo) -> str:
    for kind, holds in (
        ("folder", member.isdir()),
        ("file", member.isreg()),
        ("link", member.issym()),
        ("hardlink", member.islnk()),
        ("a device", member.isdev()),
    ):
        if holds:
            return kind
    return f"a member of type {member.type!r}"


def _tar_entries(archive: Path) -> Iterator[Entry]:
    with tarfile.open(archive, "r:*", tarinfo=_CarefulTarInfo) as tar:
        for member in tar:
            kind = _tar_kind(member)
            source = tar.extractfile(member) if kind == "file" else None
            yield Entry(member.name, kind, bool(member.mode & 0o100), member.linkname, source)


def _zip_entries(archive: Path) -> Iterator[Entry]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            mode = info.external_attr >> 16
            if info.is_dir():
                yield Entry(info.filename, "folder", False, "", None)
            elif stat.S_ISLNK(mode):
                with opened.open(info) as source:
                    target = source.read(MAX_LINK_BYTES).decode("utf-8", "surrogateescape")
                yield Entry(info.filename, "link", False, target, None)
            elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                yield Entry(info.filename, "a device", False, "", None)
            else:
                with opened.open(info) as source:
                    yield Entry(info.filename, "file", bool(mode & 0o100), "", source)


def safe_name(name: str) -> str:
    """A member's name as a path inside the tree; empty for the tree itself.

    :raises Refusal: ContentUnsafe when it is absolute, climbs, or holds a null byte.
    """
    if name.startswith("/") or "\0" in name or ".." in name.split("/"):
        raise Refusal("ContentUnsafe", f"{name!r} does not stay inside the archive's own folder")
    normal = os.path.normpath(name)
    return "" if normal == "." else normal


class _Tree:
    """The folder being filled, with its limits."""

    def __init__(self, root: Path, max_bytes: int, max_files: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._bytes = 0
        self._count = 0
        self._links: dict[str, str] = {}

    def add(self, entry: Entry) -> None:
        self._count += 1
        if self._count > self._max_files:
            raise Refusal("ContentTooLarge", f"more than {self._max_files} files")
        name = safe_name(entry.name)
        if not name:
            return
        path = self._root / name
        if entry.kind == "folder":
            path.mkdir(parents=True, exist_ok=True)
        elif entry.kind == "file" and entry.source is not None:
            self._write(path, entry.source, entry.executable)
        elif entry.kind == "link":
            self._links[name] = entry.target
        elif entry.kind == "hardlink":
            self._link_hard(path, entry)
        else:
            raise Refusal("ContentUnsafe", f"{entry.name!r} is {entry.kind}; only files, folders and links are taken")

    def _write(self, path: Path, source: IO[bytes], executable: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A hard link to an earlier member must not be written through.
        if path.exists():
            path.unlink()
        with path.open("wb") as out:
            while True:
                chunk = source.read(CHUNK_BYTES)
                if not chunk:
                    break
                self._bytes += len(chunk)
                if self._bytes > self._max_bytes:
                    raise Refusal("ContentTooLarge", f"unpacked it is larger than {self._max_bytes} bytes")
                out.write(chunk)
        path.chmod(0o755 if executable else 0o644)

    def _link_hard(self, path: Path, entry: Entry) -> None:
        target = self._root / safe_name(entry.target)
        if not target.is_file():
            raise Refusal("ContentUnsafe", f"{entry.name!r} links to {entry.target!r}, which is no file in the archive")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.unlink()
        os.link(target, path)

    def link(self) -> None:
        """Make the symbolic links, then see where they really lead."""
        for name, target in self._links.items():
            path = self._root / name
            if self._outside(path.parent):
                raise Refusal("ContentUnsafe", f"{name!r} would be made outside the archive's own folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(path):
                raise Refusal("ContentUnsafe", f"{name!r} is in the archive twice, once as a link")
            path.symlink_to(target)
        for name, target in self._links.items():
            if target.startswith("/") or self._outside(self._root / name):
                raise Refusal("ContentUnsafe", f"{name!r} links to {target!r}, out of the archive's own folder")

    def _outside(self, path: Path) -> bool:
        real = Path(os.path.realpath(path))
        return real != self._root and self._root not in real.parents


def unpack(archive: Path, root: Path, max_bytes: int, max_files: int = MAX_FILES) -> None:
    """Unpack a zip or tar (plain, gz, bz2, xz) into a new folder.

    :param root: the folder to make; it must not exist yet.
    :param max_bytes: limit of all files together.
    :raises Refusal: ContentUnsafe, ContentTooLarge or ContentUnreadable. What was unpacked so far stays in ``root``
        and must not be used.
    """
    root.mkdir(parents=True)
    tree = _Tree(Path(os.path.realpath(root)), max_bytes, max_files)
    try:
        for entry in _zip_entries(archive) if zipfile.is_zipfile(archive) else _tar_entries(archive):
            tree.add(entry)
        tree.link()
    except Refusal as refusal:
        raise Refusal(refusal.cause, f"{archive.name}: {refusal.message}") from None
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise Refusal("ContentUnreadable", f"{archive.name} is no intact zip or tar archive: {error}") from None
    except (OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise Refusal("ContentUnreadable", f"{archive.name} cannot be unpacked: {error}") from None


def only_folder(root: Path) -> Path | None:
    """The single folder at the top of a tree, as sdists and archives of repositories have."""
    entries = list(root.iterdir())
    if len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink():
        return entries[0]
    return None


def wheel_name(archive: Path) -> str | None:
    """The file name a wheel must have, from its own metadata; None when the archive is no wheel.

    An address may end in anything, but installers read name, version and tags from the file name.
    """
    if not zipfile.is_zipfile(archive):
        return None
    with zipfile.ZipFile(archive) as opened:
        found = [name for name in opened.namelist() if name.endswith(".dist-info/WHEEL") and name.count("/") == 1]
        if len(found) != 1 or opened.getinfo(found[0]).file_size > MAX_HEADER_BYTES:
            return None
        text = opened.read(found[0]).decode("utf-8", "replace")
    stem = found[0].partition("/")[0][: -len(".dist-info")]
    return f"{stem}-{_compressed_tags(text)}.whl" if safe_name(stem) == stem else None


def _compressed_tags(text: str) -> str:
    tags = [tuple(line[4:].strip().split("-")) for line in text.splitlines() if line.startswith("Tag:")]
    parts: tuple[dict[str, None], ...] = ({}, {}, {})
    for tag in tags:
        if len(tag) == len(parts):
            for part, value in zip(parts, tag):  # noqa: B905  (strict= is not in Python 3.8)
                part[value] = None
    return "-".join(".".join(part) or "none" for part in parts)
