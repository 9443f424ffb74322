"""Where an agent works: folders and addresses from the pod's environment, and the note its init container leaves.

All paths inside a pod are made here. Folders come from variables and are never written down elsewhere: where a
volume is mounted differs from cluster to cluster.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Workplace:
    """The pod as the agent sees it.

    :param order_url: where the order is: http(s), ``file://`` or a path.
    :param work: the folder both containers share.
    :param store: the mounted root of a ``file://`` store, if any.
    :param cache: the mounted cache, if any.
    """

    order_url: str
    work: Path
    store: Path | None = None
    cache: Path | None = None
    pod: str = ""
    node: str = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Workplace:
        """Read the variables.

        :raises ValueError: naming every variable that is missing.
        """
        missing = [name for name in ("GAUNTLET_ORDER_URL", "GAUNTLET_WORK") if not environ.get(name)]
        if missing:
            raise ValueError(f"{' and '.join(missing)} must be set in the pod: they say what to do and where")
        store = environ.get("GAUNTLET_STORE_FOLDER")
        cache = environ.get("GAUNTLET_CACHE_FOLDER")
        return cls(
            order_url=environ["GAUNTLET_ORDER_URL"],
            work=Path(os.path.realpath(environ["GAUNTLET_WORK"])),
            store=Path(store) if store else None,
            cache=Path(cache) if cache and Path(cache).is_dir() else None,
            pod=environ.get("GAUNTLET_POD", ""),
            node=environ.get("GAUNTLET_NODE", ""),
        )

    @property
    def order(self) -> Path:
        """The order as the init container fetched it: a presigned address may expire while it works."""
        return self.work / "order.json"

    @property
    def prepared(self) -> Path:
        """The note from the init container to the main container."""
        return self.work / "prepared.json"

    @property
    def content(self) -> Path:
        """The unpacked content; the tool's working directory when there is one."""
        return self.work / "content"

    @property
    def run(self) -> Path:
        """The tool's working directory when there is no content."""
        return self.work / "run"

    @property
    def results(self) -> Path:
        """Where the tool writes its reports."""
        return self.work / "results"

    @property
    def home(self) -> Path:
        """The tool's home."""
        return self.work / "home"

    @property
    def scratch(self) -> Path:
        """The tool's folder for temporary files."""
        return self.work / "tmp"

    @property
    def private(self) -> Path:
        """The agent's own files: selection, events, output."""
        return self.work / "agent"


@dataclass(frozen=True)
class Prepared:
    """What the init container leaves for the main container.

    :param refused: the manifest is written already; there is nothing left to do.
    :param python: the interpreter of the suite's environment.
    :param site_packages: where that environment's packages are.
    :param content: the folder of the content, empty when there is none.
    :param environment_lock: sha256 of the lock.
    :param phases: seconds by phase.
    """

    refused: bool = False
    python: str = ""
    site_packages: str = ""
    content: str = ""
    environment_lock: str = ""
    started_at: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Leave the note, whole or not at all."""
        scratch = path.with_name(path.name + ".part")
        scratch.write_text(json.dumps(asdict(self)), encoding="utf-8")
        scratch.replace(path)

    @classmethod
    def read(cls, path: Path) -> Prepared:
        """Find the note.

        :raises OSError: when there is none.
        :raises ValueError: when it is not one.
        """
        raw = json.loads(path.read_text(encoding="utf-8"))
        try:
            return cls(**raw)
        except TypeError as error:
            raise ValueError(f"{path} was not written by this agent: {error}") from None
