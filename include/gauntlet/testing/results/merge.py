"""Makes one list of cases out of all that a run's attempts left, so that each case counts once and none is lost.

Pure functions: the plan, the attempts as they were found and the cases' names go in; shards, cases and warnings
come out, the same for the same input, however often it is run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gauntlet.agent import contract
from gauntlet.runs.states import CaseStatus, ShardStatus
from gauntlet.testing.planning.shards import CaseToRun, Shard
from gauntlet.testing.results.model import (
    Attempt,
    AttemptResult,
    CaseResult,
    Counts,
    Rerun,
    ShardResult,
)

DIED = "died"
UNFINISHED = "unfinished"

#: Causes that say "too long" in the words of the agent, of Kubernetes and of our trigger.
_TIMEOUT_CAUSES = frozenset({"TimedOut", "DeadlineExceeded", "Timeout"})

_HOW: Mapping[ShardStatus, str] = {
    ShardStatus.LOST: "was lost",
    ShardStatus.TIMEOUT: "timed out",
    ShardStatus.CANCELLED: "was cancelled",
}


@dataclass(frozen=True, slots=True)
class Interruption:
    """Why the whole run ended early, when somebody or something ended it.

    :param status: ``cancelled`` or ``timeout``: what shards become that had not completed.
    """

    status: ShardStatus
    cause: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged results; ``cases`` in the plan's order, shard by shard."""

    shards: tuple[ShardResult, ...]
    cases: tuple[CaseResult, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _End:
    """How a shard ended when its tests did not decide."""

    status: ShardStatus
    cause: str
    message: str

    def __str__(self) -> str:
        return f"{self.cause}: {self.message}" if self.message else self.cause


def merge(
    suite: str,
    plan: Sequence[Shard],
    attempts: Iterable[Attempt],
    *,
    inventory: Mapping[str, CaseToRun] | None = None,
    interruption: Interruption | None = None,
) -> Merged:
    """Merge attempts into shards and cases.

    - A case's result is that of the last complete attempt that ran it; without a complete one, of the last
      attempt that reached it. Attempts may therefore run a part of the shard only.
    - Failed in an earlier attempt and passed in the one that counts: passed, flaky.
    - A planned case without any result becomes an ``error`` that says why it was not run, so that the total
      never shrinks.
    - Several results of one id in one attempt are all kept and counted by ``occurrence``.

    :param suite: the suite's name.
    :param plan: the shards; one without case ids runs whatever its command selects, so nothing can be missing.
    :param attempts: all attempts of all shards, in any order; those of shards outside the plan are warned about.
    :param inventory: cases by id, for the files of cases that were not run.
    :param interruption: why the run ended early, when it did.
    """
    by_shard: dict[int, list[Attempt]] = {shard.index: [] for shard in plan}
    warnings: list[str] = []
    for attempt in sorted(attempts, key=lambda attempt: (attempt.shard, attempt.number)):
        warnings.extend(f"shard {attempt.shard}, attempt {attempt.number}: {text}" for text in attempt.warnings)
        if attempt.shard in by_shard:
            by_shard[attempt.shard].append(attempt)
        else:
            warnings.append(f"shard {attempt.shard} is not in the plan; its results were left out")
    owner = {case_id: shard.index for shard in plan for case_id in shard.case_ids}
    shards: list[ShardResult] = []
    cases: list[CaseResult] = []
    for shard in plan:
        found = by_shard[shard.index]
        kept = _results(suite, shard, found, owner, warnings)
        end = _end(found, interruption)
        kept += _not_run(suite, shard, kept, end, inventory or {})
        kept.sort(key=_plan_order(shard))
        shards.append(_shard(shard, found, kept, end))
        cases += kept
    return Merged(tuple(shards), tuple(cases), tuple(warnings))


def _results(
    suite: str, shard: Shard, attempts: Sequence[Attempt], owner: Mapping[str, int], warnings: list[str]
) -> list[CaseResult]:
    """Each case that any attempt reached, once, with its earlier failures."""
    tries: dict[tuple[str, int], list[tuple[Attempt, contract.Case]]] = {}
    strangers: set[str] = set()
    for attempt in attempts:
        if attempt.manifest is not None and len(attempt.cases) < attempt.manifest.counts.total:
            warnings.append(
                f"shard {shard.index}, attempt {attempt.number}: its manifest counts "
                f"{attempt.manifest.counts.total} cases, {len(attempt.cases)} could be read"
            )
        seen: Counter[str] = Counter()
        for case in attempt.cases:
            if owner.get(case.id, shard.index) != shard.index:
                strangers.add(case.id)
                continue
            seen[case.id] += 1
            tries.setdefault((case.id, seen[case.id]), []).append((attempt, case))
    if strangers:
        warnings.append(
            f"shard {shard.index} also reported {len(strangers)} cases of other shards, such as "
            f"{min(strangers)}; they were left out there"
        )
    return [_case(suite, shard.index, occurrence, tried) for (_, occurrence), tried in tries.items()]


def _complete(attempt: Attempt) -> bool:
    return attempt.manifest is not None and attempt.manifest.state == contract.COMPLETED


def _case(suite: str, shard: int, occurrence: int, tried: Sequence[tuple[Attempt, contract.Case]]) -> CaseResult:
    """The result that counts out of one case's tries, which are in the order of their attempts."""
    complete = [index for index, (attempt, _) in enumerate(tried) if _complete(attempt)]
    last = complete[-1] if complete else len(tried) - 1
    case = tried[last][1]
    status = CaseStatus(case.status)
    reruns = tuple(
        Rerun(attempt.number, CaseStatus(earlier.status), earlier.message, earlier.details)
        for attempt, earlier in tried[:last]
        if earlier.status in (CaseStatus.FAILED, CaseStatus.ERROR)
    )
    return CaseResult(
        id=case.id,
        name=case.name,
        status=status,
        suite=suite,
        classname=case.classname,
        file=case.file,
        line=case.line,
        flaky=bool(reruns) and status is CaseStatus.PASSED,
        duration_ms=case.duration_ms,
        message=case.message,
        details=case.details,
        stdout=case.stdout,
        stderr=case.stderr,
        attempts=sum(one.ran for _, one in tried),
        occurrence=occurrence,
        shard=shard,
        started_at=case.started_at,
        properties=case.properties,
        reruns=reruns,
    )


def _end(attempts: Sequence[Attempt], interruption: Interruption | None) -> _End | None:
    """Why a shard has no complete attempt; None when it has one."""
    if any(_complete(attempt) for attempt in attempts):
        return None
    last = attempts[-1] if attempts else None
    end = _end_of(last)
    # A pod that somebody deleted says so by itself; only the run knows whether that was a cancellation.
    if interruption is not None and (last is None or end.cause in ("", "PodDeleted", "Cancelled", "NotStarted")):
        return _End(interruption.status, interruption.cause, interruption.message)
    return end if end.cause else replace(end, cause="Unfinished", message=end.message or "it left no manifest")


def _end_of(attempt: Attempt | None) -> _End:
    if attempt is None:
        return _End(ShardStatus.LOST, "NotStarted", "no attempt of it ever started")
    manifest = attempt.manifest
    if manifest is None:
        cause, message = (attempt.death.cause, attempt.death.message) if attempt.death else ("", "")
        status = ShardStatus.TIMEOUT if cause in _TIMEOUT_CAUSES else ShardStatus.LOST
        return _End(status, cause, message)
    if manifest.state == contract.TIMED_OUT:
        return _End(ShardStatus.TIMEOUT, manifest.cause or "TimedOut", manifest.message)
    if manifest.state == contract.CANCELLED:
        if attempt.death is not None:
            return _End(ShardStatus.LOST, attempt.death.cause, attempt.death.message)
        return _End(ShardStatus.LOST, manifest.cause or "PodDeleted", manifest.message)
    return _End(ShardStatus.LOST, manifest.cause or "CouldNotRun", manifest.message)


def _not_run(
    suite: str, shard: Shard, kept: Sequence[CaseResult], end: _End | None, inventory: Mapping[str, CaseToRun]
) -> list[CaseResult]:
    """An error for each planned case that has no result."""
    missing = Counter(shard.case_ids)
    have = Counter(case.id for case in kept)
    if end is None:
        message = f"not run: shard {shard.index} completed without a result for it"
    else:
        message = f"not run: shard {shard.index} {_HOW[end.status]} ({end})"
    return [
        CaseResult(
            id=case_id,
            name=_name(case_id),
            status=CaseStatus.ERROR,
            suite=suite,
            file=inventory[case_id].file if case_id in inventory else "",
            message=message,
            attempts=0,
            occurrence=occurrence,
            shard=shard.index,
        )
        for case_id, planned in missing.items()
        for occurrence in range(have[case_id] + 1, planned + 1)
    ]


def _name(case_id: str) -> str:
    """A name out of an id: pytest's node ids end in ``::name[parameters]``, other tools' ids are names."""
    head, bracket, parameters = case_id.partition("[")
    return head.rsplit("::", 1)[-1] + bracket + parameters


def _plan_order(shard: Shard) -> Callable[[CaseResult], tuple[int, int]]:
    """Sort key: the plan's order; results that were not planned come last, in the order they were found."""
    position: dict[str, int] = {}
    for place, case_id in enumerate(shard.case_ids):
        position.setdefault(case_id, place)
    after = len(shard.case_ids)
    return lambda case: (position[case.id], case.occurrence) if case.id in position else (after, 0)


def _shard(shard: Shard, attempts: Sequence[Attempt], cases: Sequence[CaseResult], end: _End | None) -> ShardResult:
    counts = Counts.of(cases)
    red = ShardStatus.FAILED if counts.failed or counts.errors else ShardStatus.PASSED
    return ShardResult(
        index=shard.index,
        status=end.status if end else red,
        cause=end.cause if end else "",
        message=end.message if end else "",
        counts=counts,
        planned=len(shard.case_ids),
        attempts=tuple(_attempt(attempt) for attempt in attempts),
    )


def _attempt(attempt: Attempt) -> AttemptResult:
    manifest, death = attempt.manifest, attempt.death
    if manifest is None:
        return AttemptResult(
            number=attempt.number,
            state=DIED if death else UNFINISHED,
            cause=death.cause if death else "",
            message=death.message if death else "",
            pod=attempt.pod or (death.pod if death else ""),
            node=attempt.node or (death.node if death else ""),
            started_at=attempt.started_at,
            finished_at=attempt.finished_at,
            counts=_reported(attempt.cases),
        )
    return AttemptResult(
        number=attempt.number,
        state=manifest.state,
        cause=manifest.cause,
        message=manifest.message,
        details=manifest.details,
        pod=manifest.pod or attempt.pod,
        node=manifest.node or attempt.node,
        started_at=manifest.started_at,
        finished_at=manifest.finished_at,
        phases=manifest.phases,
        counts=_reported(attempt.cases),
        cpu_seconds=manifest.cpu_seconds,
        max_memory_bytes=manifest.max_memory_bytes,
    )


def _reported(cases: Sequence[contract.Case]) -> Counts:
    by_status = Counter(case.status for case in cases)
    return Counts(
        tests=len(cases),
        passed=by_status[CaseStatus.PASSED],
        failed=by_status[CaseStatus.FAILED],
        errors=by_status[CaseStatus.ERROR],
        skipped=by_status[CaseStatus.SKIPPED],
    )
