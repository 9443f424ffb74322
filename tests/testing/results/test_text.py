"""Words for durations and sizes, and text that fits everywhere."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.testing.results.text import cut, duration, size, speakable


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 ms"),
        (0.4, "< 1 ms"),
        (340.2, "340 ms"),
        (12_345, "12.3 s"),
        (59_990, "1 min 00 s"),
        (245_000, "4 min 05 s"),
        (7_380_000, "2 h 03 min"),
    ],
)
def test_durations_are_said_as_people_say_them(milliseconds: float, words: str) -> None:
    assert duration(milliseconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (1023, "1023 B"), (2048, "2.0 KiB"), (2**28, "256 MiB"), (3 * 2**30, "3.0 GiB")]
)
def test_sizes_are_said_in_powers_of_1024(count: int, words: str) -> None:
    assert size(count) == words


@given(st.text(alphabet=st.characters(), max_size=200))
def test_what_is_speakable_can_stand_in_any_xml(text: str) -> None:
    escaped = speakable(text).replace("&", "&amp;").replace("<", "&lt;").replace("]]>", "")
    ET.fromstring(f"<a>{escaped}</a>".encode())  # noqa: S314


@given(st.text(max_size=500), st.integers(10, 300))
def test_a_cut_text_keeps_its_head_and_tail_and_counts_what_is_gone(text: str, most: int) -> None:
    short = cut(text, most)
    if len(text) <= most:
        assert short == text
    else:
        assert short.startswith(text[: most // 3])
        assert short.endswith(text[-(most // 4) :])
        assert f"{len(text) - most:,} characters left out" in short
