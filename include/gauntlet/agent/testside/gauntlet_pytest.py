"""The test-side half of the agent: a pytest plugin that lists, selects and reports cases.

It runs inside the suite's own environment, so it may import the standard library and pytest and nothing else, must
work with Python 3.8 and pytest 6.2 to 9, and may never change what a test sees or how it ends. Its folder is the only
thing of Gauntlet's on the tests' path. It talks to the agent through files named by three variables:

``GAUNTLET_TEST_INVENTORY``
    list the cases into this file (one JSON object a line: ``id``, ``file``, ``line``) and run nothing.
``GAUNTLET_TEST_SELECTION``
    run exactly the ids in this file (one JSON string a line).
``GAUNTLET_TEST_EVENTS``
    append what happens to this file, one line an event: a letter, then JSON. ``H`` pytest is there, ``S`` a case
    starts (its id), ``C`` a case is finished (an object with the fields of ``contract.Case``), ``M`` ids that were
    wanted and not collected, ``F`` the session is over (``exit`` and why it stopped early).

Events are single writes to a file opened for appending: processes of pytest-xdist may share it, and an interpreter
that dies loses none. Under xdist the controller reports what runs; the first worker reports what was collected.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

MAX_TEXT = 65_536
MAX_DETAILS = 262_144

_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_UNSAFE_IN_ID = re.compile("[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def safe_text(text: str, limit: int = MAX_TEXT) -> str:
    """Text that any JSON, XML or database takes: control characters and lone surrogates escaped, the middle cut."""
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
    return _UNSAFE.sub(_escaped, text)


def safe_id(node_id: str) -> str:
    """A node id on one line, free of control characters."""
    return _UNSAFE_IN_ID.sub(_escaped, node_id)


def file_of(case_id: str) -> str:
    """The file a case stands in, relative to pytest's root."""
    return case_id.partition("::")[0]


def names_of(case_id: str) -> tuple[str, str]:
    """Class name and name as pytest's JUnit XML has them; ``::`` within a parameter separates nothing."""
    path, bracket, parameters = case_id.partition("[")
    file, *inner = path.split("::")
    module = file[:-3] if file.endswith(".py") else file
    parts = [module.strip("/").replace("/", "."), *inner]
    return ".".join(parts[:-1]), parts[-1] + bracket + parameters


