"""How long merging and storing 100,000 cases takes, beside a bare COPY of the same rows into a bare table.

    python benchmarks/bench_merge_and_store.py [--cases N] [--shards N] [--database-url URL]

Starts a PostgreSQL of its own, with the settings of the embedded stack (fsync on), unless it is given one. What is
timed is what ``aggregate`` does: reading the attempts' lines, merging, judging, storing in one transaction, and
rendering the three reports. The claim is 10 s for reading, merging and storing 100,000 cases.
"""

from __future__ import annotations

import argparse
import contextlib
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import text

from gauntlet.agent import contract
from gauntlet.local import postgres
from gauntlet.runs.ids import new_execution_id
from gauntlet.runs.states import State
from gauntlet.storage import database, executions, migrations, results
from gauntlet.testing.planning.shards import CaseToRun, Shard, plan_shards
from gauntlet.testing.results.agent_files import read_cases, read_manifest
from gauntlet.testing.results.merge import merge
from gauntlet.testing.results.model import Attempt, Counts, RunResult
from gauntlet.testing.results.reports.html_report import render_html
from gauntlet.testing.results.reports.json_report import render_json
from gauntlet.testing.results.reports.junit_report import render_junit
from gauntlet.testing.results.verdict import judge

LIMIT_SECONDS = 10.0
SUITE = "benchmark"

T = TypeVar("T")


@contextlib.contextmanager
def database_of_its_own() -> Iterator[str]:
    """A PostgreSQL server with durable settings, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="gauntlet-bench-"))
    home = postgres.prepare_home(folder / "postgres", outside=[Path(tempfile.gettempdir())])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server = postgres.Server(probe.getsockname()[1], secrets.token_urlsafe(16))
    postgres.initialise(home, server.password)
    account = home.account
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            postgres.server_command(home, server.port),
            cwd="/",
            stdout=log,
            stderr=log,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    try:
        postgres.wait_until_ready(server)
        yield postgres.database_url(
            server.port, postgres.ADMIN, user=postgres.ADMIN, password=server.password, driver="psycopg"
        )
    finally:
        database.engine.cache_clear()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        postgres.forget_home(folder / "postgres")
        shutil.rmtree(folder)


@dataclass(frozen=True)
class Left:
    """What one shard's agent left: its manifest and its cases, as text."""

    shard: int
    manifest: str
    cases: str


def agents_work(cases: int, shards: int) -> tuple[list[Shard], list[Left]]:
    """The plan of a run and what its agents would leave; one case in a hundred fails with a traceback."""
    files = [f"pkg/tests/test_{number // 50}.py" for number in range(cases)]
    inventory = [CaseToRun(f"{file}::TestThing::test_case[{number}]", file) for number, file in enumerate(files)]
    plan = plan_shards(inventory, {}, shards)
    return plan, [left_behind(shard) for shard in plan]


def left_behind(shard: Shard) -> Left:
    """One attempt's files."""
    lines = [contract.dumps(a_case(case_id, number)) for number, case_id in enumerate(shard.case_ids)]
    failed = len(range(0, len(lines), 100))
    manifest = contract.Manifest(
        kind="shard",
        execution="exec-000000000000",
        shard=shard.index,
        attempt=1,
        state=contract.COMPLETED,
        exit_code=1,
        started_at=1_700_000_000.0,
        finished_at=1_700_000_300.0,
        counts=contract.Counts(total=len(lines), passed=len(lines) - failed, failed=failed),
        phases={"prepare": 4.0, "run": 290.0, "upload": 6.0},
    )
    return Left(shard.index, contract.dumps(manifest), "\n".join(lines))


def read(left: list[Left]) -> list[Attempt]:
    """Attempts out of what agents left."""
    attempts = []
    for one in left:
        cases, warnings = read_cases(one.cases, where="cases/1.jsonl")
        manifest = read_manifest(one.manifest)
        attempts.append(Attempt(one.shard, 1, manifest, tuple(cases), warnings=tuple(warnings)))
    return attempts


