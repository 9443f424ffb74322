"""A devcluster for tests and benchmarks: started as a process of its own in a folder, stopped when done.

It exists so that every test that needs a cluster starts it the same way, through the public command line.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

START_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class RunningCluster:
    """A devcluster that answers."""

    state_dir: Path
    process: subprocess.Popen[bytes]
    port: int

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig's path."""
        return self.state_dir / "kubeconfig"

    @property
    def token(self) -> str:
        """The owner's token."""
        return (self.state_dir / "token").read_text().strip()

    @property
    def url(self) -> str:
        """Its address in plain HTTP."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(state_dir: Path, arguments: Sequence[str] = ()) -> Iterator[RunningCluster]:
    """Run a devcluster while the block runs.

    Args:
        state_dir: where its state goes; made when it is not there.
        arguments: more arguments of ``serve``.

    Raises:
        RuntimeError: when it does not come up; with its output.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    log = state_dir / "devcluster.log"
    command = [sys.executable, "-m", "gauntlet.local.devcluster", "serve", "--state-dir", str(state_dir)]
    (state_dir / "kubeconfig").unlink(missing_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *arguments], stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=dict(os.environ)
        )
    try:
        yield RunningCluster(state_dir, process, _wait_until_ready(state_dir, process, log))
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(state_dir: Path, process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        port = _port(state_dir / "kubeconfig")
        if port and _answers(port):
            return port
        time.sleep(0.02)
    raise RuntimeError(f"devcluster did not come up: {log.read_text()[-2000:]}")


def _port(kubeconfig: Path) -> int | None:
    try:
        document = yaml.safe_load(kubeconfig.read_text())
    except FileNotFoundError:
        return None
    return int(document["clusters"][0]["cluster"]["server"].rpartition(":")[2])


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
