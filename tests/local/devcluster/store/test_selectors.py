"""Selectors mean what Kubernetes' documentation says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.local.devcluster.store import selectors

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
LABELS = st.dictionaries(NAMES, NAMES, max_size=4)


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("", {}, True),
        ("a=b", {"a": "b"}, True),
        ("a==b", {"a": "c"}, False),
        ("a!=b", {}, True),
        ("a in (b, c)", {"a": "c"}, True),
        ("a in (b,c),d", {"a": "c"}, False),
        ("a notin (b,c)", {}, True),
        ("a notin (b,c)", {"a": "b"}, False),
        ("!a", {"a": ""}, False),
        ("a", {"a": ""}, True),
        ("example.com/role=x-1.y_z", {"example.com/role": "x-1.y_z"}, True),
        ("already_checked!=True,!airflow-worker", {"dag_id": "x"}, True),
        ("n>3", {"n": "4"}, True),
        ("n<3", {"n": "4"}, False),
        ("n>3", {"n": "many"}, False),
        ("a=", {"a": ""}, True),
    ],
)
def test_a_label_selector_chooses(text: str, labels: dict[str, str], expected: bool) -> None:
    assert selectors.labels(text)(labels) is expected


@pytest.mark.parametrize("text", ["a in b", "=b", "a in (b", "!a=b", "a>b", "a b"])
def test_a_label_selector_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(selectors.SelectorError):
        selectors.labels(text)


@given(LABELS, NAMES, NAMES)
def test_equality_and_inequality_are_opposites(labels: dict[str, str], key: str, value: str) -> None:
    assert selectors.labels(f"{key}={value}")(labels) is not selectors.labels(f"{key}!={value}")(labels)


@given(LABELS)
def test_labels_satisfy_the_selector_made_of_them(labels: dict[str, str]) -> None:
    assert selectors.labels(",".join(f"{key}={value}" for key, value in labels.items()))(labels)


def test_a_field_selector_is_taken_apart() -> None:
    assert selectors.fields(r"metadata.name=a,status.phase!=Failed,x==y\,z") == [
        ("metadata.name", True, "a"), ("status.phase", False, "Failed"), ("x", True, "y,z"),
    ]  # fmt: skip


def test_a_field_selector_without_an_operator_is_refused() -> None:
    with pytest.raises(selectors.SelectorError, match=r"metadata\.name"):
        selectors.fields("metadata.name")