class Events:
    """The file of events; without a path nothing is written."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644) if path else -1

    def write(self, kind: str, document: Any) -> None:
        """Append one event."""
        if self._descriptor < 0:
            return
        line = kind + json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n"
        data = line.encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(self._descriptor, data) :]


class Outcome:
    """Everything pytest said about one case, until it is finished."""

    def __init__(self, case_id: str, location: tuple[str, int | None, str], started_at: float) -> None:
        self.case_id = case_id
        self.line = location[1]
        self.started_at = started_at
        self.reports: list[Any] = []
        self.reruns = 0

    def add(self, report: Any) -> None:
        """Take one more report; a rerun (pytest-rerunfailures) voids what came before it."""
        if report.outcome == "rerun":
            self.reports.clear()
            self.reruns += 1
        else:
            self.reports.append(report)

    def case(self) -> dict[str, Any]:
        """The reports merged into one case, the worst winning."""
        failures = [report for report in self.reports if report.outcome == "failed"]
        whole = [report for report in self.reports if not is_subtest(report)]
        properties = {"reruns": str(self.reruns)} if self.reruns else {}
        for report in whole:
            properties.update(expectations(report))
        for name, value in getattr(self.reports[-1], "user_properties", []) if self.reports else []:
            properties[safe_id(str(name))] = safe_text(str(value), 4096)
        status, message, details = verdict(failures, whole)
        stdout, stderr = captured(self.reports)
        return case_document(
            self.case_id,
            status,
            line=self.line,
            duration_ms=round(1000 * sum(report.duration for report in whole), 3),
            message=message,
            details=details,
            stdout=stdout,
            stderr=stderr,
            started_at=self.started_at,
            properties=properties,
        )


def case_document(case_id: str, status: str, **known: Any) -> dict[str, Any]:
    """A document with the fields of ``contract.Case``."""
    classname, name = names_of(case_id)
    document: dict[str, Any] = {
        "id": case_id,
        "name": name,
        "classname": classname,
        "file": file_of(case_id),
        "status": status,
        "duration_ms": 0.0,
    }
    document.update(known)
    if document.get("line") is not None:
        document["line"] += 1
    return document


def is_subtest(report: Any) -> bool:
    """Whether the report is about a part of a case (pytest 9, pytest-subtests)."""
    return "Sub" in type(report).__name__ and hasattr(report, "context")


def expectations(report: Any) -> dict[str, str]:
    """An expected failure or an unexpected pass, as a property."""
    reason = getattr(report, "wasxfail", None)
    if reason is None or report.outcome == "failed":
        return {}
    return {"xfail" if report.outcome == "skipped" else "xpass": safe_text(str(reason), 4096)}


def verdict(failures: list[Any], whole: list[Any]) -> tuple[str, str, str]:
    """Status, one line and traceback of a case.

    :param failures: the reports that failed, parts of the case included.
    :param whole: the reports of the case's own phases.
    """
    if failures:
        status = "failed" if all(report.when == "call" for report in failures) else "error"
        texts = [
            f"{'' if report.when == 'call' else f'{report.when}: '}{report.longreprtext}"
            if len(failures) > 1
            else report.longreprtext
            for report in failures
        ]
        worst = next((report for report in failures if report.when != "call"), failures[0])
        return status, first_line(worst), safe_text("\n\n".join(texts), MAX_DETAILS)
    skipped = next((report for report in whole if report.outcome == "skipped"), None)
    if skipped is not None:
        return "skipped", skip_reason(skipped), ""
    if not whole:
        return "error", "pytest gave no result for this case", ""
    return "passed", "", ""


def first_line(report: Any) -> str:
    """A failure in one line: what was raised, else the first line pytest marks, else the last."""
    crash = getattr(report.longrepr, "reprcrash", None)
    message = getattr(crash, "message", "") or ""
    lines = [line for line in report.longreprtext.splitlines() if line.strip()] or [""]
    marked = next((line[1:] for line in lines if line.startswith("E ")), lines[-1])
    chosen = message.strip().splitlines()[0] if message.strip() else marked.strip()
    return safe_text(chosen, 1024)


def skip_reason(report: Any) -> str:
    """Why a case or a whole module was skipped."""
    if hasattr(report, "wasxfail"):
        return safe_text(str(report.wasxfail) or "expected failure", 1024)
    representation = report.longrepr
    reason = str(representation[2]) if isinstance(representation, tuple) else report.longreprtext
    return safe_text(reason[len("Skipped: ") :] if reason.startswith("Skipped: ") else reason, 1024)


def captured(reports: list[Any]) -> tuple[str, str]:
    """What the case wrote: stdout, then stderr with its log records; each section once."""
    sections: dict[tuple[str, str], None] = {}
    for report in reports:
        for title, content in report.sections:
            if content:
                sections.setdefault((title, content))
    out = [(title, content) for title, content in sections if "stdout" in title]
    err = [(title, content) for title, content in sections if "stdout" not in title]
    return _joined(out), _joined(err)


def _joined(sections: list[tuple[str, str]]) -> str:
    if len(sections) == 1 and sections[0][0] in ("Captured stdout call", "Captured stderr call"):
        return safe_text(sections[0][1])
    return safe_text("\n".join(f"--- {title} ---\n{content}" for title, content in sections))


class Names:
    """An id for each item: pytest lets several items share a node id, and node ids may hold control characters."""

    def __init__(self) -> None:
        self._by_item: dict[int, str] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Name the items in the order of collection, which every run of the same command shares."""
        seen: dict[str, int] = {}
        for item in items:
            if id(item) not in self._by_item:
                name = safe_id(item.nodeid)
                seen[name] = count = seen.get(name, 0) + 1
                self._by_item[id(item)] = name if count == 1 else f"{name}#{count}"

    def of(self, item: Any) -> str:
        """The id of an item; one that a plugin added later goes by its node id."""
        return self._by_item.get(id(item)) or safe_id(item.nodeid)