def a_case(case_id: str, number: int) -> contract.Case:
    """A result as pytest's plugin writes it."""
    failed = number % 100 == 0
    file, _, rest = case_id.partition("::")
    trace = "\n".join(f'  File "pkg/module.py", line {line}, in function_{line}' for line in range(40))
    return contract.Case(
        id=case_id,
        name=rest.rpartition("::")[2],
        classname="pkg.tests.TestThing",
        file=file,
        line=number,
        status="failed" if failed else "passed",
        duration_ms=number % 977 / 10,
        message="AssertionError: 1 != 2" if failed else "",
        details=trace if failed else "",
        stdout="some output\n" * 3,
        started_at=1_700_000_000.0 + number / 100,
    )


def timed(what: str, seconds: dict[str, float], action: Callable[[], T]) -> T:
    """Run something, print and keep how long it took: a machine that does other work shows in the difference."""
    began, worked = time.perf_counter(), time.process_time()
    value = action()
    seconds[what] = time.perf_counter() - began
    print(f"{what:34} {seconds[what]:7.2f} s, {time.process_time() - worked:7.2f} s of processor here")
    return value


def bare_copy(url: str, result: RunResult) -> None:
    """The limit: the same rows by COPY into a table without indexes, keys or checks."""
    with database.begin(url) as connection:
        connection.execute(text("CREATE TABLE bare AS SELECT * FROM test_results WITH NO DATA"))
        connection.execute(text("ALTER TABLE bare DROP COLUMN result_id"))
        driver = connection.connection.driver_connection
        assert driver is not None
        with driver.cursor().copy("COPY bare FROM STDIN") as copy:
            for row in results.rows_of(result):
                copy.write_row(row)


def main() -> int:
    """Measure, print, and say whether the claim holds."""
    parser = argparse.ArgumentParser(description="Merge and store a large run.")
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--database-url", default="")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        url = options.database_url or stack.enter_context(database_of_its_own())
        return measure(url, options.cases, options.shards)


def measure(url: str, cases: int, shards: int) -> int:
    """The measurement itself; 1 when the claim does not hold."""
    migrations.upgrade(url)
    execution_id = new_execution_id()
    plan, left = agents_work(cases, shards)
    submit(url, execution_id)
    seconds: dict[str, float] = {}
    attempts = timed("read the attempts", seconds, lambda: read(left))
    result = timed("merge and judge", seconds, lambda: merged(execution_id, plan, attempts))
    timed("store in one transaction", seconds, lambda: stored(url, result))
    timed("store once more (nothing to do)", seconds, lambda: stored(url, result))
    timed("render HTML", seconds, lambda: render_html(result))
    timed("render JSON", seconds, lambda: render_json(result))
    timed("render JUnit", seconds, lambda: render_junit(result))
    known = timed("durations for the next plan", seconds, lambda: past(url))
    timed("bare COPY of the same rows", seconds, lambda: bare_copy(url, result))
    claimed = sum(seconds[part] for part in ("read the attempts", "merge and judge", "store in one transaction"))
    ratio = seconds["store in one transaction"] / seconds["bare COPY of the same rows"]
    print(f"{result.counts.tests:,} cases read, merged and stored in {claimed:.2f} s (claim: {LIMIT_SECONDS:.0f} s);")
    print(f"storing takes {ratio:.1f} times a bare COPY; {known:,} durations known for the next plan")
    return int(claimed > LIMIT_SECONDS)


def submit(url: str, execution_id: uuid.UUID) -> None:
    """Make the execution and bring it to where tests run."""
    with database.begin(url) as connection:
        executions.create(connection, executions.NewExecution(execution_id, "TestSuite", SUITE))
        for state in (State.QUEUED, State.SCHEDULED, State.INITIALIZING, State.RUNNING):
            executions.move(connection, execution_id, state)


def merged(execution_id: uuid.UUID, plan: list[Shard], attempts: list[Attempt]) -> RunResult:
    """Merge and judge."""
    together = merge(SUITE, plan, attempts)
    counts = Counts.of(together.cases)
    return RunResult(
        execution_id,
        "TestSuite",
        SUITE,
        judge(together.shards, counts),
        counts,
        shards=together.shards,
        cases=together.cases,
        warnings=together.warnings,
        started_at=1_700_000_000.0,
        finished_at=1_700_000_300.0,
    )


def stored(url: str, result: RunResult) -> bool:
    """Store, committed."""
    with database.begin(url) as connection:
        return results.store_run(connection, result)


def past(url: str) -> int:
    """How many durations the next plan would know."""
    with database.begin(url) as connection:
        return len(results.durations(connection, SUITE))


if __name__ == "__main__":
    raise SystemExit(main())
