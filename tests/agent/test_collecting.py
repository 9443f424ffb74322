"""Choosing files among whatever a tool leaves."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gauntlet.agent.collecting import artifacts, described, reports, store_name
from gauntlet.agent.uploading import checked


def filled(root: Path, *names: str) -> Path:
    """A folder with files of one byte."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_patterns_find_files_and_never_folders_or_what_lies_outside(tmp_path: Path) -> None:
    secret = filled(tmp_path / "out", "secret.png")
    root = filled(tmp_path / "in", "a.png", "deep/b.png", "deep/c.txt", "folder.png/d.bin")
    (root / "leak.png").symlink_to(secret / "secret.png")
    (root / "leaks").symlink_to(secret)
    (root / "inside.png").symlink_to(root / "a.png")
    found, warnings = artifacts([root], ["**/*.png", "leaks/*", "../out/*", "/etc/*", ""], [])
    names = [item.name for item in found]
    assert sorted(names) == ["artifacts/a.png", "artifacts/deep/b.png", "artifacts/inside.png"]
    assert warnings == []


def test_files_over_the_limits_are_left_out_with_a_warning(tmp_path: Path) -> None:
    root = filled(tmp_path, *(f"{number}.log" for number in range(5)))
    found, warnings = artifacts([root], ["*.log"], [], max_files=3, max_bytes=2)
    assert len(found) == 2
    assert "3 artifacts were left out" in warnings[0]


def test_two_roots_with_the_same_name_keep_both_files(tmp_path: Path) -> None:
    roots = [filled(tmp_path / "a", "x.log"), filled(tmp_path / "b", "x.log")]
    found, _ = artifacts(roots, ["*.log"], [])
    assert [item.name for item in found] == ["artifacts/x.log", "artifacts/x.log_"]


def test_a_report_is_not_kept_a_second_time_as_an_artifact(tmp_path: Path) -> None:
    root = filled(tmp_path, "junit.xml", "other.xml")
    kept, _ = reports(root, [{"path": "junit.xml", "format": "junit"}])
    found, _ = artifacts([root], ["*.xml"], kept)
    assert [item.name for item in found] == ["artifacts/other.xml"]


def test_types_follow_the_file_name(tmp_path: Path) -> None:
    root = filled(tmp_path, "a.PNG", "b.webm", "c.log", "d.bin")
    found, _ = artifacts([root], ["*"], [])
    assert [item.type for item in found] == ["screenshot", "video", "log", "artifact"]


def test_a_file_is_described_by_size_and_checksum(tmp_path: Path) -> None:
    filled(tmp_path, "a.json")
    stored = described(tmp_path / "a.json", "reports/a.json", "report")
    assert (stored.bytes, stored.content_type) == (1, "application/json")
    assert stored.sha256 == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


@given(st.lists(st.text(alphabet=st.characters(blacklist_characters="/\0"), min_size=1, max_size=20), min_size=1))
def test_any_file_name_becomes_a_path_the_store_takes(parts: list[str]) -> None:
    name = store_name("/".join(part for part in parts if part not in (".", "..")) or "x")
    checked("artifacts/" + name)
    assert name.isprintable()
    os.fsencode(name)
