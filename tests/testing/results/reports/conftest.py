"""One run that has a bit of everything, hostile names included, for all reports."""

from __future__ import annotations

import uuid

import pytest

from gauntlet.runs.states import CaseStatus, ShardStatus
from gauntlet.testing.results.model import (
    Artifact,
    Attachment,
    AttemptResult,
    CaseResult,
    Counts,
    Rerun,
    RunResult,
    ShardResult,
)
from gauntlet.testing.results.verdict import judge

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)> & \" ' {{ 7*7 }} \x00\x1b[31m \u2028 \ud800"
BEGIN = 1_763_700_000.0


@pytest.fixture
def run() -> RunResult:
    """A run with a passed, a failed, an erroneous, a skipped, a flaky and a lost case."""
    cases = (
        CaseResult(
            "t.py::ok", "ok", CaseStatus.PASSED, "s", "t", "t.py", 3, duration_ms=12.3456, shard=0, started_at=BEGIN
        ),
        CaseResult(
            f"t.py::bad[{HOSTILE}]",
            f"bad[{HOSTILE}]",
            CaseStatus.FAILED,
            "s",
            HOSTILE,
            "t.py",
            9,
            duration_ms=1500.0,
            message=HOSTILE,
            details=f"trace {HOSTILE}",
            stdout=f"out {HOSTILE}",
            stderr=f"err {HOSTILE}",
            shard=0,
            properties={HOSTILE: HOSTILE},
        ),
        CaseResult("t.py::broken", "broken", CaseStatus.ERROR, "s", "t", "t.py", message="boom", details="x", shard=0),
        CaseResult(
            "t.py::skip",
            "skip",
            CaseStatus.SKIPPED,
            "s",
            "t",
            "t.py",
            message="why",
            shard=0,
            properties={"xfail": "bug 9"},
        ),
        CaseResult(
            "t.py::shaky",
            "shaky",
            CaseStatus.PASSED,
            "s",
            "t",
            "t.py",
            flaky=True,
            attempts=2,
            shard=0,
            reruns=(Rerun(1, CaseStatus.FAILED, "once", "first trace"),),
            attachments=(Attachment("a.png", "shots/a.png", "image/png"),),
        ),
        CaseResult(
            "u.py::lost",
            "lost",
            CaseStatus.ERROR,
            "s",
            "u",
            "u.py",
            attempts=0,
            shard=1,
            message="not run: shard 1 was lost (OOMKilled: too much)",
        ),
    )
    done = AttemptResult(
        1,
        "completed",
        pod="pod-0",
        node="n1",
        started_at=BEGIN,
        finished_at=BEGIN + 20,
        phases={"fetch": 1.0, "environment": 2.0, "run": 15.0, "upload": 1.0},
        cpu_seconds=14.0,
        max_memory_bytes=2**28,
    )
    died = AttemptResult(1, "died", "OOMKilled", "too much", pod="pod-1", started_at=BEGIN + 1, finished_at=BEGIN + 9)
    shards = (
        ShardResult(0, ShardStatus.FAILED, counts=Counts.of(cases[:5]), planned=5, attempts=(done,)),
        ShardResult(1, ShardStatus.LOST, "OOMKilled", "too much", Counts.of(cases[5:]), 1, (died,)),
    )
    counts = Counts.of(cases)
    return RunResult(
        uuid.UUID("f3a9c2b1-77e0-4d1f-8a2b-3c4d5e6f7081"),
        "TestSuite",
        f"suite {HOSTILE}",
        judge(shards, counts),
        counts,
        shards,
        cases,
        BEGIN - 2,
        BEGIN,
        BEGIN + 21,
        (f"warned {HOSTILE}",),
        (Artifact("report", "junit.xml", "runs/exec-f3a9c2b177e0/x/junit.xml", 2048),),
        {"framework": "pytest", HOSTILE: HOSTILE},
        {"dagRun": "http://127.0.0.1:8080/x", "bad": "javascript:alert(1)"},
        {"html": "runs/x/report.html"},
    )
