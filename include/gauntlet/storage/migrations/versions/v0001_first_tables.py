"""The first tables: definitions, executions with their transitions, shards, attempts, results, artifacts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "test_definitions",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), server_default="", nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("body", JSONB(), nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("owner", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_definitions")),
        sa.UniqueConstraint("kind", "name", name=op.f("uq_test_definitions_kind_name")),
    )
    op.create_table(
        "test_executions",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("definition_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("dag_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column(
            "status",
            sa.Text(),
            sa.Computed(
                "coalesce(verdict, CASE WHEN state IN ('submitted', 'validating', 'queued') THEN 'queued' ELSE "
                "'running' END)",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("priority", sa.SmallInteger(), server_default=sa.text("5"), nullable=False),
        sa.Column("submitted_by", sa.Text(), server_default="", nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failure_cause", sa.Text(), server_default="", nullable=False),
        sa.Column("failure_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("exit_code", sa.SmallInteger(), nullable=True),
        sa.Column("definition", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("metrics", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("results_digest", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "state IN ('submitted', 'validating', 'rejected', 'queued', 'scheduled', 'initializing', "
            "'running', 'completing', 'completed', 'failed', 'timeout', 'cancelled', 'expired', 'retrying', "
            "'cleanup', 'archived')",
            name=op.f("ck_test_executions_state"),
        ),
        sa.CheckConstraint(
            "verdict IN ('cancelled', 'completed', 'expired', 'failed', 'rejected', 'timeout')",
            name=op.f("ck_test_executions_verdict"),
        ),
        sa.CheckConstraint("(dag_id IS NULL) = (run_id IS NULL)", name=op.f("ck_test_executions_dag_run")),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            ["test_definitions.id"],
            name=op.f("fk_test_executions_definition_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("execution_id", name=op.f("pk_test_executions")),
        sa.UniqueConstraint("dag_id", "run_id", name=op.f("uq_test_executions_dag_id_run_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_test_executions_public_id")),
    )
    op.create_index("ix_test_executions_completed_at", "test_executions", ["completed_at"], unique=False)
    op.create_index("ix_test_executions_definition_id", "test_executions", ["definition_id"], unique=False)
    op.create_index(
        "ix_test_executions_kind_name_submitted_at", "test_executions", ["kind", "name", "submitted_at"], unique=False
    )
    op.create_index(
        "ix_test_executions_status_submitted_at", "test_executions", ["status", "submitted_at"], unique=False
    )
    op.create_index("ix_test_executions_submitted_at", "test_executions", ["submitted_at"], unique=False)
    op.create_table(
        "execution_transitions",
        sa.Column("transition_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "occurred_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["execution_id"],
            ["test_executions.execution_id"],
            name=op.f("fk_execution_transitions_execution_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("transition_id", name=op.f("pk_execution_transitions")),
    )
    op.create_index(
        "ix_execution_transitions_execution_id",
        "execution_transitions",
        ["execution_id", "transition_id"],
        unique=False,
    )
    op.create_table(
        "test_artifacts",
        sa.Column("artifact_id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("artifact_type", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("s3_path", sa.Text(), nullable=False),
        sa.Column("file_size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), server_default="", nullable=False),
        sa.Column("checksum", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "artifact_type IN ('screenshot', 'video', 'log', 'report', 'other', 'trace', 'cases', "
            "'inventory', 'manifest', 'coverage', 'artifact')",
            name=op.f("ck_test_artifacts_artifact_type"),
        ),
        sa.CheckConstraint("file_size_bytes >= 0", name=op.f("ck_test_artifacts_file_size_bytes")),
        sa.ForeignKeyConstraint(
            ["execution_id"],
            ["test_executions.execution_id"],
            name=op.f("fk_test_artifacts_execution_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("artifact_id", name=op.f("pk_test_artifacts")),
        sa.UniqueConstraint("execution_id", "s3_path", name=op.f("uq_test_artifacts_execution_id_s3_path")),
    )
    op.create_index("ix_test_artifacts_expires_at", "test_artifacts", ["expires_at"], unique=False)
    op.create_table(
        "test_results",
        sa.Column("result_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=True),
        sa.Column("case_hash", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("occurrence", sa.Integer(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("test_name", sa.Text(), nullable=False),
        sa.Column("classname", sa.Text(), nullable=False),
        sa.Column("file_path", sa.Text(), nullable=False),
        sa.Column("line_number", sa.Integer(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("flaky", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("duration_ms", sa.Double(), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("stack_trace", sa.Text(), nullable=True),
        sa.Column("stdout", sa.Text(), nullable=True),
        sa.Column("stderr", sa.Text(), nullable=True),
        sa.Column("properties", JSONB(), nullable=True),
        sa.Column("reruns", JSONB(), nullable=True),
        sa.Column("executed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('passed', 'failed', 'error', 'skipped')", name=op.f("ck_test_results_status")),
        sa.ForeignKeyConstraint(
            ["execution_id"],
            ["test_executions.execution_id"],
            name=op.f("fk_test_results_execution_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("result_id", name=op.f("pk_test_results")),
    )
    op.create_index("ix_test_results_case_hash_executed_at", "test_results", ["case_hash", "executed_at"], unique=False)
    op.create_index("ix_test_results_execution_id", "test_results", ["execution_id", "case_hash"], unique=False)
    op.create_table(
        "test_shards",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("cause", sa.Text(), server_default="", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("planned", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("counts", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'passed', 'failed', 'lost', 'timeout', 'cancelled')",
            name=op.f("ck_test_shards_status"),
        ),
        sa.ForeignKeyConstraint(
            ["execution_id"],
            ["test_executions.execution_id"],
            name=op.f("fk_test_shards_execution_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("execution_id", "shard", name=op.f("pk_test_shards")),
    )
    op.create_table(
        "test_attempts",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("pod_name", sa.Text(), server_default="", nullable=False),
        sa.Column("node_name", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="started", nullable=False),
        sa.Column("cause", sa.Text(), server_default="", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counts", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("phases", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("cpu_seconds", sa.Double(), nullable=True),
        sa.Column("max_memory_bytes", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["execution_id", "shard"],
            ["test_shards.execution_id", "test_shards.shard"],
            name=op.f("fk_test_attempts_execution_id_shard"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("execution_id", "shard", "attempt", name=op.f("pk_test_attempts")),
    )


def downgrade() -> None:
    """Drop the tables, those that refer to others first."""
    for table in (
        "test_attempts",
        "test_shards",
        "test_results",
        "test_artifacts",
        "execution_transitions",
        "test_executions",
        "test_definitions",
    ):
        op.drop_table(table)
