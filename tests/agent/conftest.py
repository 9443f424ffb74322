"""A pod without a cluster: folders, an order, and the real agent as a process.

What the init container would have built is the project's own environment here; ``test_environments.py`` builds real
ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

INCLUDE = Path(__file__).parents[2] / "include"
PREFIX = "runs/exec-test/shards/0/attempts/1"
PYTEST = ["{python}", "-m", "pytest", "-p", "gauntlet_pytest", "-p", "no:cacheprovider", "--rootdir={content}"]


class Pod:
    """One pod's folders; ``run`` starts the agent in them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root / "work"
        self.store = root / "store"
        self.cache = root / "cache"
        self.content = self.work / "content"
        for folder in (self.store, self.cache, self.content):
            folder.mkdir(parents=True)
        for name in ("run", "results", "home", "tmp", "agent"):
            (self.work / name).mkdir()
        self.attempt = self.store / PREFIX
        self.log = b""

    def write(self, files: Mapping[str, str]) -> None:
        """Put test modules into the content."""
        for name, text in files.items():
            path = self.content / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")

    def order(self, **fields: Any) -> None:
        """Write the order; anything given replaces what a plain shard has."""
        order = {
            "kind": "shard",
            "execution": "exec-test",
            "suite": "suite",
            "shard": 0,
            "attempt": 1,
            "content": {"type": "none"},
            "environment": {},
            "command": PYTEST,
            "env": {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            "upload": {"kind": "folder", "prefix": PREFIX},
            "heartbeat_seconds": 0.3,
            "grace_period_seconds": 1.0,
            **fields,
        }
        (self.root / "order.json").write_text(json.dumps(order), encoding="utf-8")

    def prepared(self, **fields: Any) -> None:
        """Leave the init container's note."""
        note = {
            "python": sys.executable,
            "site_packages": sysconfig.get_path("purelib"),
            "content": str(self.content),
            **fields,
        }
        (self.work / "prepared.json").write_text(json.dumps(note), encoding="utf-8")

    @property
    def environ(self) -> dict[str, str]:
        """The variables a cluster would set."""
        kept = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            **{name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_"))},
            "PYTHONPATH": str(INCLUDE),
            "GAUNTLET_ORDER_URL": str(self.root / "order.json"),
            "GAUNTLET_WORK": str(self.work),
            "GAUNTLET_STORE_FOLDER": str(self.store),
            "GAUNTLET_CACHE_FOLDER": str(self.cache),
            "GAUNTLET_POD": "pod-1",
            "GAUNTLET_NODE": "node-1",
        }

    def start(self, command: str = "run", **environ: str) -> subprocess.Popen[bytes]:
        """Start the agent."""
        return subprocess.Popen(
            [sys.executable, "-m", "gauntlet.agent", command],
            env={**self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, command: str = "run", **environ: str) -> int:
        """Run the agent to its end.

        :returns: its exit code.
        """
        process = self.start(command, **environ)
        self.log, _ = process.communicate(timeout=120)
        return process.returncode

    def shard(self, files: Mapping[str, str], **fields: Any) -> int:
        """Run test modules as a shard."""
        self.write(files)
        self.order(**fields)
        self.prepared()
        return self.run()

    @property
    def manifest(self) -> dict[str, Any]:
        """What the attempt said of itself."""
        return self.json("manifest.json")

    def manifest_if_any(self) -> dict[str, Any] | None:
        """The manifest, or None while there is none."""
        return self.manifest if (self.attempt / "manifest.json").exists() else None

    def json(self, name: str) -> dict[str, Any]:
        """A document the attempt left."""
        document = json.loads((self.attempt / name).read_text(encoding="utf-8"))
        assert isinstance(document, dict)
        return document

    @property
    def cases(self) -> dict[str, dict[str, Any]]:
        """Results by id, from the parts the manifest names; fails when an id has two."""
        found: dict[str, dict[str, Any]] = {}
        for stored in self.manifest["files"]:
            if stored["type"] == "cases":
                for line in (self.attempt / stored["path"]).read_bytes().splitlines():
                    case = json.loads(line)
                    assert case["id"] not in found
                    found[case["id"]] = case
        return found

    @property
    def inventory(self) -> list[dict[str, Any]]:
        """The listed cases."""
        return [json.loads(line) for line in (self.attempt / "inventory.jsonl").read_bytes().splitlines()]

    @property
    def statuses(self) -> dict[str, str]:
        """Statuses by id."""
        return {case_id: case["status"] for case_id, case in self.cases.items()}


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    """A pod of a test's own."""
    return Pod(tmp_path)


@pytest.fixture(scope="module")
def make_pod(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Pod]:
    """Pods that several tests of a module look at."""
    return lambda: Pod(tmp_path_factory.mktemp("pod"))
