"""The Makefile before anything is installed: one clear sentence instead of a shell's mumbling."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with no more than `make install` looks at, and a Python that must not be used."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\necho\n")  # what a Python outside 3.11 to 3.13 answers to the Makefile's question
    old.chmod(0o755)
    return tmp_path


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *arguments], cwd=checkout, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("python", ["/nowhere/python3", "./old-python"])
def test_without_a_fitting_python_one_sentence_says_what_to_do(checkout: Path, python: str) -> None:
    done = make(checkout, "install", f"PYTHON={python}")
    assert done.returncode == 2
    sentence = done.stderr.splitlines()[0]
    assert sentence.startswith(f"gauntlet: None of {python} is a Python from 3.11 to 3.13: install one")
    assert not (checkout / ".venv").exists()


def test_down_needs_no_installation(checkout: Path) -> None:
    done = make(checkout, "down")
    assert done.returncode == 0
    assert "nothing runs" in done.stdout


def test_make_alone_lists_what_there_is(checkout: Path) -> None:
    listed = make(checkout).stdout
    for target in ("install", "up", "down", "status", "doctor", "run", "test", "test-quick", "lint", "bench", "clean"):
        assert f"  {target} " in listed
