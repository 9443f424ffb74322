"""Archives as strangers make them."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.agent.failures import Refusal
from gauntlet.agent.unpacking import only_folder, safe_name, unpack, wheel_name

MEGABYTE = 1_000_000


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    """A tar of exactly these members, however wicked."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    """A member's header."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    return info


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_in_any_compression_is_unpacked(tmp_path: Path, mode: str) -> None:
    archive = tar_of(
        tmp_path / "a.tar",
        (member("pkg", tarfile.DIRTYPE), b""),
        (member("pkg/run.sh", mode=0o4755), b"#!"),
        (member("pkg/data"), b"1"),
        (member("pkg/link", tarfile.SYMTYPE, "data"), b""),
        (member("pkg/hard", tarfile.LNKTYPE, "pkg/data"), b""),
        mode=mode,
    )
    unpack(archive, tmp_path / "out", MEGABYTE)
    assert (tmp_path / "out/pkg/link").read_bytes() == b"1"
    assert (tmp_path / "out/pkg/hard").read_bytes() == b"1"
    assert (tmp_path / "out/pkg/run.sh").stat().st_mode & 0o7777 == 0o755


def test_a_zip_is_unpacked_with_its_links_and_modes(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        script = zipfile.ZipInfo("bin/run")
        script.external_attr = 0o100755 << 16
        archive.writestr(script, "#!")
        link = zipfile.ZipInfo("bin/alias")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "run")
    unpack(tmp_path / "a.zip", tmp_path / "out", MEGABYTE)
    assert os.access(tmp_path / "out/bin/run", os.X_OK)
    assert os.readlink(tmp_path / "out/bin/alias") == "run"  # noqa: PTH115


WICKED = {
    "absolute": [(member("/tmp/evil"), b"x")],
    "climbing": [(member("a/../../evil"), b"x")],
    "link out": [(member("l", tarfile.SYMTYPE, "../evil"), b"")],
    "absolute link": [(member("l", tarfile.SYMTYPE, "/etc/passwd"), b"")],
    "through a link": [(member("l", tarfile.SYMTYPE, ".."), b""), (member("l/evil"), b"x")],
    "link made through a link": [
        (member("l", tarfile.SYMTYPE, "/tmp"), b""),
        (member("l/evil", tarfile.SYMTYPE, "x"), b""),
    ],
    "links that climb together": [
        (member("d", tarfile.DIRTYPE), b""),
        (member("d/up", tarfile.SYMTYPE, ".."), b""),
        (member("out", tarfile.SYMTYPE, "d/up/.."), b""),
    ],
    "hard link out": [(member("h", tarfile.LNKTYPE, "../../etc/passwd"), b"")],
    "hard link to nothing": [(member("h", tarfile.LNKTYPE, "nothing"), b"")],
    "device": [(member("null", tarfile.CHRTYPE), b"")],
    "pipe": [(member("fifo", tarfile.FIFOTYPE), b"")],
}


@pytest.mark.parametrize("members", WICKED.values(), ids=WICKED.keys())
def test_an_archive_that_reaches_outside_is_refused(
    tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    archive = tar_of(tmp_path / "evil.tar.gz", *members)
    with pytest.raises(Refusal) as refused:
        unpack(archive, tmp_path / "deep" / "out", MEGABYTE)
    assert refused.value.cause == "ContentUnsafe"
    assert "evil.tar.gz" in refused.value.message
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "deep" / "evil").exists()


def test_a_zip_that_climbs_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../evil", "x")
    with pytest.raises(Refusal, match="ContentUnsafe"):
        unpack(tmp_path / "a.zip", tmp_path / "out", MEGABYTE)


def test_what_is_written_counts_and_not_what_headers_claim(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(5 * MEGABYTE))
    assert (tmp_path / "bomb.zip").stat().st_size < 20_000
    with pytest.raises(Refusal, match="ContentTooLarge"):
        unpack(tmp_path / "bomb.zip", tmp_path / "out", MEGABYTE)


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "a.tar.gz", *((member(f"f{number}"), b"") for number in range(20)))
    with pytest.raises(Refusal, match="more than 10 files"):
        unpack(archive, tmp_path / "out", MEGABYTE, max_files=10)


def test_a_header_of_absurd_size_is_refused_before_it_fills_memory(tmp_path: Path) -> None:
    header = member("long", tarfile.XHDTYPE)
    archive = tar_of(tmp_path / "a.tar.gz", (header, b"0" * 3_000_000), (member("x"), b""))
    with pytest.raises(Refusal, match="a header of 3000000 bytes"):
        unpack(archive, tmp_path / "out", 10 * MEGABYTE)


@pytest.mark.parametrize("data", [b"", b"no archive at all", b"PK\x03\x04 broken", b"\x1f\x8b\x08 broken"])
def test_what_is_no_archive_is_unreadable(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(data)
    with pytest.raises(Refusal, match="ContentUnreadable"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out", MEGABYTE)


def test_a_truncated_archive_is_unreadable(tmp_path: Path) -> None:
    whole = tar_of(tmp_path / "a.tar.gz", (member("x"), os.urandom(50_000)))
    whole.write_bytes(whole.read_bytes()[:20_000])
    with pytest.raises(Refusal, match="ContentUnreadable"):
        unpack(whole, tmp_path / "out", MEGABYTE)


@given(st.text(alphabet="ab./\\\0", max_size=20))
def test_no_accepted_name_leads_out_of_the_tree(name: str) -> None:
    try:
        accepted = safe_name(name)
    except Refusal:
        return
    assert os.path.normpath(os.path.join("/root", accepted)).startswith("/root")  # noqa: PTH118


def test_the_single_folder_at_the_top_is_found(tmp_path: Path) -> None:
    (tmp_path / "project-1.0").mkdir()
    assert only_folder(tmp_path) == tmp_path / "project-1.0"
    (tmp_path / "README").touch()
    assert only_folder(tmp_path) is None


def test_a_wheels_name_comes_from_its_metadata(tmp_path: Path) -> None:
    path = tmp_path / "whatever"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("demo-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py2-none-any\nTag: py3-none-any\n")
    assert wheel_name(path) == "demo-1.2-py2.py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README", "")
    assert wheel_name(path) is None
