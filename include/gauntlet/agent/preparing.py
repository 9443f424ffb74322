"""The init container: fetch the content, build the environment, leave a note for the main container.

Whatever goes wrong here is the run's result, not the pod's failure: the manifest says why, the note says that nothing
is left to do, and the exit code is 0.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from gauntlet.agent import childenv
from gauntlet.agent.contract import CANCELLED, COULD_NOT_RUN, Content, Order
from gauntlet.agent.environments import Built, Environments, Wanted
from gauntlet.agent.failures import Cancelled, Refusal
from gauntlet.agent.fetching import CHUNK_BYTES, fetch_archive
from gauntlet.agent.installers import Pip, Uv, find_uv
from gauntlet.agent.reporting import Attempt, Beat, say
from gauntlet.agent.unpacking import only_folder, unpack, wheel_name
from gauntlet.agent.workplace import Prepared, Workplace

SHA256_DIGITS = 64


def prepare(order: Order, workplace: Workplace, attempt: Attempt, environ: Mapping[str, str]) -> None:
    """Do all that comes before the tests.

    :raises UploadError: when preparation failed and not even that could be reported.
    """
    for folder in (workplace.run, workplace.results, workplace.home, workplace.scratch, workplace.private):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with Beat(order.heartbeat_seconds, lambda: attempt.beat("preparing")):
            note = _prepared(order, workplace, attempt, environ)
    except Refusal as refusal:
        attempt.close(COULD_NOT_RUN, cause=refusal.cause, message=refusal.message, details=refusal.details)
        note = Prepared(refused=True)
    except Cancelled:
        attempt.close(CANCELLED, cause="Cancelled", message="the pod was stopped while it was being prepared")
        note = Prepared(refused=True)
    except OSError as error:
        message = f"the work folder cannot be used: {error}"
        attempt.close(COULD_NOT_RUN, cause="PreparationFailed", message=message)
        note = Prepared(refused=True)
    note.write(workplace.prepared)


def _prepared(order: Order, workplace: Workplace, attempt: Attempt, environ: Mapping[str, str]) -> Prepared:
    begun = time.monotonic()
    content = Fetched()
    if order.content.type == "archive":
        content = fetch_content(order.content, workplace)
    elif order.content.type not in ("package", "none"):
        raise Refusal("OrderInvalid", f"content.type is {order.content.type!r}; it must be package, archive or none")
    fetched = time.monotonic()
    attempt.phases["fetch"] = fetched - begun
    built = build(order, content, workplace, environ)
    attempt.phases["environment"] = time.monotonic() - fetched
    say(f"environment {built.folder.name[:12]} {'reused' if built.reused else 'built'}")
    return Prepared(
        python=built.python,
        site_packages=built.site_packages,
        content=str(content.folder) if content.folder else "",
        environment_lock=built.lock_sha256,
        started_at=attempt.started_at,
        phases=attempt.phases,
        warnings=attempt.warnings,
    )


class Fetched:
    """The content as it lies in the pod.

    :param folder: the unpacked tree, if it is one.
    :param distribution: the archive to install, if it is one.
    """

    def __init__(self, folder: Path | None = None, distribution: Path | None = None, sha256: str = "") -> None:
        self.folder = folder
        self.distribution = distribution
        self.sha256 = sha256


def fetch_content(content: Content, workplace: Workplace) -> Fetched:
    """Fetch an archive; unpack it unless it is a wheel.

    An archive of a repository or an sdist has everything in one folder at its top, which is then the content. What
    the control plane packed is named by its checksum and is taken as it is.

    :raises Refusal: one of the ``Content…`` causes or ChecksumMismatch.
    """
    archive = fetch_archive(content.url, content.sha256, content.max_bytes, workplace)
    wheel = wheel_name(archive) if content.install else None
    if wheel is not None:
        return Fetched(distribution=_named(archive, wheel, workplace), sha256=_sha256(archive))
    if workplace.content.exists():
        shutil.rmtree(workplace.content)
    try:
        unpack(archive, workplace.content, content.max_bytes)
    except BaseException:
        shutil.rmtree(workplace.content, ignore_errors=True)
        raise
    stem = archive.name.partition(".")[0]
    packed_by_us = len(stem) == SHA256_DIGITS and all(char in "0123456789abcdef" for char in stem)
    top = None if packed_by_us else only_folder(workplace.content)
    folder = top or workplace.content
    if not content.install:
        return Fetched(folder=folder)
    return Fetched(folder=folder, distribution=folder, sha256=_sha256(archive))


def _named(archive: Path, name: str, workplace: Workplace) -> Path:
    """The wheel under the name installers insist on."""
    if archive.name == name:
        return archive
    named = workplace.private / "download" / name
    named.parent.mkdir(parents=True, exist_ok=True)
    if not named.exists():
        named.symlink_to(archive)
    return named


def _sha256(path: Path) -> str:
    hashed = hashlib.sha256()
    with path.open("rb") as opened:
        for chunk in iter(lambda: opened.read(CHUNK_BYTES), b""):
            hashed.update(chunk)
    return hashed.hexdigest()


def build(order: Order, content: Fetched, workplace: Workplace, environ: Mapping[str, str]) -> Built:
    """The environment an order asks for.

    :raises Refusal: EnvironmentFailed.
    """
    cache = workplace.cache or _mounted(order.environment.cache_folder) or workplace.private / "cache"
    env = childenv.for_installer(environ, workplace.home, workplace.scratch)
    # Hard links into the environment need uv's cache on the same file system.
    env.setdefault("UV_CACHE_DIR", str(cache / "uv"))
    uv = find_uv(environ)
    installer: Uv | Pip = Uv(uv, env) if uv else Pip(env)
    lines: list[str] = [line.strip() for line in order.environment.requirements if line.strip()]
    if order.content.type == "package":
        if not order.content.requirement.strip():
            raise Refusal("OrderInvalid", "content.type is package, but content.requirement is empty")
        lines.append(order.content.requirement.strip())
    folder = content.folder or workplace.content
    wanted = Wanted(
        lines=lines,
        files=[folder / name for name in order.environment.requirements_files],
        content=workplace.content,
        distribution=str(content.distribution) if content.distribution else "",
        distribution_sha256=content.sha256,
        python=order.environment.python,
    )
    try:
        environments = Environments(cache, installer, workplace.private / "build")
        return environments.provide(wanted, order.environment.resolution_ttl_seconds)
    except OSError as error:
        raise Refusal("EnvironmentFailed", f"the environment cannot be written below {cache}: {error}") from None


def _mounted(folder: str) -> Path | None:
    path = Path(folder) if folder else None
    return path if path is not None and path.is_dir() else None
