"""`gauntlet validate` tells everything about every file, to people and to programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gauntlet.cli.validate import validate

GOOD = "kind: TestSuite\nname: x\ntype: pytest\ncontent: {type: package, package: networkx}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(GOOD + "typo: 1\npriority: 77\n")
    return tmp_path


def test_a_good_file_is_called_good(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate([folder / "good.yaml"], as_json=False) == 0
    assert "a good TestSuite, x" in capsys.readouterr().out


def test_one_bad_file_does_not_hide_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate([folder], as_json=False) == 3
    out = capsys.readouterr().out
    assert "bad.yaml:5: typo:" in out
    assert "bad.yaml:6: priority:" in out
    assert "a good TestSuite, x" in out


def test_programs_get_one_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate([folder], as_json=True) == 3
    files = json.loads(capsys.readouterr().out)["files"]
    assert [one["valid"] for one in files] == [False, True]
    assert files[0]["problems"][0]["line"] == 5


def test_an_empty_folder_is_not_called_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate([tmp_path], as_json=False) == 3
    assert "no definition file" in capsys.readouterr().err
