"""The suite's own environment: resolved to a lock, built once per lock, shared by every pod that sees the cache.

Layout of the cache: ``resolutions/<key>.txt`` (a lock, fresh for as long as the order allows),
``environments/<sha256>/`` (a virtual environment with ``lock.txt`` and ``last-used``), ``locks/``. An environment is
built beside its place and renamed, so whatever is at its place is complete. Housekeeping may remove environments
whose ``last-used`` is old; nothing here does.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gauntlet.agent.failures import Refusal
from gauntlet.agent.installers import Pip, Uv, own_platform

LAST_USED = "last-used"
LOCK_TEXT = "lock.txt"
DISTRIBUTION = "<distribution>"

_INCLUDE = re.compile(r"\s*(?:-r|-c|--requirement|--constraint)[\s=]+(\S+)")
_NOT_SHARED = re.compile(r"^\s*(-e\b|--editable\b|\.|/|.*\bfile:)", re.MULTILINE)


@dataclass(frozen=True)
class Wanted:
    """What has to be installed.

    :param lines: requirement lines.
    :param files: requirements files inside the unpacked content.
    :param content: its folder; no requirements file may lead out of it.
    :param distribution: a wheel or sdist to install; its name holds no secret.
    :param distribution_sha256: stands for the distribution in keys, so that they do not depend on paths.
    :param python: the version wanted, or empty.
    """

    lines: list[str]
    files: list[Path]
    content: Path
    distribution: str = ""
    distribution_sha256: str = ""
    python: str = ""


@dataclass(frozen=True)
class Built:
    """An environment that is there.

    :param lock_sha256: of the lock.
    :param reused: it was there already.
    """

    folder: Path
    python: str
    site_packages: str
    lock_sha256: str
    reused: bool


def text_of_files(files: list[Path], content: Path) -> str:
    """The text of requirements files with all they include, to tell one resolution from another.

    :raises Refusal: EnvironmentFailed when a file is missing or leads out of the content.
    """
    root = Path(os.path.realpath(content))
    seen: set[Path] = set()
    texts: list[str] = []
    queue = list(files)
    while queue:
        path = Path(os.path.realpath(queue.pop(0)))
        if path in seen:
            continue
        seen.add(path)
        if root not in path.parents:
            raise Refusal("EnvironmentFailed", f"the requirements file {path.name} is outside the content")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            where = path.relative_to(root)
            raise Refusal("EnvironmentFailed", f"the requirements file {where} cannot be read: {error}") from None
        texts.append(text)
        included = (_INCLUDE.match(line) for line in text.splitlines())
        queue.extend(path.parent / match.group(1) for match in included if match and "://" not in match.group(1))
    return "\n".join(texts)


def neutralised(lock: str, distribution: str) -> str:
    """The lock with a word in the place of the distribution's path, which may differ from pod to pod."""
    return lock.replace(distribution, DISTRIBUTION) if distribution else lock


def is_shareable(neutral: str) -> bool:
    """Whether other pods may use an environment of this lock: not when it points into this pod's folders."""
    lines = (line for line in neutral.splitlines() if DISTRIBUTION not in line)
    return not any(_NOT_SHARED.match(line) for line in lines)


def digest(*parts: str) -> str:
    """A key of texts, in which the border between two of them counts."""
    hashed = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        hashed.update(b"%d:" % len(data) + data)
    return hashed.hexdigest()


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel lets go of when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield


class Environments:
    """Environments in one cache folder."""

    def __init__(self, root: Path, installer: Uv | Pip, scratch: Path) -> None:
        self._root = root
        self._installer = installer
        self._scratch = scratch

    def provide(self, wanted: Wanted, ttl_seconds: float) -> Built:
        """The environment for what is wanted, built when it is not there yet.

        :param ttl_seconds: how old a resolution of the same requirements may be.
        :raises Refusal: EnvironmentFailed.
        """
        self._scratch.mkdir(parents=True, exist_ok=True)
        python = self._installer.python(wanted.python)
        where = f"{own_platform()} {python} {self._installer.name}"
        lock = self._lock(wanted, python, where, ttl_seconds)
        neutral = neutralised(lock, wanted.distribution)
        root = self._root if is_shareable(neutral) else self._scratch
        folder = root / "environments" / digest(neutral, wanted.distribution_sha256, where)
        reused = _is_complete(folder)
        if not reused:
            with only_one(self._root / "locks" / f"{folder.name}.lock"):
                reused = _is_complete(folder)
                if not reused:
                    self._build(python, lock, folder)
        with contextlib.suppress(OSError):
            (folder / LAST_USED).touch()
        return Built(
            folder=folder,
            python=str(folder / "bin" / "python"),
            site_packages=str(next((folder / "lib").glob("python3*/site-packages"))),
            lock_sha256=digest(neutral, wanted.distribution_sha256),
            reused=reused,
        )

    def _lock(self, wanted: Wanted, python: str, where: str, ttl_seconds: float) -> str:
        lines = [*wanted.lines, *([wanted.distribution_sha256] if wanted.distribution else [])]
        key = digest("\n".join(lines), text_of_files(wanted.files, wanted.content), where)
        if not wanted.lines and not wanted.files and not wanted.distribution:
            return ""
        kept = self._root / "resolutions" / f"{key}.txt"
        if _is_fresh(kept, ttl_seconds):
            return kept.read_text(encoding="utf-8").replace(DISTRIBUTION, wanted.distribution)
        with only_one(self._root / "locks" / f"{key}.lock"):
            if _is_fresh(kept, ttl_seconds):
                return kept.read_text(encoding="utf-8").replace(DISTRIBUTION, wanted.distribution)
            lock = self._installer.resolve(python, self._requirements(wanted), self._scratch)
            neutral = neutralised(lock, wanted.distribution)
            if is_shareable(neutral):
                kept.parent.mkdir(parents=True, exist_ok=True)
                scratch = kept.with_name(f".{kept.name}.{os.getpid()}")
                scratch.write_text(neutral, encoding="utf-8")
                scratch.replace(kept)
            return lock

    def _requirements(self, wanted: Wanted) -> Path:
        path = self._scratch / "requirements.in"
        lines = [*wanted.lines, *(f"-r {file}" for file in wanted.files)]
        if wanted.distribution:
            lines.append(wanted.distribution)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def _build(self, python: str, lock: str, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in [folder, *folder.parent.glob(f"{folder.name}.building-*")]:
            shutil.rmtree(left, ignore_errors=True)
        building = folder.with_name(f"{folder.name}.building-{os.getpid()}-{time.time_ns()}")
        text = self._scratch / LOCK_TEXT
        text.write_text(lock, encoding="utf-8")
        try:
            self._installer.build(python, text, building, folder)
            shutil.copyfile(text, building / LOCK_TEXT)
            building.rename(folder)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise


def _is_complete(folder: Path) -> bool:
    """An environment whose interpreter went away with the image it came from is no environment."""
    return (folder / LOCK_TEXT).is_file() and (folder / "bin" / "python").exists()


def _is_fresh(path: Path, ttl_seconds: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime < ttl_seconds
    except OSError:
        return False
