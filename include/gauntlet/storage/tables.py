"""Gauntlet's tables, named as in the mission (sequence-and-er-diagrams.md 2.1) wherever it has a name for them.

What deviates and why: docs/decisions/003-storage.md. A change here needs a migration; a test compares the two.
Columns only: reading and writing is the repositories'.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from gauntlet.runs.states import VERDICTS, CaseStatus, ShardStatus, State
from gauntlet.testing.results.model import ARTIFACT_TYPES

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_NOW = text("now()")
_EMPTY_OBJECT = text("'{}'::jsonb")


def one_of(column: str, values: list[str]) -> str:
    """SQL that holds a column to a list of words."""
    words = ", ".join(f"'{value}'" for value in values)
    return f"{column} IN ({words})"


#: ``status`` from ``verdict`` and ``state``: the same answer as ``gauntlet.runs.states.status_of``, in SQL.
STATUS_EXPRESSION = (
    "coalesce(verdict, CASE WHEN state IN ('submitted', 'validating', 'queued') THEN 'queued' ELSE 'running' END)"
)

test_definitions = Table(
    "test_definitions",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False, server_default=""),
    Column("content_hash", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("source", Text, nullable=False, server_default=""),
    Column("owner", Text, nullable=False, server_default=""),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("deleted", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("kind", "name"),
)

test_executions = Table(
    "test_executions",
    metadata,
    Column("execution_id", Uuid, primary_key=True),
    Column("public_id", Text, nullable=False),
    Column("definition_id", Uuid, ForeignKey("test_definitions.id", ondelete="SET NULL")),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("dag_id", Text),
    Column("run_id", Text),
    Column("state", Text, nullable=False),
    Column("verdict", Text),
    Column("status", Text, Computed(STATUS_EXPRESSION, persisted=True), nullable=False),
    Column("priority", SmallInteger, nullable=False, server_default=text("5")),
    Column("submitted_by", Text, nullable=False, server_default=""),
    Column("submitted_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("started_at", DateTime(timezone=True)),
    Column("completed_at", DateTime(timezone=True)),
    Column("released_at", DateTime(timezone=True)),
    Column("retry_count", Integer, nullable=False, server_default=text("0")),
    Column("failure_cause", Text, nullable=False, server_default=""),
    Column("failure_reason", Text, nullable=False, server_default=""),
    Column("exit_code", SmallInteger),
    Column("definition", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    Column("metrics", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    Column("results_digest", Text, nullable=False, server_default=""),
    UniqueConstraint("public_id"),
    UniqueConstraint("dag_id", "run_id"),
    CheckConstraint(one_of("state", [state.value for state in State]), name="state"),
    CheckConstraint(one_of("verdict", sorted(state.value for state in VERDICTS)), name="verdict"),
    CheckConstraint("(dag_id IS NULL) = (run_id IS NULL)", name="dag_run"),
    Index("ix_test_executions_kind_name_submitted_at", "kind", "name", "submitted_at"),
    Index("ix_test_executions_status_submitted_at", "status", "submitted_at"),
    Index("ix_test_executions_submitted_at", "submitted_at"),
    Index("ix_test_executions_completed_at", "completed_at"),
    Index("ix_test_executions_definition_id", "definition_id"),
)

execution_transitions = Table(
    "execution_transitions",
    metadata,
    Column("transition_id", BigInteger, Identity(always=True), primary_key=True),
    Column("execution_id", ForeignKey("test_executions.execution_id", ondelete="CASCADE"), nullable=False),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("cause", Text, nullable=False, server_default=""),
    Column("occurred_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Index("ix_execution_transitions_execution_id", "execution_id", "transition_id"),
)

test_shards = Table(
    "test_shards",
    metadata,
    Column("execution_id", ForeignKey("test_executions.execution_id", ondelete="CASCADE"), nullable=False),
    Column("shard", Integer, nullable=False),
    Column("status", Text, nullable=False, server_default="pending"),
    Column("cause", Text, nullable=False, server_default=""),
    Column("message", Text, nullable=False, server_default=""),
    Column("planned", Integer, nullable=False, server_default=text("0")),
    Column("counts", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    PrimaryKeyConstraint("execution_id", "shard"),
    CheckConstraint(one_of("status", [status.value for status in ShardStatus]), name="status"),
)

# Shard -1 is the inventory: its pods live and die like a shard's.
test_attempts = Table(
    "test_attempts",
    metadata,
    Column("execution_id", Uuid, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("pod_name", Text, nullable=False, server_default=""),
    Column("node_name", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False, server_default="started"),
    Column("cause", Text, nullable=False, server_default=""),
    Column("message", Text, nullable=False, server_default=""),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("counts", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    Column("phases", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    Column("cpu_seconds", Double),
    Column("max_memory_bytes", BigInteger),
    PrimaryKeyConstraint("execution_id", "shard", "attempt"),
    ForeignKeyConstraint(
        ["execution_id", "shard"], ["test_shards.execution_id", "test_shards.shard"], ondelete="CASCADE"
    ),
)

# No unique constraint beside the key and no foreign key to this table: so it can become a table partitioned
# by month of ``executed_at`` without any other change.
test_results = Table(
    "test_results",
    metadata,
    Column("result_id", BigInteger, Identity(always=True), primary_key=True),
    Column("execution_id", ForeignKey("test_executions.execution_id", ondelete="CASCADE"), nullable=False),
    Column("shard", Integer),
    Column("case_hash", Uuid, nullable=False),
    Column("case_id", Text, nullable=False),
    Column("occurrence", Integer, nullable=False),
    Column("suite", Text, nullable=False),
    Column("test_name", Text, nullable=False),
    Column("classname", Text, nullable=False),
    Column("file_path", Text, nullable=False),
    Column("line_number", Integer),
    Column("status", Text, nullable=False),
    Column("flaky", Boolean, nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("duration_ms", Double, nullable=False),
    Column("error_message", Text),
    Column("stack_trace", Text),
    Column("stdout", Text),
    Column("stderr", Text),
    Column("properties", JSONB),
    Column("reruns", JSONB),
    Column("executed_at", DateTime(timezone=True), nullable=False),
    CheckConstraint(one_of("status", [status.value for status in CaseStatus]), name="status"),
    Index("ix_test_results_execution_id", "execution_id", "case_hash"),
    Index("ix_test_results_case_hash_executed_at", "case_hash", "executed_at"),
)

test_artifacts = Table(
    "test_artifacts",
    metadata,
    Column("artifact_id", Uuid, primary_key=True),
    Column("execution_id", ForeignKey("test_executions.execution_id", ondelete="CASCADE"), nullable=False),
    Column("shard", Integer),
    Column("attempt", Integer),
    Column("artifact_type", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("s3_path", Text, nullable=False),
    Column("file_size_bytes", BigInteger, nullable=False),
    Column("content_type", Text, nullable=False, server_default=""),
    Column("checksum", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("expires_at", DateTime(timezone=True)),
    UniqueConstraint("execution_id", "s3_path"),
    CheckConstraint(one_of("artifact_type", list(ARTIFACT_TYPES)), name="artifact_type"),
    CheckConstraint("file_size_bytes >= 0", name="file_size_bytes"),
    Index("ix_test_artifacts_expires_at", "expires_at"),
)
