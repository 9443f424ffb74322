"""Artifacts as rows: which files a run left, where they are, and until when.

Functions over a connection; the caller owns the transaction. The bytes are in the object store.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from gauntlet.storage.tables import test_artifacts
from gauntlet.testing.results.model import ARTIFACT_TYPES, Artifact

_OTHER = "other"
_BATCH = 1000


def store(
    connection: Connection,
    execution_id: uuid.UUID,
    artifacts: Sequence[Artifact],
    *,
    expires_at: dt.datetime | None = None,
) -> None:
    """Store artifacts; one that is there already under its path is brought up to date.

    :param artifacts: of a type outside :data:`ARTIFACT_TYPES` become ``other``.
    :param expires_at: when they may be removed; None for never.
    """
    rows = {artifact.path: _row(execution_id, artifact, expires_at) for artifact in artifacts}
    statement = insert(test_artifacts)
    changed = {
        name: statement.excluded[name]
        for name in ("artifact_type", "file_size_bytes", "content_type", "checksum", "expires_at")
    }
    statement = statement.on_conflict_do_update(index_elements=["execution_id", "s3_path"], set_=changed)
    values = list(rows.values())
    for start in range(0, len(values), _BATCH):
        connection.execute(statement, values[start : start + _BATCH])


def of_execution(connection: Connection, execution_id: uuid.UUID) -> list[Artifact]:
    """The artifacts of an execution, by path."""
    table = test_artifacts.c
    statement = (
        select(
            table.artifact_type,
            table.file_name,
            table.s3_path,
            table.file_size_bytes,
            table.content_type,
            table.checksum,
            table.shard,
            table.attempt,
        )
        .where(table.execution_id == execution_id)
        .order_by(table.s3_path)
    )
    return [Artifact(*row) for row in connection.execute(statement)]


def _row(execution_id: uuid.UUID, artifact: Artifact, expires_at: dt.datetime | None) -> dict[str, object]:
    return {
        "artifact_id": uuid.uuid5(execution_id, artifact.path),
        "execution_id": execution_id,
        "shard": artifact.shard,
        "attempt": artifact.attempt,
        "artifact_type": artifact.type if artifact.type in ARTIFACT_TYPES else _OTHER,
        "file_name": artifact.name,
        "s3_path": artifact.path,
        "file_size_bytes": artifact.bytes,
        "content_type": artifact.content_type,
        "checksum": artifact.sha256,
        "expires_at": expires_at,
    }
