"""Mount paths become folders, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.local.devcluster.node.rewriting import Rewriter, volume_variable

MOUNTS = {"/work": Path("/host/w"), "/work/cache": Path("/host/c"), "/tmp": Path("/host/t"), "/": Path("/never")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/work", "/host/w"),
        ("/work/", "/host/w/"),
        ("/work/a b/work", "/host/w/a b/work"),
        ("/work/cache/x", "/host/c/x"),
        ("/work/cached", "/host/w/cached"),
        ("/workshop /work.txt /work-2 /my/work ./work ~/work", "/workshop /work.txt /work-2 /my/work ./work ~/work"),
        ("--out=/work/x", "--out=/host/w/x"),
        ("cat '/work/f' \"/work/g\">/tmp/x", "cat '/host/w/f' \"/host/w/g\">/host/t/x"),
        ("PATH=/a:/work/bin:/b", "PATH=/a:/host/w/bin:/b"),
        ("file:///work/x", "file:///host/w/x"),
        ("http://host/work/x s3://bucket/work", "http://host/work/x s3://bucket/work"),
        ("cd /work;ls", "cd /host/w;ls"),
    ],
)
def test_a_mount_path_is_replaced_as_a_whole_component(text: str, expected: str) -> None:
    assert Rewriter(MOUNTS).text(text) == expected


def test_a_folder_that_holds_a_mount_path_in_its_own_name_is_not_rewritten_again() -> None:
    assert Rewriter({"/tmp": Path("/tmp/pods/1/tmp")}).text("/tmp/a") == "/tmp/pods/1/tmp/a"


@given(st.text(alphabet="abc/ .=:-", max_size=30))
def test_without_mounts_text_stays_as_it_is(text: str) -> None:
    assert Rewriter({}).text(text) == text


@given(st.text(alphabet="abcxyz ._-", max_size=30))
def test_text_without_a_slash_is_never_touched(text: str) -> None:
    assert Rewriter(MOUNTS).text(text) == text


def test_a_volume_s_variable_is_its_name_in_capitals() -> None:
    assert volume_variable("my-cache.v1") == "DEVCLUSTER_VOLUME_MY_CACHE_V1"
