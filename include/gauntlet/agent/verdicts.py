"""What a run came to, decided from what is known when the tool has ended. Pure: no file, no process, no clock.

The verdict of a suite is not given here: cases speak for themselves. This says whether there is a result to speak of.
"""

from __future__ import annotations

from typing import NamedTuple

from gauntlet.agent.contract import CANCELLED, COMPLETED, COULD_NOT_RUN, TIMED_OUT
from gauntlet.agent.progress import ending


class Facts(NamedTuple):
    """What is known at the end of a run.

    :param exit_code: of the tool, negative for a signal; None when it could not be waited for.
    :param cancelled: the pod was told to stop.
    :param timed_out: the tool was stopped at its time limit.
    :param spoke: the plugin reported at all.
    :param finished: the plugin reported the end of the session.
    :param stopped: why the session stopped early, in pytest's words.
    :param cases: how many the tool began, or listed.
    :param has_reports: it left a report that the order asks for.
    :param wanted: how many cases it was to run; 0 for whatever it selects.
    """

    exit_code: int | None
    cancelled: bool
    timed_out: bool
    timeout_seconds: float
    spoke: bool
    finished: bool
    stopped: str
    cases: int
    has_reports: bool
    wanted: int


class Ending(NamedTuple):
    """How the attempt is to be reported.

    :param reason: why cases that were not reached were not run; empty when nothing is to be said about them.
    :param while_running: what happened to the case that was running.
    """

    state: str
    cause: str = ""
    message: str = ""
    reason: str = ""
    while_running: str = ""


def judge_shard(facts: Facts) -> Ending:
    """The ending of a shard's run."""
    if facts.cancelled:
        return Ending(CANCELLED, "Cancelled", "the pod was stopped while the tests ran")
    if facts.timed_out:
        limit = f"the time limit of {facts.timeout_seconds:g} s was reached"
        return Ending(TIMED_OUT, "TimedOut", limit, limit, limit)
    how = ending(facts.exit_code) if facts.exit_code is not None else "an unknown ending"
    if facts.spoke and not facts.finished and (facts.cases or facts.exit_code != USAGE_ERROR):
        died = f"the interpreter died ({how})"
        return Ending(COMPLETED, "ToolDied", f"{died} before the session was over", died, died)
    if not facts.cases and not facts.has_reports:
        if facts.exit_code not in (0, NO_TESTS) or facts.wanted:
            return Ending(COULD_NOT_RUN, "ToolFailed", f"the command ended with {how} and left no result")
        return Ending(COULD_NOT_RUN, "NoTests", "the command selected no test")
    early = facts.stopped or f"the session ended early with {how}"
    return Ending(COMPLETED, reason=early if facts.spoke else "", while_running=early)


#: pytest's exit codes (https://docs.pytest.org/en/stable/reference/exit-codes.html).
INTERRUPTED = 2
USAGE_ERROR = 4
NO_TESTS = 5


def judge_inventory(facts: Facts, errors: int) -> Ending:
    """The ending of an inventory; ``facts.cases`` counts its entries, ``errors`` those that could not be collected."""
    if facts.cancelled:
        return Ending(CANCELLED, "Cancelled", "the pod was stopped while the tests were listed")
    if facts.timed_out:
        return Ending(TIMED_OUT, "TimedOut", f"listing the tests took longer than {facts.timeout_seconds:g} s")
    how = ending(facts.exit_code) if facts.exit_code is not None else "an unknown ending"
    ran = facts.exit_code in (0, 1, NO_TESTS) or (facts.exit_code == INTERRUPTED and errors)
    if not ran:
        return Ending(COULD_NOT_RUN, "CollectionFailed", f"the tests cannot be listed: the command ended with {how}")
    if not facts.cases:
        return Ending(COULD_NOT_RUN, "NoTests", "the command found no test: see the suite's command and its content")
    return Ending(COMPLETED)
