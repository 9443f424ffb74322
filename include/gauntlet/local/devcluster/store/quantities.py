"""Kubernetes quantities ("100m", "1Gi") as exact numbers. Pure.

Format: k8s.io/apimachinery/pkg/api/resource.Quantity.
"""

from __future__ import annotations

import re
from fractions import Fraction

_SUFFIX = {
    "": Fraction(1), "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000),
    "k": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9), "T": Fraction(10**12),
    "P": Fraction(10**15), "E": Fraction(10**18),
    "Ki": Fraction(2**10), "Mi": Fraction(2**20), "Gi": Fraction(2**30), "Ti": Fraction(2**40),
    "Pi": Fraction(2**50), "Ei": Fraction(2**60),
}  # fmt: skip
_QUANTITY = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)$")


class QuantityError(ValueError):
    """The text is no quantity."""


def parse(value: str | int | float) -> Fraction:
    """Return a quantity's exact value: cores for cpu, bytes for memory.

    Raises:
        QuantityError: with Kubernetes' own sentence.
    """
    match = _QUANTITY.match(str(value).strip())
    if not match:
        raise QuantityError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    number = Fraction(match[1])
    if match[2]:
        return number * Fraction(10) ** int(match[2][1:])
    return number * _SUFFIX[match[3] or ""]


def cpu_text(cores: Fraction) -> str:
    """Write cores the way Kubernetes does: whole, else in thousandths."""
    milli = -(-cores.numerator * 1000 // cores.denominator)
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def memory_text(size_bytes: int) -> str:
    """Write bytes in the largest binary unit that keeps the number whole."""
    for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
        unit = int(_SUFFIX[suffix])
        if size_bytes and size_bytes % unit == 0:
            return f"{size_bytes // unit}{suffix}"
    return str(size_bytes)
