"""The words in which results are spoken of: a case, an attempt, a shard and a run, each with all that is known.

Values only: no parsing, no judging, no rendering, no storage. Parsers make them, ``merge`` and ``verdict``
complete them, reports and ``gauntlet.storage`` read them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gauntlet.agent.contract import Case, Manifest
from gauntlet.runs.ids import public_id
from gauntlet.runs.states import CaseStatus, ShardStatus, State, Status, status_of


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that belongs to a case, by the name the tool gave and its path as the tool wrote it."""

    name: str
    path: str
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Rerun:
    """An earlier try of a case that was tried again; ``status`` is ``failed`` or ``error``."""

    attempt: int
    status: CaseStatus
    message: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One test case's outcome in one run.

    :param id: identity within the suite that survives moves between shards; for pytest the node id.
    :param occurrence: from 1; more than 1 when a run holds several results of one id.
    :param suite: the suite's name, or in a tool's report the name of the innermost suite.
    :param line: 1-based line of the definition, or None.
    :param flaky: failed in an earlier try and passed in the last one.
    :param attempts: how many tries gave a result; 0 for a case that never ran.
    :param started_at: seconds since the epoch, 0 when unknown.
    :param shard: index of the shard it ran in, or None outside of a sharded run.
    """

    id: str
    name: str
    status: CaseStatus
    suite: str = ""
    classname: str = ""
    file: str = ""
    line: int | None = None
    flaky: bool = False
    duration_ms: float = 0.0
    message: str = ""
    details: str = ""
    stdout: str = ""
    stderr: str = ""
    attempts: int = 1
    occurrence: int = 1
    shard: int | None = None
    started_at: float = 0.0
    properties: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    reruns: tuple[Rerun, ...] = ()

    @property
    def red(self) -> bool:
        """Whether it failed or could not be run."""
        return self.status in (CaseStatus.FAILED, CaseStatus.ERROR)

    @property
    def ran(self) -> bool:
        """Whether any try of it gave a result."""
        return self.attempts > 0


@dataclass(frozen=True, slots=True)
class Counts:
    """Cases by outcome; ``flaky`` ones are among the passed, ``not_run`` ones among the errors."""

    tests: int = 0
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    flaky: int = 0
    not_run: int = 0

    @classmethod
    def of(cls, cases: Iterable[CaseResult]) -> Counts:
        """Count cases."""
        by_status = dict.fromkeys(CaseStatus, 0)
        tests = flaky = not_run = 0
        for case in cases:
            tests += 1
            by_status[case.status] += 1
            flaky += case.flaky
            not_run += not case.ran
        return cls(
            tests=tests,
            passed=by_status[CaseStatus.PASSED],
            failed=by_status[CaseStatus.FAILED],
            errors=by_status[CaseStatus.ERROR],
            skipped=by_status[CaseStatus.SKIPPED],
            flaky=flaky,
            not_run=not_run,
        )


@dataclass(frozen=True, slots=True)
class Death:
    """What was seen of an attempt from outside: how its pod ended when it left no manifest.

    :param cause: a CamelCase word such as ``OOMKilled``, ``Evicted``, ``NodeLost``, ``PodDeleted``, ``TimedOut``.
    :param message: the cause as a sentence.
    """

    cause: str
    message: str = ""
    pod: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a shard as it was found: what it wrote, and what was seen of its pod.

    :param number: from 1.
    :param manifest: None when the attempt did not finish.
    :param cases: the results that could be read, in order.
    :param death: how its pod ended, when that is known.
    :param started_at: seconds since the epoch by the control plane's clock, 0 when unknown.
    :param warnings: what could not be read.
    """

    shard: int
    number: int
    manifest: Manifest | None = None
    cases: tuple[Case, ...] = ()
    death: Death | None = None
    pod: str = ""
    node: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What became of one attempt.

    :param state: a manifest's state, or ``died``, or ``unfinished`` when nothing says how it ended.
    :param phases: seconds by phase: ``prepare``, ``run``, ``upload``.
    """

    number: int
    state: str
    cause: str = ""
    message: str = ""
    details: str = ""
    pod: str = ""
    node: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    phases: Mapping[str, float] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    cpu_seconds: float = 0.0
    max_memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What became of one shard; pod, node and resource use are those of its last attempt.

    :param cause: why it has not passed or failed: a CamelCase word; empty when its tests decided.
    :param planned: cases in the plan; 0 when the plan names none.
    """

    index: int
    status: ShardStatus
    cause: str = ""
    message: str = ""
    counts: Counts = field(default_factory=Counts)
    planned: int = 0
    attempts: tuple[AttemptResult, ...] = ()

    @property
    def last(self) -> AttemptResult | None:
        """The last attempt, or None when none was made."""
        return self.attempts[-1] if self.attempts else None

    @property
    def pod(self) -> str:
        """Name of the last attempt's pod."""
        return self.last.pod if self.last else ""

    @property
    def node(self) -> str:
        """Name of the node that the last attempt ran on."""
        return self.last.node if self.last else ""

    @property
    def started_at(self) -> float:
        """When the first attempt began: seconds since the epoch, 0 when unknown."""
        return min((attempt.started_at for attempt in self.attempts if attempt.started_at), default=0.0)

    @property
    def finished_at(self) -> float:
        """When the last attempt ended: seconds since the epoch, 0 when unknown."""
        return max((attempt.finished_at for attempt in self.attempts), default=0.0)

    @property
    def duration_ms(self) -> float:
        """From the first attempt's begin to the last one's end; 0 when unknown."""
        known = self.started_at and self.finished_at
        return max(0.0, self.finished_at - self.started_at) * 1000 if known else 0.0

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all attempts together."""
        return sum(attempt.cpu_seconds for attempt in self.attempts)

    @property
    def max_memory_bytes(self) -> int:
        """The most memory any attempt held."""
        return max((attempt.max_memory_bytes for attempt in self.attempts), default=0)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file in the object store that a run left.

    :param type: one of :data:`ARTIFACT_TYPES`.
    :param path: in the object store, from its root.
    """

    type: str
    name: str
    path: str
    bytes: int
    content_type: str = ""
    sha256: str = ""
    shard: int | None = None
    attempt: int | None = None


