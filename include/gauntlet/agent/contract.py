"""What the control plane and the agent say to each other: orders in, heartbeats, cases and manifests out.

Standard library only, and Python 3.8 or newer: this module runs beside any test tool. The documents are JSON
objects with exactly these fields; a reader ignores fields it does not know, so that an older agent and a newer
control plane understand each other.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Dict, Type, TypeVar  # noqa: UP035  (Python 3.8 in foreign images)

VERSION = 1

#: States of a manifest. ``completed`` says that the tool ran to its end, whatever the tests said.
COMPLETED = "completed"
TIMED_OUT = "timeout"
COULD_NOT_RUN = "could-not-run"
CANCELLED = "cancelled"

#: File names inside an attempt's prefix.
CASES_FOLDER = "cases"
OUTPUT_LOG = "output.log"
MANIFEST = "manifest.json"
HEARTBEAT = "heartbeat.json"
INVENTORY = "inventory.jsonl"

T = TypeVar("T")


@dataclass(frozen=True)
class Content:
    """The tests to fetch.

    :param type: ``package`` (a wheel or sdist by requirement), ``archive`` (a wheel, sdist, zip or tar by URL,
        also how folders and inline scripts arrive, packed by the control plane), or ``none``.
    :param requirement: what to install, such as ``networkx==3.6.1`` (``package``).
    :param url: where to fetch it (``archive``): https, http, or a file path inside a mounted volume.
    :param sha256: of the archive; empty to accept what comes.
    :param install: whether an archive is a Python distribution to install rather than a tree to unpack.
    :param max_bytes: limit of the download and of the unpacked tree, each.
    """

    type: str = "none"
    requirement: str = ""
    url: str = ""
    sha256: str = ""
    install: bool = False
    max_bytes: int = 2_000_000_000


@dataclass(frozen=True)
class Environment:
    """The suite's own Python environment, built in the init container and cached by lock.

    :param requirements: requirement lines, besides the content's own.
    :param requirements_files: paths inside the unpacked content whose requirements are added.
    :param python: the version wanted, such as ``3.11``; empty for the image's own.
    :param cache_folder: where built environments are kept; empty to build beside the work.
    :param resolution_ttl_seconds: how long a resolution of the same requirements is reused.
    """

    requirements: list[str] = field(default_factory=list)
    requirements_files: list[str] = field(default_factory=list)
    python: str = ""
    cache_folder: str = ""
    resolution_ttl_seconds: int = 86_400


@dataclass(frozen=True)
class Upload:
    """Where an attempt may write.

    :param kind: ``folder`` (a mounted folder) or ``post`` (an S3 POST policy bound to ``prefix``).
    :param prefix: the attempt's prefix in the store.
    :param folder: the folder that stands for the prefix (``folder``).
    :param url: where to POST (``post``).
    :param fields: the policy's form fields, without ``key`` (``post``).
    """

    kind: str
    prefix: str
    folder: str = ""
    url: str = ""
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """What one pod is to do.

    :param kind: ``inventory`` (list the cases) or ``shard`` (run exactly ``cases``).
    :param execution: public id of the execution.
    :param shard: index from 0; -1 for an inventory.
    :param attempt: from 1.
    :param command: the tool's command line; ``{python}``, ``{work}``, ``{content}``, ``{results}`` and
        ``{site_packages}`` are replaced by the agent.
    :param env: variables for the tool (never secrets: those are in the pod's own environment by reference).
    :param secret_env: names of the pod's own variables that the tool gets too.
    :param cases: ids to run, in order (``shard``); empty means everything the command selects.
    :param inventory_key: identifies content, environment and command together; with a cache folder, an
        inventory of the same key is reused instead of collected again. Empty: never reused.
    :param reports: files below ``{results}`` that hold results, as ``{"path", "format"}``.
    :param artifacts: glob patterns below ``{work}`` and ``{results}`` of files worth keeping.
    :param timeout_seconds: after which the tool gets SIGTERM.
    :param grace_period_seconds: between SIGTERM and SIGKILL.
    :param heartbeat_seconds: between two heartbeats.
    :param max_output_bytes: how much of the tool's output is kept (its head and its tail).
    """

    kind: str
    execution: str
    suite: str
    shard: int
    attempt: int
    content: Content
    environment: Environment
    command: list[str]
    upload: Upload
    env: dict[str, str] = field(default_factory=dict)
    secret_env: list[str] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)
    inventory_key: str = ""
    reports: list[dict[str, str]] = field(default_factory=list)
    artifacts: list[str] = field(default_factory=list)
    timeout_seconds: float = 7200.0
    grace_period_seconds: float = 30.0
    heartbeat_seconds: float = 5.0
    max_output_bytes: int = 20_000_000
    version: int = VERSION


@dataclass(frozen=True)
class Case:
    """One test case's result, one line of ``cases/<n>.jsonl``.

    :param id: identity within the suite; for pytest the node id.
    :param status: ``passed``, ``failed``, ``error`` or ``skipped``; an expected failure is ``skipped`` with the
        property ``xfail``, an unexpected pass that is allowed is ``passed`` with the property ``xpass``.
    :param line: 1-based line of the definition, or None.
    :param duration_ms: of set-up, call and tear-down together.
    :param message: one line.
    :param details: the traceback.
    :param started_at: seconds since the epoch, 0 when unknown.
    :param ran: False for a case that the agent reports because the tool never came to it.
    """

    id: str
    name: str
    classname: str
    file: str
    status: str
    duration_ms: float
    line: int | None = None
    message: str = ""
    details: str = ""
    stdout: str = ""
    stderr: str = ""
    started_at: float = 0.0
    properties: dict[str, str] = field(default_factory=dict)
    ran: bool = True


@dataclass(frozen=True)
class Counts:
    """Cases so far."""

    total: int = 0
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class Heartbeat:
    """The small object that is rewritten while an attempt lives.

    :param state: ``preparing``, ``running``, ``uploading`` or a manifest's state.
    :param at: seconds since the epoch.
    :param planned: cases in the order; 0 when not known.
    :param current: the case that is running.
    """

    state: str
    at: float
    counts: Counts
    planned: int = 0
    current: str = ""
    cpu_seconds: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True)
class StoredFile:
    """A file that an attempt uploaded; ``path`` is relative to the attempt's prefix."""

    path: str
    bytes: int
    sha256: str
    type: str
    content_type: str


@dataclass(frozen=True)
class Manifest:
    """The last thing an attempt writes: what it did and what it left.

    :param state: ``completed``, ``timeout``, ``could-not-run`` or ``cancelled``.
    :param exit_code: of the tool; None when it was killed or never started.
    :param cause: a CamelCase word such as ``TimedOut`` or ``EnvironmentFailed``; empty when completed, except
        ``ToolDied`` (the cases it left without a result are in error).
    :param message: the cause as a sentence.
    :param details: the last lines of what explains it.
    :param phases: seconds by phase (``fetch``, ``environment``, ``run``, ``upload``).
    :param warnings: what was left out or went wrong on the side, as sentences.
    """

    kind: str
    execution: str
    shard: int
    attempt: int
    state: str
    exit_code: int | None
    started_at: float
    finished_at: float
    counts: Counts
    planned: int = 0
    cause: str = ""
    message: str = ""
    details: str = ""
    files: list[StoredFile] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    max_memory_bytes: int = 0
    environment_lock: str = ""
    pod: str = ""
    node: str = ""
    warnings: list[str] = field(default_factory=list)
    version: int = VERSION


_NESTED: dict[str, Any] = {
    "content": Content,
    "environment": Environment,
    "upload": Upload,
    "counts": Counts,
}


def dumps(document: Any) -> str:
    """A document as one line of JSON."""
    return json.dumps(dataclasses.asdict(document), ensure_ascii=False, separators=(",", ":"))


def loads(kind: Type[T], text: str) -> T:  # noqa: UP006
    """A document from JSON.

    :raises ValueError: when the text is no JSON object or lacks a field that has no default.
    """
    raw = json.loads(text)
    if not isinstance(raw, dict):
        raise ValueError(f"a {kind.__name__} must be a JSON object, not {type(raw).__name__}")
    return from_dict(kind, raw)


def from_dict(kind: Type[T], raw: Dict[str, Any]) -> T:  # noqa: UP006
    """A document from its plain form; unknown fields are ignored.

    :raises ValueError: when a field without default is missing.
    """
    names = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = {name: value for name, value in raw.items() if name in names}
    for name, nested in _NESTED.items():
        if isinstance(values.get(name), dict):
            values[name] = from_dict(nested, values[name])
    if kind is Manifest:
        values["files"] = [from_dict(StoredFile, item) for item in values.get("files", [])]
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"not a {kind.__name__}: {error}") from None
