"""From a file or a request body to a definition, refusing with every problem at once."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gauntlet.definitions import document
from gauntlet.definitions.base import Definition
from gauntlet.errors import Problem, RefusedError

#: Kind to model. By path, so that this room imports no subject and a subject's room stays free to import this.
KINDS: Mapping[str, str] = {
    "TestSuite": "gauntlet.testing.suite:TestSuite",
}


def load_file(path: Path) -> Definition:
    """Read one definition from a file.

    :raises RefusedError: naming file, line, field, what was found and what was expected, for each problem.
    """
    return load_text(_read(path), file=str(path))


def load_text(text: str, *, file: str) -> Definition:
    """Read one definition from YAML or JSON text.

    :param file: its name in messages.
    :raises RefusedError: as :func:`load_file`.
    """
    return load(document.parse(text, file=file))


def load_data(data: Any, *, file: str = "<request>") -> Definition:
    """Read one definition from plain data, such as a request's body.

    :raises RefusedError: as :func:`load_file`, without lines.
    """
    return load(document.Document(file, data))


def load(source: document.Document) -> Definition:
    """Build the model that the document's ``kind`` names.

    :raises RefusedError: as :func:`load_file`.
    """
    if not isinstance(source.data, dict):
        raise RefusedError([Problem(source.file, source.line_of(()), "", _short(source.data), "fields with values")])
    kind = source.data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        found = "nothing" if kind is None else _short(kind)
        expected = f"one of {', '.join(KINDS)}"
        raise RefusedError([Problem(source.file, source.line_of(("kind",)), "kind", found, expected)])
    module, _, name = KINDS[kind].partition(":")
    model: type[Definition] = getattr(importlib.import_module(module), name)
    try:
        return model.model_validate(source.data)
    except ValidationError as error:
        raise RefusedError(_problems(error, source)) from None


def content_hash(definition: Definition) -> str:
    """SHA-256 of a definition's canonical JSON: two files that say the same have the same."""
    canonical = json.dumps(definition.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _read(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RefusedError([Problem(str(path), None, "", error.strerror or str(error), "a readable file")]) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise RefusedError(
            [Problem(str(path), line, "", f"the byte 0x{raw[error.start]:02x}", "text in UTF-8")]
        ) from None


def _problems(error: ValidationError, source: document.Document) -> list[Problem]:
    problems = []
    for detail in error.errors(include_url=False):
        path = _path(detail, source.data)
        field = ".".join(str(part) for part in path)
        missing = detail["type"] == "missing"
        unknown = detail["type"] == "extra_forbidden"
        found = "nothing" if missing else f"an unknown field: {path[-1]}" if unknown else _short(detail["input"])
        expected = "a value" if missing else "only known fields" if unknown else _expected(detail)
        problems.append(Problem(source.file, source.line_of(path), field, found, expected))
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.field))


def _path(detail: ErrorDetails, data: Any) -> document.Path:
    """The place in the user's document: pydantic also counts the member of a union, which nobody wrote."""
    path: list[str | int] = []
    here = data
    for index, part in enumerate(detail["loc"]):
        last = index == len(detail["loc"]) - 1
        if isinstance(here, dict) and (part in here or (last and detail["type"] == "missing")):
            path.append(part)
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            path.append(part)
            here = here[part]
    return tuple(path)


def _expected(detail: ErrorDetails) -> str:
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return message.removeprefix("Input should be ").strip()


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "fields: " + (", ".join(list(map(str, value))[:5]) or "none")
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "…"
