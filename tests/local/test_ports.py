"""Ports: kept from start to start, and whoever holds one is named."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.local import ports

PORTS = st.integers(1, 65535)


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@given(previous=PORTS, other=PORTS)
def test_a_service_keeps_its_port_while_it_listens_there_itself(previous: int, other: int) -> None:
    assert ports.keep_or_choose(previous, ours=True, free=lambda _: False, choose=lambda: other) == previous


@given(previous=st.none() | PORTS, other=PORTS, free=st.booleans())
def test_a_stopped_service_keeps_its_port_exactly_when_it_is_free(previous: int | None, other: int, free: bool) -> None:
    kept = ports.keep_or_choose(previous, ours=False, free=lambda _: free, choose=lambda: other)
    assert kept == (previous if previous is not None and free else other)


def test_a_busy_port_is_not_free_and_its_holder_is_named(busy_port: int) -> None:
    assert not ports.is_free(busy_port)
    holder = ports.holder_of(busy_port)
    assert holder is not None
    assert holder.pid == os.getpid()


def test_nobody_holds_a_free_port() -> None:
    assert ports.holder_of(ports.any_free()) is None


def test_the_ui_port_is_8080_unless_gauntlet_port_says_otherwise() -> None:
    assert ports.ui_port({}) == 8080
    assert ports.ui_port({"GAUNTLET_PORT": "9000"}) == 9000


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "80.5", "٨٠٨٠"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(ports.PortError, match=r"GAUNTLET_PORT: found .* expected a number between 1 and 65535"):
        ports.ui_port({"GAUNTLET_PORT": text})
