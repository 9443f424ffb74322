"""uv and pip behind one small interface: find a Python, resolve requirements to a lock, build an environment.

uv when there is one (``GAUNTLET_UV``, beside our own interpreter, on the path), else ``venv`` and pip. Neither knows
of caches or keys; that is :mod:`gauntlet.agent.environments`.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gauntlet.agent.failures import Refusal

DETAILS_BYTES = 8_000
TIMEOUT_SECONDS = 3600.0


def call(command: Sequence[str], env: Mapping[str, str], doing: str) -> str:
    """Run an installer to its end.

    :param doing: what it was for, as it fits behind "while".
    :returns: its standard output.
    :raises Refusal: EnvironmentFailed with the last lines of what it said.
    """
    try:
        process = subprocess.Popen(
            list(command),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise Refusal("EnvironmentFailed", f"{command[0]} cannot be started while {doing}: {error.strerror}") from None
    try:
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise Refusal("EnvironmentFailed", f"gave up after {TIMEOUT_SECONDS:.0f} s while {doing}") from None
    finally:
        _end(process)
    if process.returncode != 0:
        tail = (out[-DETAILS_BYTES:] + err[-DETAILS_BYTES:]).decode("utf-8", "replace").strip()
        tool = Path(command[0]).name
        reason = next((line.strip() for line in reversed(tail.splitlines()) if line.strip()), "no output")
        raise Refusal("EnvironmentFailed", f"{tool} failed while {doing}: {reason}"[:2000], tail)
    return out.decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of an installer behind, whatever interrupted us."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def own_python() -> str:
    """The interpreter under any virtual environment the agent itself runs in."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def own_platform() -> str:
    """What makes an environment unusable elsewhere: implementation, full version, machine, C library."""
    return " ".join(
        (
            platform.python_implementation(),
            platform.python_version(),
            platform.machine(),
            "-".join(platform.libc_ver()),
            own_python(),
        )
    )


class Uv:
    """Astral's uv."""

    name = "uv"

    def __init__(self, program: str, env: Mapping[str, str]) -> None:
        self._program = program
        self._env = dict(env)

    def python(self, wanted: str) -> str:
        """The interpreter for a wanted version; our own when it fits.

        :raises Refusal: when there is none and none can be had.
        """
        if fits(wanted):
            return own_python()
        command = [self._program, "python", "find", "--no-project", "--system", wanted]
        try:
            return call(command, self._env, f"looking for Python {wanted}").strip()
        except Refusal:
            call([self._program, "python", "install", "--no-bin", wanted], self._env, f"installing Python {wanted}")
            return call(command, self._env, f"looking for Python {wanted}").strip()

    def resolve(self, python: str, requirements: Path, scratch: Path) -> str:
        """The lock for a file of requirements: one pinned line each."""
        lock = scratch / "resolved.txt"
        command = [self._program, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", python]
        call([*command, "--output-file", str(lock), str(requirements)], self._env, "resolving the requirements")
        return lock.read_text(encoding="utf-8")

    def build(self, python: str, lock: Path, folder: Path, final: Path) -> None:
        """Make an environment that can be moved, with its bytecode."""
        venv = [self._program, "venv", "--quiet", "--no-project", "--relocatable", "--python", python, str(folder)]
        call(venv, self._env, "making the environment")
        if not lock.read_text(encoding="utf-8").strip():
            return
        install = [self._program, "pip", "install", "--quiet", "--no-deps", "--compile-bytecode"]
        inside = str(folder / "bin" / "python")
        call([*install, "--python", inside, "--requirement", str(lock)], self._env, "installing the requirements")


class Pip:
    """The standard library's venv with the pip it brings."""

    name = "pip"

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", **env}

    def python(self, wanted: str) -> str:
        """Our own interpreter, or ``python3.x`` from the path."""
        if fits(wanted):
            return own_python()
        found = shutil.which(f"python{wanted}", path=self._env.get("PATH"))
        if found is None:
            raise Refusal(
                "EnvironmentFailed",
                f"Python {wanted} is wanted, the image has {platform.python_version()} and no uv to get another: "
                f"use an image with python{wanted} or with uv",
            )
        return found

    def resolve(self, python: str, requirements: Path, scratch: Path) -> str:
        """The lock, from pip's report of what it would install."""
        venv = scratch / "resolver"
        report = scratch / "report.json"
        call([python, "-m", "venv", str(venv)], self._env, "making an environment to resolve in")
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command = [*pip, "--report", str(report), "--requirement", str(requirements)]
        call(command, self._env, "resolving the requirements")
        lines = [pinned(item) for item in json.loads(report.read_text(encoding="utf-8"))["install"]]
        shutil.rmtree(venv)
        return "".join(f"{line}\n" for line in sorted(lines))

    def build(self, python: str, lock: Path, folder: Path, final: Path) -> None:
        """Make an environment and rewrite its scripts for the place it will be moved to."""
        call([python, "-m", "venv", str(folder)], self._env, "making the environment")
        if lock.read_text(encoding="utf-8").strip():
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
            call([*pip, "--requirement", str(lock)], self._env, "installing the requirements")
        for script in [*(folder / "bin").iterdir(), folder / "pyvenv.cfg"]:
            if script.is_file() and not script.is_symlink():
                content = script.read_bytes()
                script.write_bytes(content.replace(bytes(folder), bytes(final)))


def pinned(item: Mapping[str, object]) -> str:
    """A line of a lock from an entry of pip's installation report."""
    metadata = item["metadata"]
    info = item.get("download_info")
    assert isinstance(metadata, dict)  # noqa: S101  (the report's documented shape)
    name = str(metadata["name"])
    if item.get("is_direct") and isinstance(info, dict):
        return f"{name} @ {info['url']}"
    return f"{name}=={metadata['version']}"


def fits(wanted: str) -> bool:
    """Whether our own interpreter is the wanted version (``3``, ``3.11`` or ``3.11.7``)."""
    own = platform.python_version().split(".")
    parts = wanted.split(".")
    return not wanted or own[: len(parts)] == parts


def find_uv(environ: Mapping[str, str]) -> str | None:
    """The uv to use, or None."""
    named = environ.get("GAUNTLET_UV", "")
    candidates: list[str] = [named] if named else []
    candidates.append(str(Path(sys.executable).parent / "uv"))
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and Path(candidate).is_file():
            return candidate
    return shutil.which("uv", path=environ.get("PATH"))
