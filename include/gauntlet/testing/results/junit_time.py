"""Durations as JUnit reports really write them. Pure.

Seen in the wild: ``0.5``, ``1,024.12`` (Surefire), ``0,03`` (a comma for a point), ``14,029.255``, ``-345345``
(a clock that went back), ``80.803us``, ``<<computed>>``, ``NaN``, nothing at all.
"""

from __future__ import annotations

import math
import re

_NUMBER = re.compile(r"\s*([-+]?[\d.,'\u00a0\u202f ]*\d[\d.,]*(?:[eE][-+]?\d+)?)\s*([a-zµμ]*)\s*", re.IGNORECASE)
_SECONDS_PER_UNIT = {
    "": 1.0,
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ns": 1e-9,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
}


def parse_seconds(text: str) -> float | None:
    """A duration in seconds; None when the text is none, or is negative or not finite.

    :param text: the value of a ``time`` attribute.
    """
    try:
        plain = float(text)
    except ValueError:
        return _unusual(text)
    return plain if math.isfinite(plain) and plain >= 0 else None


def _unusual(text: str) -> float | None:
    match = _NUMBER.fullmatch(text)
    unit = _SECONDS_PER_UNIT.get(match[2].lower()) if match else None
    if match is None or unit is None:
        return None
    try:
        value = float(_with_point(re.sub("[\u00a0\u202f ']", "", match[1])))
    except ValueError:
        return None
    return value * unit if math.isfinite(value) and value >= 0 else None


def _with_point(number: str) -> str:
    """Thousands separators away, a decimal comma to a point.

    Whichever of comma and point comes last is the decimal one. A single comma alone is a decimal one as well: times
    of a second with three decimals are common, a round thousand of seconds is not.
    """
    comma, point = number.rfind(","), number.rfind(".")
    if comma > point and (point >= 0 or number.count(",") == 1):
        return number.replace(".", "").replace(",", ".")
    if point >= 0 and number.count(".") > 1:
        return "" if comma >= 0 else number.replace(".", "")
    return number.replace(",", "")
