"""Reads JUnit XML as tools really write it: streaming, tolerant, and safe with hostile files.

What can be read is returned, what cannot becomes a warning; nothing raises for bad content. Entities that a document
declares are never expanded and nothing is ever fetched: a document type with declarations ends the reading. Counters
in the file are ignored, cases are counted. Dialects: pytest, Surefire with reruns, Jest, Mocha, Cypress, Playwright,
Bazel, Go, GoogleTest, PHPUnit, nested suites, several results in one case.

Bytes come in, cases go out; how bytes become clean text is ``junit_text``'s, what a time means is ``junit_time``'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from gauntlet.testing.results.junit_elements import Suites
from gauntlet.testing.results.junit_text import clean_chunks
from gauntlet.testing.results.model import CaseResult

FORMAT = "junit"
_CHUNK_BYTES = 256 * 1024
_MAX_WARNINGS = 100


@dataclass(frozen=True, slots=True)
class ParsedReport:
    """What was read of one report.

    :param format: the recognised format.
    :param warnings: what could not be read, as sentences.
    """

    format: str
    cases: tuple[CaseResult, ...]
    warnings: tuple[str, ...]


class _Refused(Exception):  # noqa: N818 - never leaves this module
    """The document does something that no report needs."""


def parse_junit(source: BinaryIO | bytes | Path) -> ParsedReport:
    """Read a report whole.

    :param source: an open binary stream, the bytes themselves, or a file.
    :raises OSError: when the stream cannot be read; never for what is in it.
    """
    warnings: list[str] = []
    seen: Counter[str] = Counter()
    cases = []
    for case in iter_junit(source, warnings):
        seen[case.id] += 1
        cases.append(case if seen[case.id] == 1 else replace(case, occurrence=seen[case.id]))
    return ParsedReport(FORMAT, tuple(cases), tuple(warnings))


def iter_junit(source: BinaryIO | bytes | Path, warnings: list[str]) -> Iterator[CaseResult]:
    """Read a report case by case, in little memory; ``occurrence`` is not counted here.

    :param warnings: what could not be read is appended here.
    """
    if isinstance(source, Path):
        with source.open("rb") as stream:
            yield from _read(_chunks(stream), warnings)
    elif isinstance(source, bytes):
        yield from _read(iter((source,)), warnings)
    else:
        yield from _read(_chunks(source), warnings)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK_BYTES):
        yield chunk


def _read(chunks: Iterator[bytes], warnings: list[str]) -> Iterator[CaseResult]:
    suites = Suites()
    parser = _parser(suites)
    trouble = ""
    try:
        for text in clean_chunks(chunks):
            parser.Parse(text, False)
            yield from suites.take()
        parser.Parse("", True)
    except expat.ExpatError as error:
        problem = expat.ErrorString(error.code)
        trouble = f"the report breaks off at line {error.lineno}, column {error.offset}: {problem}"
        if not suites.root:
            trouble = f"this is no JUnit report: {problem} at line {error.lineno}, column {error.offset}"
    except _Refused as refused:
        trouble = f"reading was stopped at line {parser.CurrentLineNumber}: {refused}"
    yield from suites.finish(broken=bool(trouble))
    if trouble:
        warnings.append(trouble)
    warnings.extend(suites.warnings[: _MAX_WARNINGS - len(warnings)])


def _parser(suites: Suites) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = 64 * 1024
    parser.StartElementHandler = suites.start
    parser.EndElementHandler = suites.end
    parser.CharacterDataHandler = suites.text
    parser.StartDoctypeDeclHandler = suites.document_type
    parser.EntityDeclHandler = _entity
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    return parser


def _entity(*_: object) -> None:
    raise _Refused("the document declares entities, which no report needs")
