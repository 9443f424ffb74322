"""Judges a run by its results and by nothing else: never by a DAG run's colour or a pod's exit code.

One pure function; what it is told decides, in the order in which its branches stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gauntlet.runs.states import ShardStatus, State
from gauntlet.testing.results.model import Counts, ShardResult, Verdict

#: Exit codes of ``gauntlet run``.
PASSED, TESTS_FAILED, COULD_NOT_RUN, REFUSED = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that kept the run as a whole from going on: a preparation that failed, a refusal, a cancellation.

    :param state: ``failed``, ``rejected``, ``cancelled`` or ``timeout``.
    :param cause: a CamelCase word such as ``CollectionFailed`` or ``Cancelled``.
    :param reason: one sentence.
    """

    state: State
    cause: str
    reason: str


def judge(shards: Sequence[ShardResult], counts: Counts, obstacle: Obstacle | None = None) -> Verdict:
    """The verdict over a run.

    A run that could not be carried out whole is never called "tests failed": its counts are incomplete, so its
    exit code is 2 even when some of the tests that did run failed; the reason names both.

    :param shards: all shards of the plan; empty when the run never came to a plan.
    :param counts: over all cases of all shards.
    :param obstacle: what stopped the run as a whole, when something did.
    """
    if obstacle is not None:
        code = REFUSED if obstacle.state is State.REJECTED else COULD_NOT_RUN
        return Verdict(obstacle.state, obstacle.cause, obstacle.reason, code)
    for status, state in (
        (ShardStatus.CANCELLED, State.CANCELLED),
        (ShardStatus.TIMEOUT, State.TIMEOUT),
        (ShardStatus.LOST, State.FAILED),
    ):
        hit = [shard for shard in shards if shard.status is status]
        if hit:
            return Verdict(state, hit[0].cause, _incomplete(hit, len(shards), counts), COULD_NOT_RUN)
    if counts.tests == 0:
        return Verdict(State.FAILED, "NoTests", "no test was found to run", COULD_NOT_RUN)
    if counts.not_run:
        reason = f"{counts.not_run} of {counts.tests} tests were planned and left no result"
        return Verdict(State.FAILED, "CasesMissing", reason, COULD_NOT_RUN)
    if counts.failed or counts.errors:
        reason = f"{_red_words(counts)} of {counts.tests} tests"
        return Verdict(State.FAILED, "TestsFailed", reason, TESTS_FAILED)
    return Verdict(State.COMPLETED, "", _green_words(counts), PASSED)


def _incomplete(hit: Sequence[ShardResult], shards: int, counts: Counts) -> str:
    first = hit[0]
    how = {ShardStatus.LOST: "lost", ShardStatus.TIMEOUT: "timed out", ShardStatus.CANCELLED: "cancelled"}[first.status]
    why = f"{first.cause}: {first.message}" if first.message else first.cause
    if len(hit) == 1:
        text = f"shard {first.index} of {shards} {'was ' if how != 'timed out' else ''}{how} ({why})"
    else:
        verb = how if how == "timed out" else f"were {how}"
        text = f"{len(hit)} of {shards} shards {verb} (shard {first.index}: {why})"
    parts = [text]
    if counts.not_run:
        parts.append(f"{counts.not_run} of {counts.tests} tests were not run")
    own_errors = counts.errors - counts.not_run
    if counts.failed or own_errors:
        parts.append(f"{counts.failed + own_errors} failed")
    return "; ".join(parts)


def _red_words(counts: Counts) -> str:
    parts = []
    if counts.failed:
        parts.append(f"{counts.failed} failed")
    if counts.errors:
        parts.append(f"{counts.errors} ended in an error")
    return " and ".join(parts)


def _green_words(counts: Counts) -> str:
    text = f"{counts.passed} tests passed" if counts.passed != 1 else "1 test passed"
    if counts.flaky:
        text += f" ({counts.flaky} only when tried again)"
    return f"{text}, {counts.skipped} skipped" if counts.skipped else text
