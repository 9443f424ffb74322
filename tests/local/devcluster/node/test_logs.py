"""Logs are read back in the part asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gauntlet.local.devcluster.api.streams import LogOptions
from gauntlet.local.devcluster.node import logs


def record(number: int, text: str | None = None, partial: bool = False) -> bytes:
    body = f"line {number}" if text is None else text
    return f"2026-01-01T00:00:{number:02d}.000000000Z stdout {'P' if partial else 'F'} {body}\n".encode()


async def read(path: Path, **options: int | str | bool) -> str:
    given_options = LogOptions(container="c", **options)  # type: ignore[arg-type]
    return b"".join([piece async for piece in logs.read(path, given_options, lambda: False)]).decode()


async def test_a_log_is_read_whole_and_in_part(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"".join(record(number) for number in range(5)))
    assert await read(path) == "line 0\nline 1\nline 2\nline 3\nline 4\n"
    assert await read(path, tail_lines=2) == "line 3\nline 4\n"
    assert await read(path, tail_lines=0) == ""
    assert await read(path, limit_bytes=9) == "line 0\nli"
    assert await read(path, since_time="2026-01-01T00:00:04Z") == "line 4\n"
    assert await read(path, timestamps=True, tail_lines=1) == "2026-01-01T00:00:04.000000000Z line 4\n"


async def test_a_rotated_log_continues_in_the_next_file(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.with_name("0.log.1").write_bytes(record(1))
    path.write_bytes(record(2))
    assert await read(path) == "line 1\nline 2\n"


async def test_a_line_in_pieces_is_one_line_again(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(record(1, "one ", partial=True) + record(1, "line"))
    assert await read(path) == "one line\n"


async def test_a_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert await read(tmp_path / "0.log") == ""


async def test_a_followed_log_goes_on_across_a_rotation_until_its_container_ends(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(record(1))
    alive = [True]
    pieces = logs.read(path, LogOptions(container="c", follow=True), lambda: alive[0])
    async with asyncio.timeout(10):
        assert await anext(pieces) == b"line 1\n"
        with path.open("ab") as file:
            file.write(record(2))
        path.rename(path.with_name("0.log.1"))
        path.write_bytes(record(3))
        assert await anext(pieces) == b"line 2\nline 3\n"
        alive[0] = False
        assert [piece async for piece in pieces] == []


@given(st.lists(st.binary(max_size=8), max_size=6), st.integers(min_value=0, max_value=30))
def test_a_limit_cuts_exactly(pieces: list[bytes], limit: int) -> None:
    assert b"".join(logs.limited(iter(pieces), limit)) == b"".join(pieces)[:limit]


def test_the_last_lines_make_a_message(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"".join(record(number) for number in range(9)))
    assert logs.last_lines(path, 2, 100) == "line 7\nline 8\n"
    assert logs.last_lines(path, 9, 4) == "e 8\n"
    assert logs.last_lines(tmp_path / "none", 2, 100) == ""
