"""Reads one YAML or JSON document together with the line of each field.

The text is hostile: it is size-limited, only plain data is built (no tags), duplicate keys are refused, and
aliases are counted by what they expand to, so that a small file cannot become a large one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from gauntlet.errors import Problem, RefusedError

MAX_BYTES = 1_000_000
MAX_NODES = 50_000

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A parsed document.

    :param file: its name in messages.
    :param data: plain data.
    :param lines: 1-based line of each field by its path; empty for JSON bodies that came parsed.
    """

    file: str
    data: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def line_of(self, path: Path) -> int | None:
        """The line of a field, or of its nearest parent that has one."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return self.lines.get(())


def parse(text: str, *, file: str) -> Document:
    """Parse YAML (of which JSON is a part).

    :param text: the document.
    :param file: the name to use in messages.
    :raises RefusedError: when it is no YAML, holds several documents, duplicate keys or too much.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise RefusedError([Problem(file, None, "", "more than 1 MB", "a definition of at most 1 MB")])
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "a character that YAML does not allow"
        raise RefusedError(
            [Problem(file, mark.line + 1 if mark else None, "", str(what), "one valid YAML document")]
        ) from None
    if node is None:
        raise RefusedError([Problem(file, 1, "", "an empty file", "a definition")])
    builder = _Builder(file)
    data = builder.build(node, ())
    if builder.problems:
        raise RefusedError(builder.problems)
    return Document(file, data, builder.lines)


class _Builder:
    """Turns YAML nodes into plain data and remembers lines."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self._count = 0
        self._scalars = yaml.SafeLoader("")

    def build(self, node: yaml.Node, path: Path) -> Any:
        self._count += 1
        if self._count > MAX_NODES:
            raise RefusedError(
                [Problem(self.file, None, "", f"more than {MAX_NODES} values (aliases counted)", "a smaller one")]
            )
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            name = ".".join(str(part) for part in (*path, key))
            if key_node.tag == "tag:yaml.org,2002:merge":
                self._problem(line, name, "a merge key (<<)", "fields written out")
            elif key in result:
                self._problem(line, name, "the same field twice", "each field once")
            else:
                self.lines[(*path, key)] = line
                result[key] = self.build(value_node, (*path, key))
        return result

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        # Dates are given as the text that stands there: JSON knows none, and both doors must agree.
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            name = ".".join(str(part) for part in path)
            self._problem(node.start_mark.line + 1, name, f"the tag {node.tag}", "a plain value")
            return None

    def _problem(self, line: int, field_name: str, found: str, expected: str) -> None:
        self.problems.append(Problem(self.file, line, field_name, found, expected))
