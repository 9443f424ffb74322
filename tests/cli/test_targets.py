"""What a person names is found: a file anywhere, or a definition by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from gauntlet.cli.targets import UnknownTargetError, names, resolve
from gauntlet.errors import RefusedError

SUITE = "kind: TestSuite\nname: x\ntype: pytest\ncontent: {type: folder, folder: tests}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "include" / "suites" / "payments"
    folder.mkdir(parents=True)
    (folder / "api.yaml").write_text(SUITE)
    return tmp_path / "include"


def test_a_name_runs_the_dag_of_its_file(root: Path) -> None:
    target = resolve("payments/api", root)
    assert (target.dag_id, target.conf) == ("suite__payments__api", {})


def test_a_file_under_include_runs_its_own_dag_too(root: Path) -> None:
    assert resolve(str(root / "suites" / "payments" / "api.yaml"), root).dag_id == "suite__payments__api"


def test_any_other_file_is_given_to_the_dag_that_takes_definitions(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(SUITE)
    target = resolve(str(file), root)
    assert target.dag_id == "run_test"
    assert target.conf["definition"]["content"]["folder"] == str(tmp_path / "tests")


def test_an_unknown_name_is_answered_with_the_known_ones(root: Path) -> None:
    assert names(root) == ["payments/api"]
    with pytest.raises(UnknownTargetError, match="payments/api"):
        resolve("paymants", root)


def test_a_file_that_is_wrong_is_refused(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(SUITE + "typo: 1\n")
    with pytest.raises(RefusedError, match="typo"):
        resolve(str(file), root)
