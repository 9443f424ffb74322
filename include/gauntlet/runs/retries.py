"""How long to wait before another attempt, or that there is none left. Pure."""

from __future__ import annotations

from typing import Literal

MAX_DELAY_SECONDS = 3600

Strategy = Literal["fixed", "linear", "exponential"]


def delay_seconds(strategy: Strategy, *, backoff_seconds: float, failures: int) -> float:
    """The pause before the next attempt.

    :param failures: attempts that failed so far, at least 1.
    :returns: seconds; at most an hour.
    """
    factor = {"fixed": 1, "linear": failures, "exponential": 2 ** min(failures - 1, 20)}[strategy]
    return float(min(backoff_seconds * factor, MAX_DELAY_SECONDS))
