"""What an agent wrote is read line by line, and no line can spoil another."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.agent import contract
from gauntlet.agent.contract import Case, Counts, Manifest, StoredFile
from gauntlet.testing.results.agent_files import read_case, read_cases, read_manifest

CASE = Case("t.py::a", "a", "t", "t.py", "passed", 1.5, 3, "m", "d", "o", "e", 100.5, {"k": "v"})
MANIFEST = Manifest(
    "shard",
    "exec-1",
    0,
    1,
    "completed",
    0,
    1.0,
    2.0,
    Counts(1, 1),
    files=[StoredFile("a", 1, "x", "log", "t")],
    phases={"run": 1.0},
    warnings=["odd"],
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
)


def test_what_the_agent_writes_is_read_back() -> None:
    lines = "\n".join(contract.dumps(CASE) for _ in range(3)) + "\n"
    assert read_cases(lines, where="1.jsonl") == ([CASE] * 3, [])
    assert read_manifest(contract.dumps(MANIFEST)) == MANIFEST


def test_a_torn_or_foreign_line_is_a_warning_and_the_others_are_kept() -> None:
    good = contract.dumps(CASE)
    cases, warnings = read_cases(f"{good}\nnoise\n[1]\n\n{good}\n{good[:40]}", where="cases/2.jsonl")
    assert cases == [CASE, CASE]
    assert [warning.partition(": ")[0] for warning in warnings] == [
        "cases/2.jsonl:2",
        "cases/2.jsonl:3",
        "cases/2.jsonl:6",
    ]


def test_thousands_of_bad_lines_are_a_few_warnings() -> None:
    _, warnings = read_cases("x\n" * 5000, where="1.jsonl")
    assert len(warnings) == 21
    assert warnings[-1] == "1.jsonl: 4980 more lines are no cases"


def test_a_line_separator_in_a_text_does_not_part_the_line() -> None:
    case = dataclasses.replace(CASE, message="a\u2028b\x85c\x0cd")
    assert read_cases(contract.dumps(case), where="1.jsonl") == ([case], [])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("id", 3),
        ("status", "flaky"),
        ("status", ["passed"]),
        ("duration_ms", "1"),
        ("duration_ms", float("nan")),
        ("duration_ms", -1),
        ("started_at", True),
        ("line", "3"),
        ("line", -1),
        ("details", None),
        ("properties", []),
    ],
)
def test_a_case_with_an_impossible_field_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field if value != "" else "no id"):
        read_case({**dataclasses.asdict(CASE), field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("state", "great"),
        ("started_at", "now"),
        ("counts", []),
        ("counts", {"total": "1"}),
        ("phases", {"run": None}),
        ("files", ["x"]),
        ("files", [{"path": 1}]),
        ("cause", {}),
        ("warnings", [1]),
        ("finished_at", float("inf")),
    ],
)
def test_a_manifest_with_an_impossible_field_is_none(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_manifest(json.dumps({**dataclasses.asdict(MANIFEST), field: value}))


@given(st.dictionaries(st.sampled_from([f.name for f in dataclasses.fields(Case)]), JSON))
def test_whatever_stands_in_a_case_it_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        case = read_case({**dataclasses.asdict(CASE), **changes})
    except ValueError:
        return
    assert case.id
    assert case.duration_ms >= 0


@given(st.text(max_size=100) | st.just("[" * 100_000))
def test_no_text_raises_anything_but_a_value_error(text: str) -> None:
    read_cases(text, where="1.jsonl")
    with pytest.raises(ValueError, match=r"."):
        read_manifest(text)