#: The mission's types of artifact, extended by what agents and ``aggregate`` leave; ``other`` takes the rest.
ARTIFACT_TYPES = (
    "screenshot",
    "video",
    "log",
    "report",
    "other",
    "trace",
    "cases",
    "inventory",
    "manifest",
    "coverage",
    "artifact",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement over a run.

    :param state: ``completed``, ``failed``, ``timeout``, ``cancelled`` or ``rejected``.
    :param cause: a CamelCase word; empty when completed.
    :param reason: one sentence for people.
    :param exit_code: of ``gauntlet run``: 0 passed, 1 tests failed, 2 could not run, 3 refused.
    """

    state: State
    cause: str
    reason: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class RunResult:
    """All that is known of one finished run.

    :param started_at: seconds since the epoch, 0 when unknown.
    :param facts: what was tested and with what, by label, for people: content, environment, image, lock.
    :param links: addresses by name, such as ``dagRun``.
    :param reports: where the rendered reports are, by ``html``, ``json``, ``junit``.
    """

    execution_id: uuid.UUID
    kind: str
    name: str
    verdict: Verdict
    counts: Counts
    shards: tuple[ShardResult, ...] = ()
    cases: tuple[CaseResult, ...] = ()
    submitted_at: float = 0.0
    started_at: float = 0.0
    finished_at: float = 0.0
    warnings: tuple[str, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    reports: Mapping[str, str] = field(default_factory=dict)

    @property
    def public_id(self) -> str:
        """The id people see."""
        return public_id(self.execution_id)

    @property
    def status(self) -> Status:
        """What the doors say."""
        return status_of(self.verdict.state, None)

    @property
    def duration_ms(self) -> float:
        """From begin to end; 0 when unknown."""
        known = self.started_at and self.finished_at
        return max(0.0, self.finished_at - self.started_at) * 1000 if known else 0.0
