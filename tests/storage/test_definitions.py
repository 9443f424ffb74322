"""Definitions are mirrored by what they say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from gauntlet.storage import definitions

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner, max_size=4)
)


@given(st.dictionaries(st.text(), JSON, min_size=1, max_size=5))
def test_the_order_of_fields_does_not_change_the_hash(body: dict[str, object]) -> None:
    assert definitions.content_hash(body) == definitions.content_hash(dict(reversed(body.items())))
    assert definitions.content_hash(body) != definitions.content_hash({**body, "one more field": 1})


def test_the_same_content_again_changes_nothing(connection: Connection) -> None:
    first = definitions.mirror(
        connection, kind="TestSuite", name="a", body={"x": 1}, type="pytest", source="suites/a.yaml"
    )
    again = definitions.mirror(
        connection, kind="TestSuite", name="a", body={"x": 1}, type="pytest", source="suites/a.yaml"
    )
    assert again == first
    assert first.version == 1


def test_changed_content_is_a_new_version_of_the_same_row(connection: Connection) -> None:
    first = definitions.mirror(connection, kind="TestSuite", name="a", body={"x": 1})
    second = definitions.mirror(connection, kind="TestSuite", name="a", body={"x": 2})
    assert (second.id, second.version, second.body) == (first.id, 2, {"x": 2})


def test_a_definition_whose_file_is_gone_is_marked_and_comes_back_with_its_file(connection: Connection) -> None:
    for name in ("a", "b"):
        definitions.mirror(connection, kind="TestSuite", name=name, body={}, source=f"suites/{name}.yaml")
    definitions.mirror(connection, kind="TestSuite", name="by-api", body={})
    assert definitions.retire(connection, "TestSuite", ["suites/b.yaml"]) == ["a"]
    assert definitions.retire(connection, "TestSuite", ["suites/b.yaml"]) == []
    gone = definitions.get(connection, "TestSuite", "a")
    assert gone is not None
    assert gone.deleted
    assert not definitions.mirror(connection, kind="TestSuite", name="a", body={}, source="suites/a.yaml").deleted


def test_a_definition_that_never_was_is_none(connection: Connection) -> None:
    assert definitions.get(connection, "TestSuite", "nobody") is None
