"""Identities of executions: a uuid inside, ``exec-`` and twelve characters outside, and every door takes both."""

from __future__ import annotations

import re
import uuid

_NAMESPACE = uuid.UUID("7f7a5c1e-6d0b-4f43-9d4e-0b6a3f1c9a52")
_PUBLIC = re.compile(r"exec-[0-9a-f]{12}")


def new_execution_id() -> uuid.UUID:
    """A fresh identity for a submission."""
    return uuid.uuid4()


def execution_id_of_dag_run(dag_id: str, run_id: str) -> uuid.UUID:
    """The identity of a run that Airflow started by itself (schedule, form): the same for every retry of a task."""
    return uuid.uuid5(_NAMESPACE, f"{dag_id}/{run_id}")


def public_id(execution_id: uuid.UUID) -> str:
    """The id people see: ``exec-`` and the uuid's first twelve hexadecimal digits."""
    return f"exec-{execution_id.hex[:12]}"


def is_public_id(text: str) -> bool:
    """Whether a text has the form of a public id."""
    return _PUBLIC.fullmatch(text) is not None
