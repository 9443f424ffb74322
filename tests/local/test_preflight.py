"""What stands in the stack's way: one sentence each, with what to do, all at once."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gauntlet.local import preflight
from gauntlet.local.paths import StackPaths
from gauntlet.local.ports import Holder


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_these_pythons_are_fine(version: tuple[int, int]) -> None:
    assert preflight.python_finding(version) is None


@pytest.mark.parametrize("version", [(3, 10), (3, 14), (2, 7)])
def test_other_pythons_are_refused_by_name(version: tuple[int, int]) -> None:
    finding = preflight.python_finding(version)
    assert finding is not None
    assert f"Python {version[0]}.{version[1]}" in str(finding)
    assert finding.fatal


def port_finding(holder: Holder | None, *, session: int | None = None) -> str:
    finding = preflight.port_finding(8080, free=False, holder=holder, state="/ours", session=session)
    return "" if finding is None else str(finding)


def test_a_busy_port_names_its_process_and_another_port() -> None:
    text = port_finding(Holder(77, "jenkins", 77, None))
    assert text == "Port 8080 is in use by jenkins (process 77). Choose another: GAUNTLET_PORT=8081 make up."


def test_a_port_of_another_account_is_busy_too() -> None:
    assert "another account's process" in port_finding(None)


def test_a_port_of_another_stack_names_its_folder() -> None:
    assert "the Gauntlet stack in /theirs" in port_finding(Holder(77, "airflow", 70, "/theirs"))


def test_this_stacks_own_port_is_no_finding() -> None:
    assert port_finding(Holder(77, "airflow", 70, "/ours")) == ""
    assert port_finding(Holder(77, "airflow api_server", 70, None), session=70) == ""


def test_too_little_disk_is_fatal_and_too_little_memory_is_not() -> None:
    disk = preflight.disk_finding(Path("/x"), 500_000_000)
    memory = preflight.memory_finding(500_000_000)
    assert disk is not None
    assert disk.fatal
    assert "0.5 GB" in str(disk)
    assert memory is not None
    assert not memory.fatal


def test_a_missing_compiler_matters_only_without_ready_made_wheels() -> None:
    assert preflight.compiler_finding(None, wheels_fit=True) is None
    assert preflight.compiler_finding("/usr/bin/cc", wheels_fit=False) is None
    finding = preflight.compiler_finding(None, wheels_fit=False)
    assert finding is not None
    assert not finding.fatal


def test_an_account_without_a_name_is_told_how_to_get_one() -> None:
    assert preflight.account_finding(1000, "ada") is None
    finding = preflight.account_finding(1234, None)
    assert finding is not None
    assert finding.fatal
    assert "useradd --uid 1234" in str(finding)


def test_all_findings_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as server:
        env = {"GAUNTLET_PORT": str(server.getsockname()[1]), "KUBECONFIG": "/nowhere"}
        findings = preflight.examine(env, StackPaths(tmp_path / "file" / "state"), session=None)
    text = str(preflight.PreflightError(finding for finding in findings if finding.fatal))
    assert "file is not writable" in text
    assert f"Port {env['GAUNTLET_PORT']} is in use" in text
    assert "KUBECONFIG: names no file" in text


def test_a_port_that_is_no_port_is_a_finding(tmp_path: Path) -> None:
    findings = preflight.examine({"GAUNTLET_PORT": "http"}, StackPaths(tmp_path), session=None)
    assert any("expected a number between 1 and 65535" in str(finding) for finding in findings)
