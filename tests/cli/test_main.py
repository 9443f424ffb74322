"""The command as a person meets it: quick, one clear message, the right exit code."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

GAUNTLET = [sys.executable, "-m", "gauntlet.cli.main"]


def gauntlet(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    foreign = ("GAUNTLET_", "KUBECONFIG")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return subprocess.run([*GAUNTLET, *arguments], env={**clean, **env}, capture_output=True, text=True, check=False)


def test_help_names_every_command() -> None:
    shown = gauntlet("--help").stdout
    assert all(f" {command} " in shown for command in ("up", "down", "status", "doctor"))


def test_help_imports_nothing_heavy() -> None:
    probe = (
        "import sys, gauntlet.cli.main;"
        "print([name for name in ('airflow', 'sqlalchemy', 'pandas', 'kubernetes', 'psycopg', 'psutil', 'pydantic')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_busy_port_keeps_the_stack_down_with_one_message_and_no_traceback(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        done = gauntlet("up", GAUNTLET_HOME=str(tmp_path / "state"), GAUNTLET_PORT=port)
    assert done.returncode == 2
    assert f"Port {port} is in use by" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "state").exists(), "a refusal changes nothing"


def test_doctor_says_all_that_is_wrong(tmp_path: Path) -> None:
    done = gauntlet("doctor", GAUNTLET_HOME=str(tmp_path), GAUNTLET_PORT="x", KUBECONFIG="/nowhere")
    assert done.returncode == 1
    assert "GAUNTLET_PORT: found 'x'" in done.stdout
    assert "KUBECONFIG: names no file that exists" in done.stdout


def test_status_as_json_is_one_document_also_when_nothing_was_started(tmp_path: Path) -> None:
    done = gauntlet("status", "--json", GAUNTLET_HOME=str(tmp_path))
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert (document["healthy"], document["components"]) == (False, [])


@pytest.mark.parametrize("arguments", [("down",), ("down", "--delete-data")])
def test_down_is_no_error_when_nothing_runs(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = gauntlet(*arguments, GAUNTLET_HOME=str(tmp_path / "state"))
    assert done.returncode == 0
    assert "Nothing was running" in done.stdout


def test_deleting_data_leaves_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    (tmp_path / "logs").mkdir()
    gauntlet("down", "--delete-data", GAUNTLET_HOME=str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
