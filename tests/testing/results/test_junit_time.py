"""Times as they stand in reports."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.testing.results.junit_time import parse_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0.5", 0.5),
        ("12", 12.0),
        ("1,024.12", 1024.12),
        ("14,029.255", 14029.255),
        ("1,234,567", 1234567.0),
        ("0,03", 0.03),
        ("1.024,12", 1024.12),
        ("80.803us", 80.803e-6),
        ("80.803µs", 80.803e-6),
        ("250ms", 0.25),
        ("1.5 s", 1.5),
        ("2min", 120.0),
        ("1e-3", 0.001),
        (" 3 ", 3.0),
    ],
)
def test_a_time_is_understood(text: str, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "-345345", "-0,5", "NaN", "inf", "-inf", "<<computed>>", "soon", "1,2,3.4.5", "5 parsecs", "e"]
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse_seconds(text) is None


@given(st.floats(min_value=0, max_value=1e9))
def test_surefire_s_thousands_separators_change_nothing(seconds: float) -> None:
    assert parse_seconds(f"{seconds:,.3f}") == pytest.approx(float(f"{seconds:.3f}"))


@given(st.text())
def test_no_text_raises(text: str) -> None:
    answer = parse_seconds(text)
    assert answer is None or answer >= 0
