"""Keeping the head and the tail of any amount of output."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gauntlet.agent.output import HeadAndTail, PodLog, tail


@settings(deadline=None)  # each example writes files: how long that takes says nothing about the rule
@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(min_value=0, max_value=60))
def test_head_and_tail_are_exact_for_any_writes_and_any_limit(writes: list[bytes], max_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "output.log"
        kept = HeadAndTail(path, max_bytes)
        for data in writes:
            kept.write(data)
        kept.close()
        whole = b"".join(writes)
        head = max_bytes // 2
        end = max_bytes - head
        if len(whole) <= max_bytes:
            assert path.read_bytes() == whole
        else:
            left_out = len(whole) - max_bytes
            note = f"\n[… {left_out} bytes left out …]\n".encode()
            assert path.read_bytes() == whole[:head] + note + whole[len(whole) - end :]
        assert [entry.name for entry in Path(folder).iterdir()] == ["output.log"]


def test_the_pods_log_stops_with_a_note(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as out:
        log = PodLog(out.fileno(), max_bytes=10)
        log.write(b"12345678")
        log.write(b"90abc")
        log.write(b"more")
    assert (tmp_path / "log").read_bytes() == b"1234567890\n[gauntlet: the rest is in output.log]\n"


def test_a_log_that_nobody_reads_stops_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        PodLog(writer).write(b"x")
    finally:
        os.close(writer)


def test_a_tail_is_text_without_control_characters(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 100 + b"\x1b[31mend\xff\n")
    assert tail(tmp_path / "log", 10) == "\N{REPLACEMENT CHARACTER}[31mend\N{REPLACEMENT CHARACTER}"
    assert tail(tmp_path / "missing") == ""
