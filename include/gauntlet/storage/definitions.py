"""Definitions as rows: what stands in files, mirrored by content hash, and later what was made through the API.

Functions over a connection; the caller owns the transaction. A run reads its own snapshot, never these rows.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from gauntlet.storage.tables import test_definitions


@dataclass(frozen=True, slots=True)
class Definition:
    """One row of ``test_definitions``; ``version`` counts the changes of its content."""

    id: uuid.UUID
    kind: str
    name: str
    type: str
    content_hash: str
    body: Mapping[str, Any]
    source: str
    owner: str
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime
    deleted: bool


_COLUMNS = list(test_definitions.c)


def content_hash(body: Mapping[str, Any]) -> str:
    """Identifies a definition by what it says, whatever the order of its fields."""
    canonical = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode(errors="replace")).hexdigest()


def mirror(
    connection: Connection,
    *,
    kind: str,
    name: str,
    body: Mapping[str, Any],
    type: str = "",  # noqa: A002 - the mission's name for it
    source: str = "",
    owner: str = "",
) -> Definition:
    """Bring the row of a definition up to date; the same content again changes nothing.

    :param body: the definition as plain JSON values.
    :param source: the file it stands in, relative to the root of definitions; empty for the API.
    """
    digest = content_hash(body)
    statement = insert(test_definitions).values(
        kind=kind, name=name, type=type, content_hash=digest, body=dict(body), source=source, owner=owner
    )
    table = test_definitions.c
    new = statement.excluded
    different = (table.content_hash != new.content_hash) | table.deleted | (table.source != new.source)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["kind", "name"],
            set_={
                "type": new.type,
                "content_hash": new.content_hash,
                "body": new.body,
                "source": new.source,
                "owner": new.owner,
                "version": table.version + 1,
                "updated_at": func.now(),
                "deleted": False,
            },
            where=different,
        )
    )
    found = get(connection, kind, name)
    assert found is not None  # noqa: S101 - it was just written in this transaction
    return found


def get(connection: Connection, kind: str, name: str) -> Definition | None:
    """A definition by kind and name, deleted ones too; None when there never was one."""
    where = (test_definitions.c.kind == kind) & (test_definitions.c.name == name)
    row = connection.execute(select(*_COLUMNS).where(where)).one_or_none()
    return Definition(*row) if row is not None else None


def retire(connection: Connection, kind: str, sources_present: Collection[str]) -> list[str]:
    """Mark mirrored definitions as deleted whose files are gone; those of the API have no file and stay.

    :param sources_present: the files that are there.
    :returns: the names of those that are marked now.
    """
    table = test_definitions.c
    statement = (
        update(test_definitions)
        .where(table.kind == kind, table.source != "", table.source.not_in(list(sources_present)), ~table.deleted)
        .values(deleted=True, updated_at=func.now())
        .returning(table.name)
    )
    return sorted(connection.execute(statement).scalars())
