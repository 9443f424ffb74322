"""Becoming a program: exactly its environment, its folder, its command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gauntlet.local.programs import Program, identity_in

REPORT = "import json, os; print(json.dumps([dict(os.environ), os.getcwd(), os.getuid(), os.getgroups()]))"


def launched(order: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gauntlet.local.launch", str(order)]
    return subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, check=False)


def test_a_program_sees_its_order_and_nothing_of_the_caller(tmp_path: Path) -> None:
    env = {"SECRET": 'a "quoted" 100 % $value', "LC_ALL": "C.UTF-8"}
    program = Program("p", (sys.executable, "-c", REPORT), env=env, surroundings={"PATH": "/bin"}, cwd=tmp_path)
    order = tmp_path / "order.json"
    order.write_text(program.order())
    seen, folder, *_ = json.loads(launched(order, FOREIGN="1").stdout)
    assert seen == {**env, "PATH": "/bin"}
    assert folder == str(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_a_program_of_another_account_keeps_nothing_of_root() -> None:
    argv = ("/usr/bin/env", "python3", "-c", REPORT) if Path("/usr/bin/python3").exists() else ("/usr/bin/id",)
    order = Path("/tmp") / f"order-{os.getpid()}.json"
    program = Program("p", argv, env={"PATH": "/usr/bin:/bin"}, surroundings={}, cwd=Path("/"), account=(65534, 65534))
    order.write_text(program.order())
    try:
        _, _, user, groups = json.loads(launched(order).stdout)
    finally:
        order.unlink()
    assert user == 65534
    assert 0 not in groups


def test_an_order_on_disk_tells_which_program_it_starts(tmp_path: Path) -> None:
    program = Program("p", ("/bin/true",), env={"A": "1"}, surroundings={"PATH": "/x"}, cwd=tmp_path)
    order = tmp_path / "order.json"
    assert identity_in(order) is None
    order.write_text("{")
    assert identity_in(order) is None
    order.write_text(program.order())
    assert identity_in(order) == program.identity()
