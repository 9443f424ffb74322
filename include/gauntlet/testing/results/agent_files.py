"""Reads what an agent wrote: lines of cases and a manifest, however damaged or forged.

An agent runs beside code that nobody here wrote, and that code can write the same files. So each field is checked:
what has the wrong type or an impossible value makes that line a warning, and the other lines are kept. Pure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from gauntlet.agent import contract
from gauntlet.agent.contract import Case, Manifest
from gauntlet.runs.states import CaseStatus

_STATUSES = frozenset(status.value for status in CaseStatus)
_MANIFEST_STATES = frozenset({contract.COMPLETED, contract.TIMED_OUT, contract.COULD_NOT_RUN, contract.CANCELLED})
_MAX_WARNINGS = 20
_CASE_TEXTS = ("id", "name", "classname", "file", "message", "details", "stdout", "stderr")
_MANIFEST_TEXTS = ("cause", "message", "details", "pod", "node", "environment_lock")
_MANIFEST_NUMBERS = ("started_at", "finished_at", "cpu_seconds", "max_memory_bytes", "planned")


def read_cases(text: str, *, where: str) -> tuple[list[Case], list[str]]:
    """The cases of one ``cases/<n>.jsonl``.

    :param text: the file's content; the last line of an attempt that died may be torn.
    :param where: its name, for the warnings.
    :returns: the cases that could be read, in order, and what could not.
    """
    cases: list[Case] = []
    warnings: list[str] = []
    # Not splitlines(): that would also part a line at characters which JSON leaves as they are.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line or line.isspace():
            continue
        try:
            cases.append(read_case(json.loads(line)))
        except (ValueError, RecursionError) as error:
            warnings.append(f"{where}:{number}: no case: {error}")
    if len(warnings) > _MAX_WARNINGS:
        more = len(warnings) - _MAX_WARNINGS
        warnings = [*warnings[:_MAX_WARNINGS], f"{where}: {more} more lines are no cases"]
    return cases, warnings


def read_case(raw: Any) -> Case:
    """A case out of its plain form.

    :raises ValueError: naming the field that is wrong.
    """
    if not isinstance(raw, dict):
        raise ValueError(f"an object was expected, not {type(raw).__name__}")
    if not isinstance(raw.get("status"), str) or raw["status"] not in _STATUSES:
        raise ValueError(f"status is {str(raw.get('status'))[:40]!r}")
    _texts(raw, _CASE_TEXTS)
    if not raw.get("id"):
        raise ValueError("it has no id")
    line = raw.get("line")
    if line is not None and (isinstance(line, bool) or not isinstance(line, int) or not 0 <= line < 2**31):
        raise ValueError(f"line is {str(line)[:40]!r}")
    return Case(
        id=raw["id"],
        name=raw.get("name") or raw["id"],
        classname=raw.get("classname", ""),
        file=raw.get("file", ""),
        status=raw["status"],
        duration_ms=_number(raw, "duration_ms"),
        line=line,
        message=raw.get("message", ""),
        details=raw.get("details", ""),
        stdout=raw.get("stdout", ""),
        stderr=raw.get("stderr", ""),
        started_at=_number(raw, "started_at"),
        properties=_strings(raw.get("properties", {})),
        ran=raw.get("ran", True) is not False,
    )


def read_manifest(text: str) -> Manifest:
    """A manifest.

    :raises ValueError: when it is none; then the attempt has not finished.
    """
    try:
        raw = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(raw, dict):
        raise ValueError(f"an object was expected, not {type(raw).__name__}")
    if not isinstance(raw.get("state"), str) or raw["state"] not in _MANIFEST_STATES:
        raise ValueError(f"state is {str(raw.get('state'))[:40]!r}")
    _texts(raw, _MANIFEST_TEXTS)
    for name in _MANIFEST_NUMBERS:
        _number(raw, name)
    for name, kind in (("counts", dict), ("phases", dict), ("files", list), ("warnings", list)):
        if not isinstance(raw.get(name, kind()), kind):
            raise ValueError(f"{name} is no {kind.__name__}")
    for name in ("counts", "phases"):
        for key in raw.get(name, {}):
            _number(raw[name], key)
    for file in raw.get("files", []):
        _file(file)
    _all_texts(raw.get("warnings", []))
    return contract.from_dict(Manifest, raw)


def _file(raw: Any) -> None:
    if not isinstance(raw, dict):
        raise ValueError("one of its files is no object")
    _texts(raw, ("path", "sha256", "type", "content_type"))
    _number(raw, "bytes")


def _texts(raw: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if not isinstance(raw.get(name, ""), str):
            raise ValueError(f"{name} is no text")


def _all_texts(values: Iterable[Any]) -> None:
    if not all(isinstance(value, str) for value in values):
        raise ValueError("one of its warnings is no text")


def _number(raw: Mapping[str, Any], name: str) -> float:
    value = raw.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is no number")
    if not math.isfinite(value) or not 0 <= value < 2**53:
        raise ValueError(f"{name} is {value}")
    return value


def _strings(raw: Any) -> dict[str, str]:
    if not isinstance(raw, dict):
        raise ValueError("properties is no object")
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in raw.items()}