class Recorder:
    """Reports cases as they run; only in the process that hears of all of them."""

    def __init__(self, events: Events, names: Names) -> None:
        self._events = events
        self._names = names
        self._open: dict[str, Outcome] = {}
        self._next = ""
        self._starts: dict[str, int] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: Any) -> None:
        """Note which of the items that share a node id is next."""
        self._next = self._names.of(item)

    def _name(self, nodeid: str) -> str:
        # Under xdist the controller has no items: there the order of starts tells them apart.
        self._starts[nodeid] = count = self._starts.get(nodeid, 0) + 1
        name, self._next = self._next, ""
        return name or (safe_id(nodeid) if count == 1 else f"{safe_id(nodeid)}#{count}")

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """A case starts."""
        outcome = self._open[nodeid] = Outcome(self._name(nodeid), location, round(time.time(), 6))
        self._events.write("S", outcome.case_id)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A phase of a case is over; one without a phase comes from xdist when a worker died, and is the last."""
        outcome = self._open.get(report.nodeid)
        if outcome is None:
            name = safe_id(report.nodeid)
            outcome = self._open[report.nodeid] = Outcome(name, report.location, round(time.time(), 6))
        outcome.add(report)
        if report.when not in ("setup", "call", "teardown"):
            self.pytest_runtest_logfinish(report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A case is over."""
        outcome = self._open.pop(nodeid, None)
        if outcome is not None:
            self._events.write("C", outcome.case())

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: Any, exitstatus: int) -> None:
        """The session is over. A case that pytest broke off stays open: the agent says why it has no result."""
        for nodeid, outcome in list(self._open.items()):
            if any(report.outcome == "failed" for report in outcome.reports):
                self.pytest_runtest_logfinish(nodeid)
        stopped = getattr(session, "shouldfail", False) or ""
        interrupted = getattr(session, "shouldstop", False) or ""
        self._events.write(
            "F", {"exit": int(exitstatus), "max_failures": str(stopped or ""), "stopped": str(interrupted or "")}
        )


class Selection:
    """Keeps the wanted cases, and tells what became of those that were not collected."""

    def __init__(self, wanted: list[str], root: Path, events: Events, names: Names) -> None:
        self._names = names
        self._wanted = dict.fromkeys(wanted)
        self._files = {file_of(case_id) for case_id in wanted}
        self._prefix = str(root) + os.sep
        self._events = events
        self._told: set[str] = set()

    def leaves_out(self, path: str) -> bool | None:
        """Whether a file can hold no wanted case. Folders and ``__init__.py`` make up the tree: they stay."""
        if not path.startswith(self._prefix) or path.endswith(os.sep + "__init__.py"):
            return None
        relative = safe_id(path[len(self._prefix) :].replace(os.sep, "/"))
        return None if relative in self._files or os.path.isdir(path) else True  # noqa: PTH112  (py.path in pytest 6)

    def pytest_collectreport(self, report: Any) -> None:
        """A module that cannot be imported, or skips itself, has no items but is a result."""
        if report.passed:
            return
        node_id = safe_id(report.nodeid)
        covered = [
            case_id
            for case_id in self._wanted
            if case_id == node_id or case_id.startswith((node_id + "::", node_id + "/")) or not node_id
        ]
        for case_id in covered:
            if case_id not in self._told:
                self._told.add(case_id)
                self._events.write("C", collected_case(case_id, report))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        """Deselect what is not wanted, in the order pytest and other plugins settled on."""
        self._names.pytest_collection_modifyitems(items)
        kept: dict[Any, None] = {}
        others = []
        found = set(self._told)
        for item in items:
            name = self._names.of(item)
            file = file_of(name)
            # An item may be in the list twice (--keep-duplicates); it is one case.
            if item not in kept and (name in self._wanted or file in self._wanted):
                found.update((name, file))
                kept[item] = None
            else:
                others.append(item)
        if others:
            items[:] = list(kept)
            config.hook.pytest_deselected(items=others)
        missing = [case_id for case_id in self._wanted if case_id not in found]
        if missing:
            self._events.write("M", missing)


