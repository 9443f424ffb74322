"""The one shape of an error that a person reads: what was wrong, where, and what to do.

Every room raises a subclass of :class:`GauntletError` for what a user can act on; anything else is a bug and
keeps its traceback. Nothing here may import another room.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class GauntletError(Exception):
    """Something a user can act on.

    :param what: what was wrong, as a sentence without a full stop at its end.
    :param where: the file, field, address or object concerned; empty when ``what`` names it.
    :param todo: what to do about it; empty when nothing sensible can be said.
    """

    def __init__(self, what: str, *, where: str = "", todo: str = "") -> None:
        self.what = what
        self.where = where
        self.todo = todo
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.todo}" if self.todo else text


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input, precise enough to mend it.

    :param file: the file's path as the user named it, or ``<request>`` for a body without one.
    :param line: 1-based line, or None when the format has no lines.
    :param field: the dotted path of the field, such as ``config.retryPolicy.maxRetries``; empty for the whole.
    :param found: what stands there.
    :param expected: what may stand there.
    """

    file: str
    line: int | None
    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        subject = f"{self.field}: " if self.field else ""
        return f"{place}: {subject}found {self.found}, expected {self.expected}"


class RefusedError(GauntletError):
    """An input was refused; carries every problem at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"refused with {count} problem{'s' if count != 1 else ''}:\n{lines}")
