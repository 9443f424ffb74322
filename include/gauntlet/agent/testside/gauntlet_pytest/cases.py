"""One case as a document: pytest's reports merged, and every text made fit to be stored.

Pure, and the standard library only: reports come in, a dictionary with the fields of ``contract.Case`` goes out.
"""

from __future__ import annotations

import re
import time
from typing import Any

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