def collected_case(case_id: str, report: Any) -> dict[str, Any]:
    """A case that is decided by collection: skipped or in error as a whole."""
    if report.outcome == "skipped":
        return case_document(case_id, "skipped", message=skip_reason(report), started_at=round(time.time(), 6))
    return case_document(
        case_id,
        "error",
        message=f"collection failed: {first_line(report)}",
        details=safe_text(report.longreprtext, MAX_DETAILS),
        started_at=round(time.time(), 6),
    )


class Inventory:
    """Lists the cases, with modules that skip themselves or cannot be collected as one entry each."""

    def __init__(self, path: str, names: Names) -> None:
        self._path = path
        self._names = names
        self._entries: dict[str, dict[str, Any]] = {}

    def pytest_collectreport(self, report: Any) -> None:
        """Note what collection itself decided."""
        if report.passed:
            return
        node_id = safe_id(report.nodeid)
        entry: dict[str, Any] = {"id": node_id, "file": file_of(node_id), "line": None}
        if report.outcome == "skipped":
            entry["skipped"] = skip_reason(report)
        else:
            entry["error"] = first_line(report)
        # With --doctest-modules a module is collected twice; what is broken is worse than what is skipped.
        if node_id not in self._entries or "error" in entry:
            self._entries[node_id] = entry

    def pytest_collection_finish(self, session: Any) -> None:
        """Write the list, complete or not at all."""
        lines = []
        for item in dict.fromkeys(session.items):
            line = item.location[1]
            name = self._names.of(item)
            lines.append({"id": name, "file": file_of(name), "line": None if line is None else line + 1})
        lines += self._entries.values()
        scratch = Path(self._path + ".part")
        with scratch.open("w", encoding="utf-8", errors="backslashreplace") as out:
            for entry in lines:
                out.write(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n")
        scratch.replace(self._path)


if tuple(int(part) for part in pytest.__version__.split(".")[:1]) >= (7,):

    class _PathSelection(Selection):
        def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
            """Do not even import files without wanted cases."""
            return self.leaves_out(str(collection_path))

else:

    class _PathSelection(Selection):  # type: ignore[no-redef]
        def pytest_ignore_collect(self, path: Any) -> bool | None:
            """The same for pytest 6, which knows no other path."""
            return self.leaves_out(str(path))


def _is_worker(config: Any) -> bool:
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: Any) -> None:
    """Say that pytest is there before a conftest can break it off."""
    if not _is_worker(early_config) and "PYTEST_XDIST_WORKER" not in os.environ:
        Events(os.environ.get("GAUNTLET_TEST_EVENTS", "")).write("H", {"pytest": pytest.__version__})


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: Any) -> None:
    """Take on the role the variables give this process."""
    inventory = os.environ.get("GAUNTLET_TEST_INVENTORY", "")
    names = Names()
    if inventory:
        config.option.collectonly = True
        config.pluginmanager.register(names, "gauntlet-names")
        config.pluginmanager.register(Inventory(inventory, names), "gauntlet-inventory")
        return
    worker = _is_worker(config)
    path = os.environ.get("GAUNTLET_TEST_EVENTS", "")
    selection = os.environ.get("GAUNTLET_TEST_SELECTION", "")
    if selection:
        # A broken module is one case in error; it must not keep the shard's other cases from running.
        config.option.continue_on_collection_errors = True
        tells = not worker or config.workerinput["workerid"] == "gw0"
        wanted = [json.loads(line) for line in Path(selection).read_text(encoding="utf-8").splitlines() if line]
        events = Events(path if tells else "")
        config.pluginmanager.register(_PathSelection(wanted, config.rootpath, events, names), "gauntlet-selection")
    else:
        config.pluginmanager.register(names, "gauntlet-names")
    if not worker:
        config.pluginmanager.register(Recorder(Events(path), names), "gauntlet-recorder")
