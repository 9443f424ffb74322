"""Brings single programs of the stack up under supervisord and waits until they are of use.

How one program gets from whatever state it is in to a healthy one stands here; in which order programs come, and
what healthy means for each, stands in `stack`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from gauntlet.errors import GauntletError
from gauntlet.local.keys import write_private
from gauntlet.local.paths import StackPaths
from gauntlet.local.programs import Program, identity_in
from gauntlet.local.supervision import ProgramState, Supervisor, order_file

Say = Callable[[str, float], None]
"""Told of each step that is done: what, and how many seconds it took."""

START_TIMEOUT_SECONDS = 60
_HUNG_SECONDS = 30  # how long a component that was running already may fail its check before it is restarted


class StackError(GauntletError):
    """The embedded stack does not come up."""


class Starter:
    """Brings programs up under one supervisor and waits for their checks."""

    def __init__(self, paths: StackPaths, supervisor: Supervisor, say: Say) -> None:
        self._paths = paths
        self._supervisor = supervisor
        self._say = say

    def bring_up(
        self,
        programs: list[Program],
        check: Callable[[ProgramState], str | None],
        timeout_seconds: float = START_TIMEOUT_SECONDS,
    ) -> None:
        """Start those that do not run or are to be others, then wait until each passes its check.

        :param check: given what the supervisor says of a program, what it lacks.
        :param timeout_seconds: how long one that was started may take.
        :raises StackError: one does not get healthy; with the end of its log.
        """
        started = time.monotonic()
        fresh = {program.name for program in programs if self._start(program)}
        for program in programs:
            if program.name not in fresh and not self._healthy_within(program, check, _HUNG_SECONDS):
                self._restart(program)
                fresh.add(program.name)
        for program in programs:
            if program.name not in fresh:
                continue
            if not self._healthy_within(program, check, timeout_seconds):
                raise self._failure(program, check)
            self._say(program.name, time.monotonic() - started)

    def _start(self, program: Program) -> bool:
        order = order_file(self._paths, program.name)
        running = self._supervisor.states()[program.name].running
        if running and identity_in(order) == program.identity():
            return False
        if running:
            self._stop(program)
        write_private(order, program.order())
        self._supervisor.start_program(program.name)
        return True

    def _restart(self, program: Program) -> None:
        self._stop(program)
        self._supervisor.start_program(program.name)

    def _stop(self, program: Program) -> None:
        self._supervisor.begin_stop(program.name)
        self._supervisor.wait_stopped([program.name], timeout_seconds=program.stop_seconds + 10)

    def _healthy_within(self, program: Program, check: Callable[[ProgramState], str | None], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        pause = 0.02
        while True:
            state = self._supervisor.states().get(program.name)
            if state is None or state.state == "FATAL":
                return False
            if state.running and check(state) is None:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(0.5, pause * 1.5)

    def _failure(self, program: Program, check: Callable[[ProgramState], str | None]) -> StackError:
        log = self._paths.log_of(program.name)
        state = self._supervisor.states().get(program.name)
        problem = "supervisord does not know it" if state is None else check(state) or state.explanation
        return StackError(
            f"{program.name} does not get healthy: {problem}", todo=f"The end of {log}:\n{tail(log, lines=15)}"
        )


def tail(path: Path, *, lines: int) -> str:
    """The last lines of a log, at most 16 KiB of it."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:])
