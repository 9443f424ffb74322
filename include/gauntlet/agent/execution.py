"""One run of the tool's command: start it, watch the clock and the pod, stop it, keep its output.

Knows processes and files; what the run means is decided in :mod:`gauntlet.agent.verdicts`.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gauntlet.agent import childenv
from gauntlet.agent.contract import OUTPUT_LOG, Order
from gauntlet.agent.failures import Refusal
from gauntlet.agent.output import HeadAndTail, PodLog, pump
from gauntlet.agent.processes import Tool, Usage, adopt_orphans, usage
from gauntlet.agent.progress import Progress
from gauntlet.agent.redaction import Redactor
from gauntlet.agent.reporting import Attempt, Beat
from gauntlet.agent.workplace import Prepared, Workplace

CANCEL_GRACE_SECONDS = 2.0
SAMPLE_SECONDS = 1.0
PLUGIN_FOLDER = Path(__file__).parent / "testside"


class Ended(NamedTuple):
    """How the tool ended."""

    exit_code: int | None
    timed_out: bool
    cancelled: bool
    survivors: bool


class Stop:
    """Tells the run that the pod is to stop; set from a signal handler."""

    def __init__(self) -> None:
        self.wake = threading.Event()
        self.asked = False

    def __call__(self, *_: object) -> None:
        self.asked = True
        self.wake.set()


def filled(command: Sequence[str], places: Mapping[str, str]) -> list[str]:
    """A command line with its placeholders replaced; other braces are left as they are."""
    words = []
    for word in command:
        for name, value in places.items():
            word = word.replace("{" + name + "}", value)  # noqa: PLW2901
        words.append(word)
    return words


def places(prepared: Prepared, workplace: Workplace) -> dict[str, str]:
    """What the placeholders stand for. ``{work}`` is where the tool runs: in its content, if it has some."""
    folder = prepared.content or str(workplace.run)
    return {
        "python": prepared.python,
        "site_packages": prepared.site_packages,
        "work": folder,
        "content": folder,
        "results": str(workplace.results),
    }


class Watch:
    """Measures the tool and reports on it while it runs."""

    def __init__(self, attempt: Attempt, progress: Progress, heartbeat_seconds: float) -> None:
        self._attempt = attempt
        self._progress = progress
        self._heartbeat_seconds = heartbeat_seconds
        self._next_beat = 0.0
        self._last = Usage(0.0, 0)

    def __call__(self) -> None:
        """Take a sample; every so often report."""
        self.sample()
        now = time.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + self._heartbeat_seconds
            self._progress.read()
            self._attempt.beat(
                "running",
                self._progress.counts,
                current=self._progress.current,
                memory_bytes=self._last.memory_bytes,
            )
            self._attempt.put_cases(self._progress, hasty=True)

    def sample(self) -> None:
        """Measure once."""
        self._last = usage()
        self._attempt.cpu_seconds = max(self._attempt.cpu_seconds, self._last.cpu_seconds)
        self._attempt.max_memory_bytes = max(self._attempt.max_memory_bytes, self._last.memory_bytes)


@contextlib.contextmanager
def _kept_output(tool: Tool, path: Path, max_bytes: int, redactor: Redactor) -> Iterator[None]:
    kept = HeadAndTail(path, max_bytes)
    log = PodLog(sys.stdout.fileno())
    thread = threading.Thread(target=pump, args=(tool.output, redactor, kept, log), name="output", daemon=True)
    thread.start()
    try:
        yield
    finally:
        # Everyone who could write is dead by now; a process the kernel will not let go must not hold us.
        thread.join(timeout=5.0)
        if not thread.is_alive():
            kept.close()


def execute(
    order: Order,
    workplace: Workplace,
    prepared: Prepared,
    *,
    environ: Mapping[str, str],
    plugin: Mapping[str, str],
    attempt: Attempt,
    progress: Progress,
    stop: Stop,
) -> Ended:
    """Run the order's command until it ends, is too slow, or the pod is stopped; leave none of it running.

    :param plugin: the plugin's variables.
    :raises Refusal: ToolNotStarted when there is no such program.
    """
    stands_for = places(prepared, workplace)
    command = filled(order.command, stands_for)
    env = childenv.for_tool(
        environ,
        bin_folder=str(Path(prepared.python).parent) if prepared.python else "",
        home=workplace.home,
        scratch=workplace.scratch,
        chosen={name: filled([value], stands_for)[0] for name, value in order.env.items()},
        secrets=order.secret_env,
        plugin_path=str(PLUGIN_FOLDER),
        plugin=plugin,
    )
    adopt_orphans()
    try:
        tool = Tool(command, env, Path(stands_for["work"]))
    except (OSError, ValueError, IndexError) as error:
        program = command[0] if command else "an empty command"
        raise Refusal("ToolNotStarted", f"{program} cannot be started: {error}") from None
    tool.watch(stop.wake)
    watch = Watch(attempt, progress, order.heartbeat_seconds)
    with _kept_output(tool, workplace.private / OUTPUT_LOG, order.max_output_bytes, attempt.redactor):
        with Beat(min(SAMPLE_SECONDS, order.heartbeat_seconds), watch):
            timed_out = _until_over(tool, order, stop)
            gone = tool.kill_all()
        watch.sample()
    return Ended(tool.exit_code, timed_out, stop.asked, not gone)


def _until_over(tool: Tool, order: Order, stop: Stop) -> bool:
    """Wait for the tool; stop it when it must be.

    :returns: whether it ran into its time limit.
    """
    deadline = time.monotonic() + order.timeout_seconds
    while not tool.ended and not stop.asked and time.monotonic() < deadline:
        stop.wake.wait(max(0.0, deadline - time.monotonic()))
        if not stop.asked and not tool.ended:
            stop.wake.clear()
    if tool.ended:
        return False
    timed_out = not stop.asked
    tool.terminate()
    _grace(tool, order, stop)
    return timed_out


def _grace(tool: Tool, order: Order, stop: Stop) -> None:
    """Give the tool its grace period, which a pod that is stopped cuts short."""
    begun = time.monotonic()
    while not tool.ended:
        limit = min(CANCEL_GRACE_SECONDS, order.grace_period_seconds) if stop.asked else order.grace_period_seconds
        left = begun + limit - time.monotonic()
        if left <= 0:
            return
        stop.wake.clear()
        if not tool.ended:
            stop.wake.wait(min(left, 0.5))
