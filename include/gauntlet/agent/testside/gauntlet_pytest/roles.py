"""What the plugin does inside pytest: name the items, list them, select among them, report on them.

Each class is a plugin that ``pytest_configure`` registers when its role is asked for. None of them may change what a
test sees or how it ends.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from .cases import Outcome, collected_case, file_of, first_line, safe_id, skip_reason


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

    class PathSelection(Selection):
        def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
            """Do not even import files without wanted cases."""
            return self.leaves_out(str(collection_path))

else:

    class PathSelection(Selection):  # type: ignore[no-redef]
        def pytest_ignore_collect(self, path: Any) -> bool | None:
            """The same for pytest 6, which knows no other path."""
            return self.leaves_out(str(path))
