"""A folder is packed the same way every time, and only what belongs to it."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from gauntlet.errors import GauntletError
from gauntlet.testing.content import FolderContent, InlineContent
from gauntlet.testing.packing import Packed, pack


def names(packed: Packed) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(packed.data)) as archive:
        return archive.getnames()


def folder(path: Path, **fields: object) -> FolderContent:
    return FolderContent.model_validate({"type": "folder", "folder": str(path), **fields})


def test_equal_content_has_the_same_checksum_whenever_it_was_written(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "test_x.py").write_text("def test(): pass\n")
    os.utime(tmp_path / "a" / "test_x.py", (1, 1))
    assert pack(folder(tmp_path / "a"), base=tmp_path).sha256 == pack(folder(tmp_path / "b"), base=tmp_path).sha256


def test_caches_links_and_what_is_excluded_stay_behind(tmp_path: Path) -> None:
    for name in ("test_a.py", "__pycache__/x.pyc", ".git/config", "data/big.bin", "data/small.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "link").symlink_to("/etc/hostname")
    assert names(pack(folder(tmp_path, exclude=["*.bin"]), base=tmp_path)) == ["test_a.py", "data/small.txt"]


def test_a_script_becomes_a_file_that_its_tool_finds(tmp_path: Path) -> None:
    script = InlineContent.model_validate({"type": "inline", "script": "def test(): pass"})
    assert names(pack(script, base=tmp_path)) == ["test_inline.py"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(GauntletError, match="there is no such folder"):
        pack(folder(tmp_path / "nowhere"), base=tmp_path)


def test_an_empty_folder_is_nothing_to_send(tmp_path: Path) -> None:
    with pytest.raises(GauntletError, match="no file to send"):
        pack(folder(tmp_path), base=tmp_path)
