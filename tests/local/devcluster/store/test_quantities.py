"""Quantities are exact."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.local.devcluster.store.quantities import QuantityError, cpu_text, memory_text, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [("100m", Fraction(1, 10)), ("2", 2), ("1.5", Fraction(3, 2)), ("1Gi", 2**30), ("1G", 10**9), ("1e3", 1000),
     ("500n", Fraction(1, 2_000_000)), (3, 3), ("-1", -1), (".5", Fraction(1, 2))],
)  # fmt: skip
def test_a_quantity_is_read(text: str | int, value: Fraction) -> None:
    assert parse(text) == value


@pytest.mark.parametrize("text", ["", "1 Gi", "Gi", "1GB", "1e9999", "0x10", "nan"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(QuantityError, match="quantities must match"):
        parse(text)


@given(st.integers(min_value=0, max_value=2**60))
def test_memory_is_written_so_that_it_reads_back(size: int) -> None:
    assert parse(memory_text(size)) == size


@given(st.integers(min_value=0, max_value=10**6))
def test_cores_are_written_so_that_they_read_back(milli: int) -> None:
    assert parse(cpu_text(Fraction(milli, 1000))) == Fraction(milli, 1000)
