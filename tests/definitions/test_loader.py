"""A definition is taken whole or refused with everything that is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.definitions.document import parse
from gauntlet.definitions.loader import content_hash, load_data, load_file, load_text
from gauntlet.errors import Problem, RefusedError

GOOD = """\
kind: TestSuite
name: shop api
type: pytest
content: {type: package, package: networkx, version: 3.6.1}
"""


def refused(text: str) -> tuple[Problem, ...]:
    with pytest.raises(RefusedError) as caught:
        load_text(text, file="suite.yaml")
    return caught.value.problems


def outcome(load: Callable[[], object]) -> str:
    """What became of a definition; any other exception than a refusal with problems is a bug and shows as one."""
    try:
        load()
    except RefusedError as error:
        return "refused" if error.problems else "refused without a word"
    return "taken"


def test_priority_is_five_where_none_is_given() -> None:
    assert load_text(GOOD, file="suite.yaml").priority == 5


def test_yaml_and_a_request_body_make_the_same_definition() -> None:
    from_file = load_text(GOOD, file="suite.yaml")
    from_body = load_data(json.loads(json.dumps(yaml.safe_load(GOOD))))
    assert from_file == from_body
    assert content_hash(from_file) == content_hash(from_body)


def test_a_definition_survives_the_way_through_its_document() -> None:
    definition = load_text(GOOD, file="suite.yaml")
    assert load_data(definition.document()) == definition


def test_every_problem_is_told_at_once_with_its_line() -> None:
    problems = refused(
        "kind: TestSuite\nname: x\ntyp: pytest\ntype: pytst\npriority: 12\n"
        "content:\n  type: package\n  package: networkx\nconfig:\n  parallelism: 0\n"
        "  retryPolicy:\n    maxRetries: lots\n"
    )
    assert [(problem.line, problem.field) for problem in problems] == [
        (3, "typ"),
        (4, "type"),
        (5, "priority"),
        (10, "config.parallelism"),
        (12, "config.retryPolicy.maxRetries"),
    ]


def test_a_problem_says_what_was_found_and_what_was_expected() -> None:
    (problem,) = refused(GOOD + "priority: 12\n")
    assert str(problem) == "suite.yaml:5: priority: found 12, expected less than or equal to 9"


def test_a_missing_field_is_named() -> None:
    problems = refused("kind: TestSuite\nname: x\ntype: pytest\n")
    assert [(problem.field, problem.found) for problem in problems] == [("content", "nothing")]


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    (problem,) = refused("kind: TestSweet\nname: x\n")
    assert (problem.field, problem.found) == ("kind", '"TestSweet"')
    assert "TestSuite" in problem.expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "an empty file"),
        ("- a\n- b\n", '["a", "b"]'),
        ("kind: [", "expected the node content"),
        ("name: a\nname: b\nkind: TestSuite\n", "the same field twice"),
        ("kind: !!python/object/apply:os.system [true]\n", "[true]"),
        ("a: &a {b: 1}\nc: {<<: *a}\n", "a merge key"),
        ("kind: TestSuite\n---\nkind: TestSuite\n", "but found another document"),
    ],
)
def test_what_is_no_definition_is_refused_in_one_sentence(text: str, found: str) -> None:
    problems = refused(text)
    assert found in problems[0].found


def test_a_small_file_cannot_expand_into_a_large_one() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    problems = refused(bomb)
    assert "values (aliases counted)" in problems[0].found


def test_a_file_that_is_not_text_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_bytes(b"kind: TestSuite\nname: \xff\n")
    with pytest.raises(RefusedError, match=r"suite\.yaml:2: found the byte 0xff"):
        load_file(file)


def test_a_date_stays_the_text_that_was_written() -> None:
    assert parse("a: 2026-01-02", file="x").data == {"a": "2026-01-02"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=20,
    )
)
def test_any_data_is_either_a_definition_or_refused(data: object) -> None:
    assert outcome(lambda: load_data(data)) in {"taken", "refused"}


@given(st.text(max_size=200))
def test_any_text_is_either_a_definition_or_refused(text: str) -> None:
    assert outcome(lambda: load_text(text, file="any")) in {"taken", "refused"}
