"""Reads what attempts left in the object store, tolerantly: what cannot be read becomes a warning, not a loss."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gauntlet.agent import contract
from gauntlet.agent.contract import Case, Manifest, Order
from gauntlet.errors import GauntletError
from gauntlet.storage import layout
from gauntlet.storage.attempts import AttemptRow
from gauntlet.storage.objects import BadPathError, clean_path
from gauntlet.testing.lifecycle import memory
from gauntlet.testing.lifecycle.installation import store
from gauntlet.testing.results.agent_files import read_cases, read_manifest
from gauntlet.testing.results.model import Artifact, Attempt

_ATTEMPT = re.compile(r"/shards/(\d+)/attempts/(\d+)/")
_INVENTORY_ATTEMPT = re.compile(r"/inventory/attempts/(\d+)/")


def inventory_manifest(execution: str) -> Manifest | None:
    """The latest manifest of the inventory."""
    numbers = {
        int(match[1])
        for path in store().list(f"{layout.run(execution)}/inventory")
        if (match := _INVENTORY_ATTEMPT.search(path)) and path.endswith(f"/{layout.MANIFEST}")
    }
    if not numbers:
        return None
    raw = store().read(f"{layout.inventory_attempt(execution, max(numbers))}/{layout.MANIFEST}")
    try:
        return read_manifest(raw.decode(errors="replace"))
    except ValueError:
        return None


def packed_content(execution: str, attempt: int) -> str:
    """The checksum of the packed content that an inventory was taken of; empty when none was packed."""
    raw = store().read(layout.inventory_order(execution, attempt))
    order = contract.loads(Order, raw.decode())
    local = order.content.type == "archive" and order.content.sha256 and layout.content(order.content.sha256)
    return order.content.sha256 if local and local in order.content.url else ""


def attempts(execution: str, rows: Mapping[tuple[int, int], AttemptRow]) -> list[Attempt]:
    """All attempts of all shards: those that left files, and those that only the database knows."""
    files: dict[tuple[int, int], list[str]] = {key: [] for key in rows if key[0] >= 0}
    for path in store().list(layout.shards(execution)):
        match = _ATTEMPT.search(path)
        if match:
            files.setdefault((int(match[1]), int(match[2])), []).append(path)
    return [_attempt(key, paths, rows.get(key)) for key, paths in sorted(files.items())]


def artifacts(execution: str, found: list[Attempt]) -> list[Artifact]:
    """The files that complete attempts say they left."""
    return [
        Artifact(
            type=file.type,
            name=file.path.rsplit("/", 1)[-1],
            path=f"{layout.shard_attempt(execution, attempt.shard, attempt.number)}/{file.path}",
            bytes=file.bytes,
            content_type=file.content_type,
            sha256=file.sha256,
            shard=attempt.shard,
            attempt=attempt.number,
        )
        for attempt in found
        if attempt.manifest is not None
        for file in attempt.manifest.files
        if _is_clean(file.path)
    ]


def _attempt(key: tuple[int, int], paths: list[str], row: AttemptRow | None) -> Attempt:
    warnings: list[str] = []
    manifest: Manifest | None = None
    cases: list[Case] = []
    for path in sorted(paths, key=_part_number):
        if path.endswith(f"/{layout.MANIFEST}"):
            manifest = _manifest(path, warnings)
        elif f"/{contract.CASES_FOLDER}/" in path and path.endswith(".jsonl"):
            cases.extend(_cases(path, warnings))
    death = row.death if row else None
    if death and memory.overruled(manifest, death.cause):
        manifest = None
    return Attempt(
        shard=key[0],
        number=key[1],
        manifest=manifest,
        cases=tuple(cases),
        death=death,
        pod=row.pod if row else "",
        node=row.node if row else "",
        started_at=row.started_at.timestamp() if row and row.started_at else 0.0,
        finished_at=row.finished_at.timestamp() if row and row.finished_at else 0.0,
        warnings=tuple(warnings),
    )


def _is_clean(path: str) -> bool:
    """Whether a path that an attempt named stays below its prefix."""
    try:
        return clean_path(path) == path
    except BadPathError:
        return False


def _part_number(path: str) -> tuple[int, str]:
    stem = path.rsplit("/", 1)[-1].split(".", maxsplit=1)[0]
    return (int(stem) if stem.isdigit() else 0, path)


def _manifest(path: str, warnings: list[str]) -> Manifest | None:
    try:
        manifest = read_manifest(store().read(path).decode(errors="replace"))
    except (ValueError, GauntletError) as error:
        warnings.append(f"its manifest cannot be read: {error}")
        return None
    warnings.extend(manifest.warnings)
    return manifest


def _cases(path: str, warnings: list[str]) -> list[Case]:
    try:
        text = store().read(path).decode(errors="replace")
    except GauntletError as error:
        warnings.append(f"some of its cases cannot be read: {error}")
        return []
    cases, complaints = read_cases(text, where=path.rsplit("/", 1)[-1])
    warnings.extend(complaints)
    return cases
