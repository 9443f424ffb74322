"""The states an execution and a shard pass through, each as one table.

``state`` is the fine state of the mission (sequence-and-er-diagrams.md 3.1); ``status`` is what the API and the
command line say. An impossible change raises: a bug there must not become a wrong verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from gauntlet.errors import GauntletError


class State(StrEnum):
    """Fine states of an execution."""

    SUBMITTED = "submitted"
    VALIDATING = "validating"
    REJECTED = "rejected"
    QUEUED = "queued"
    SCHEDULED = "scheduled"
    INITIALIZING = "initializing"
    RUNNING = "running"
    COMPLETING = "completing"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    RETRYING = "retrying"
    CLEANUP = "cleanup"
    ARCHIVED = "archived"


class Status(StrEnum):
    """What the doors say of an execution. ``completed`` means that every case passed or was skipped."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    REJECTED = "rejected"
    EXPIRED = "expired"


class ShardStatus(StrEnum):
    """What the doors say of a shard."""

    PENDING = "pending"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    LOST = "lost"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


class CaseStatus(StrEnum):
    """The outcome of one test case."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


class ImpossibleTransitionError(GauntletError):
    """Somebody tried to move an execution to a state it cannot reach from where it is."""


# Failing before the first case (content, environment, cluster) and cancelling are possible from every
# state in which something is still going on, so those are spelled out rather than implied.
TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.SUBMITTED: frozenset({State.VALIDATING, State.QUEUED, State.REJECTED, State.CANCELLED}),
    State.VALIDATING: frozenset({State.REJECTED, State.QUEUED}),
    State.QUEUED: frozenset({State.SCHEDULED, State.CANCELLED, State.EXPIRED, State.FAILED}),
    State.SCHEDULED: frozenset({State.INITIALIZING, State.FAILED, State.CANCELLED, State.TIMEOUT, State.REJECTED}),
    State.INITIALIZING: frozenset({State.RUNNING, State.FAILED, State.CANCELLED, State.TIMEOUT, State.REJECTED}),
    State.RUNNING: frozenset({State.COMPLETING, State.FAILED, State.CANCELLED, State.TIMEOUT}),
    State.COMPLETING: frozenset({State.COMPLETED, State.FAILED, State.TIMEOUT, State.CANCELLED}),
    # A person may clear a finished run in Airflow; then it is judged anew, whatever it was.
    State.COMPLETED: frozenset({State.RETRYING, State.CLEANUP}),
    State.FAILED: frozenset({State.RETRYING, State.CLEANUP}),
    State.TIMEOUT: frozenset({State.RETRYING, State.CLEANUP}),
    State.RETRYING: frozenset({State.SCHEDULED}),
    State.CANCELLED: frozenset({State.RETRYING, State.CLEANUP}),
    State.EXPIRED: frozenset({State.CLEANUP}),
    State.REJECTED: frozenset(),
    State.CLEANUP: frozenset({State.RETRYING, State.ARCHIVED}),
    State.ARCHIVED: frozenset({State.RETRYING}),
}

#: States in which the verdict stands.
VERDICTS: frozenset[State] = frozenset(
    {State.COMPLETED, State.FAILED, State.TIMEOUT, State.CANCELLED, State.EXPIRED, State.REJECTED}
)

_STATUS: Mapping[State, Status] = {
    State.SUBMITTED: Status.QUEUED,
    State.VALIDATING: Status.QUEUED,
    State.QUEUED: Status.QUEUED,
    State.SCHEDULED: Status.RUNNING,
    State.INITIALIZING: Status.RUNNING,
    State.RUNNING: Status.RUNNING,
    State.COMPLETING: Status.RUNNING,
    State.RETRYING: Status.RUNNING,
    **{state: Status(state.value) for state in VERDICTS},
}


def check_transition(current: State, target: State) -> None:
    """Allow a change of state or refuse it.

    :raises ImpossibleTransitionError: when ``target`` cannot follow ``current``.
    """
    if target not in TRANSITIONS[current]:
        allowed = ", ".join(sorted(TRANSITIONS[current])) or "nothing"
        raise ImpossibleTransitionError(
            f"an execution cannot go from {current} to {target}",
            todo=f"After {current} may follow: {allowed}",
        )


def status_of(state: State, verdict: State | None) -> Status:
    """What the doors say.

    :param state: the execution's fine state.
    :param verdict: the state in which its verdict was reached; needed once it is in clean-up or archived.
    """
    return _STATUS[verdict if verdict is not None else state]
