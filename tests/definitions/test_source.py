"""A definition's place below include/ says of which kind it is and what its DAG is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from gauntlet.definitions.source import dag_id_of, find_definitions, source_of
from gauntlet.errors import GauntletError


def put(root: Path, relative: str) -> Path:
    path = root / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("kind: TestSuite\n")
    return path


def test_the_path_makes_the_dag_id(tmp_path: Path) -> None:
    put(tmp_path, "suites/networkx.yaml")
    put(tmp_path, "suites/payments/api.yml")
    assert [dag_id_of(source) for source in find_definitions(tmp_path)] == ["suite__networkx", "suite__payments__api"]


def test_hidden_files_and_other_suffixes_are_no_definitions(tmp_path: Path) -> None:
    for name in ("suites/.draft.yaml", "suites/_parts/x.yaml", "suites/readme.md", "other/x.yaml"):
        put(tmp_path, name)
    assert list(find_definitions(tmp_path)) == []


@pytest.mark.parametrize("name", ["a b", "a__b", "-a", "ä"])
def test_a_name_that_makes_no_dag_id_is_refused(tmp_path: Path, name: str) -> None:
    put(tmp_path, f"suites/{name}.yaml")
    (source,) = find_definitions(tmp_path)
    with pytest.raises(GauntletError, match="cannot be part of a DAG id"):
        dag_id_of(source)


def test_two_files_that_make_the_same_dag_id_are_not_both_taken(tmp_path: Path) -> None:
    put(tmp_path, "suites/a.yaml")
    put(tmp_path, "suites/a.yml")
    first, second = find_definitions(tmp_path)
    assert dag_id_of(first) == "suite__a"
    with pytest.raises(GauntletError, match="makes the same DAG id"):
        dag_id_of(second)


def test_a_file_elsewhere_is_no_source(tmp_path: Path) -> None:
    outside = put(tmp_path / "elsewhere", "suites/a.yaml")
    inside = put(tmp_path / "include", "suites/a.yaml")
    assert source_of(outside, tmp_path / "include") is None
    found = source_of(inside, tmp_path / "include")
    assert found is not None
    assert found.relative == "suites/a.yaml"
