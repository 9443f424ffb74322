"""The main container: list the cases or run a shard of them, and leave the results with a manifest.

The order of things matters here: results before reports, reports before artifacts, the manifest last.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gauntlet.agent.collecting import Found, artifacts, reports
from gauntlet.agent.contract import CANCELLED, COMPLETED, COULD_NOT_RUN, INVENTORY, OUTPUT_LOG, Counts, Order
from gauntlet.agent.execution import Ended, Stop, execute, places
from gauntlet.agent.failures import Refusal
from gauntlet.agent.output import tail
from gauntlet.agent.progress import Progress
from gauntlet.agent.reporting import Attempt, file_if_any, say
from gauntlet.agent.verdicts import Ending, Facts, judge_inventory, judge_shard
from gauntlet.agent.workplace import Prepared, Workplace

_KEY = re.compile(r"[A-Za-z0-9._-]{1,200}")


class Job(NamedTuple):
    """All that a run needs to know, bundled because every step needs most of it."""

    order: Order
    workplace: Workplace
    prepared: Prepared
    attempt: Attempt
    environ: Mapping[str, str]
    stop: Stop


def run(order: Order, workplace: Workplace, attempt: Attempt, environ: Mapping[str, str], stop: Stop) -> None:
    """Do what the order says with what the init container prepared.

    :raises UploadError: when the results or the manifest could not be written.
    """
    try:
        prepared = Prepared.read(workplace.prepared)
    except (OSError, ValueError) as error:
        message = f"the init container left no note: {error}; run `python -m gauntlet.agent prepare` first"
        attempt.close(COULD_NOT_RUN, cause="NotPrepared", message=message)
        return
    if prepared.refused:
        say("nothing to do: the preparation failed, and its manifest says why")
        return
    attempt.started_at = prepared.started_at or attempt.started_at
    attempt.environment_lock = prepared.environment_lock
    attempt.phases.update(prepared.phases)
    attempt.warnings.extend(prepared.warnings)
    attempt.beat("running")
    job = Job(order, workplace, prepared, attempt, environ, stop)
    try:
        if order.kind == "inventory":
            _inventory(job)
        elif order.kind == "shard":
            _shard(job)
        else:
            raise Refusal("OrderInvalid", f"kind is {order.kind!r}; it must be inventory or shard")
    except Refusal as refusal:
        attempt.close(COULD_NOT_RUN, cause=refusal.cause, message=refusal.message, details=refusal.details)


def _run_tool(job: Job, plugin: dict[str, str], progress: Progress) -> Ended:
    begun = time.monotonic()
    try:
        ended = execute(
            job.order,
            job.workplace,
            job.prepared,
            environ=job.environ,
            plugin=plugin,
            attempt=job.attempt,
            progress=progress,
            stop=job.stop,
        )
    finally:
        job.attempt.phases["run"] = time.monotonic() - begun
    if ended.survivors:
        job.attempt.warnings.append("some processes of the tool could not be killed")
    return ended


def _shard(job: Job) -> None:
    order, workplace, attempt = job.order, job.workplace, job.attempt
    events = workplace.private / "events"
    plugin = {"GAUNTLET_TEST_EVENTS": str(events)}
    if order.cases:
        selection = workplace.private / "selection.jsonl"
        selection.write_text("".join(json.dumps(case_id) + "\n" for case_id in order.cases), encoding="utf-8")
        plugin["GAUNTLET_TEST_SELECTION"] = str(selection)
    progress = Progress(events)
    ended = _run_tool(job, plugin, progress)
    begun = time.monotonic()
    progress.read()
    left, warnings = reports(workplace.results, order.reports)
    verdict = judge_shard(_facts(order, ended, progress, any(file_if_any(found.file) for found in left)))
    if verdict.reason:
        progress.complete(order.cases, verdict.reason, verdict.while_running)
    attempt.beat("uploading", progress.counts)
    attempt.put_cases(progress, hasty=False)
    if progress.unreadable:
        warnings.append(f"{progress.unreadable} lines from the test-side plugin could not be read")
    if verdict.state != COULD_NOT_RUN:
        attempt.warnings.extend(warnings)
    _keep_files(job, left, full=verdict.state != CANCELLED)
    attempt.phases["upload"] = time.monotonic() - begun
    _close(job, verdict, ended, progress.counts)


def _facts(order: Order, ended: Ended, progress: Progress, has_reports: bool) -> Facts:
    return Facts(
        exit_code=ended.exit_code,
        cancelled=ended.cancelled,
        timed_out=ended.timed_out,
        timeout_seconds=order.timeout_seconds,
        spoke=progress.spoke,
        finished=progress.finished,
        stopped=progress.stopped,
        cases=progress.reached,
        has_reports=has_reports,
        wanted=len(order.cases),
    )


def _keep_files(job: Job, left: list[Found], *, full: bool) -> None:
    """Upload output, reports and, when there is time for it, artifacts."""
    log = job.workplace.private / OUTPUT_LOG
    files = [Found(log, OUTPUT_LOG, "log")] if log.is_file() else []
    files += left
    if full and job.order.artifacts:
        roots = [Path(places(job.prepared, job.workplace)["work"]), job.workplace.results]
        more, warnings = artifacts(roots, job.order.artifacts, left)
        files += more
        job.attempt.warnings.extend(warnings)
    job.attempt.put_all(files)


def _close(job: Job, verdict: Ending, ended: Ended, counts: Counts) -> None:
    explained = verdict.state != COMPLETED or bool(verdict.cause)
    job.attempt.close(
        verdict.state,
        counts=counts,
        exit_code=None if ended.timed_out or ended.cancelled else ended.exit_code,
        cause=verdict.cause,
        message=verdict.message,
        details=tail(job.workplace.private / OUTPUT_LOG) if explained else "",
    )


def _inventory(job: Job) -> None:
    order, workplace, attempt = job.order, job.workplace, job.attempt
    kept = _kept_inventory(order, workplace)
    if kept is not None and kept.is_file():
        attempt.put(Found(kept, INVENTORY, "inventory"))
        attempt.close(COMPLETED, counts=Counts(total=_count(kept)[0]))
        return
    listed = workplace.private / INVENTORY
    with contextlib.suppress(FileNotFoundError):
        listed.unlink()
    progress = Progress(workplace.private / "events")
    plugin = {"GAUNTLET_TEST_INVENTORY": str(listed), "GAUNTLET_TEST_EVENTS": str(workplace.private / "events")}
    ended = _run_tool(job, plugin, progress)
    begun = time.monotonic()
    total, errors = _count(listed)
    verdict = judge_inventory(_facts(order, ended, progress, False)._replace(cases=total), errors)
    if verdict.state == COMPLETED:
        attempt.put(Found(listed, INVENTORY, "inventory"))
        if kept is not None and not errors:
            _keep_inventory(listed, kept, attempt)
    _keep_files(job, [], full=False)
    attempt.phases["upload"] = time.monotonic() - begun
    _close(job, verdict, ended, Counts(total=total))


def _count(listed: Path) -> tuple[int, int]:
    """Entries of an inventory, and how many of them are errors."""
    total = errors = 0
    with contextlib.suppress(FileNotFoundError), listed.open(encoding="utf-8") as lines:
        for line in lines:
            total += 1
            errors += "error" in json.loads(line)
    return total, errors


def _kept_inventory(order: Order, workplace: Workplace) -> Path | None:
    if workplace.cache is None or not _KEY.fullmatch(order.inventory_key):
        return None
    return workplace.cache / "inventories" / f"{order.inventory_key}.jsonl"


def _keep_inventory(listed: Path, kept: Path, attempt: Attempt) -> None:
    """Save the next run the collection; a cache that cannot be written only costs time."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        scratch = kept.with_name(f".{kept.name}.{os.getpid()}.part")
        shutil.copyfile(listed, scratch)
        scratch.replace(kept)
    except OSError as error:
        attempt.warnings.append(f"the inventory was not kept in the cache: {error}")
