"""Label and field selectors: text to a predicate. Pure.

Grammar: Kubernetes' `labels.Parse` and `fields.ParseSelector`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

Labels: TypeAlias = Mapping[str, str]
Predicate: TypeAlias = Callable[[Labels], bool]

_TERM = re.compile(
    r"""^\s*(?:
      (?P<absent>!\s*)?(?P<key>[A-Za-z0-9][\w./-]*)
      (?:\s*(?P<operator>==|=|!=|<|>)\s*(?P<value>[\w.-]*)
       |\s+(?P<set>in|notin)\s*\((?P<members>[^()]*)\))?
    )\s*$""",
    re.VERBOSE,
)


class SelectorError(ValueError):
    """The selector's text cannot be understood."""


def labels(text: str) -> Predicate:
    """Parse a label selector such as ``a=b,c!=d,e in (f,g),!h`` into a predicate over labels.

    Raises:
        SelectorError: naming the requirement that cannot be read.
    """
    predicates = [_requirement(part) for part in _split(text)]
    return lambda given: all(predicate(given) for predicate in predicates)


def fields(text: str) -> list[tuple[str, bool, str]]:
    """Parse a field selector into (field, must_equal, value) terms.

    Raises:
        SelectorError: when a term has no operator.
    """
    terms: list[tuple[str, bool, str]] = []
    for part in (p for p in re.split(r"(?<!\\),", text) if p.strip()):
        match = re.match(r"^\s*([^=!]+?)\s*(==|=|!=)(.*)$", part)
        if not match:
            raise SelectorError(f"invalid field selector: {part!r}; can't understand it")
        terms.append((match[1], match[2] != "!=", re.sub(r"\\(.)", r"\1", match[3].strip())))
    return terms


def _split(text: str) -> list[str]:
    """Split at commas outside parentheses."""
    parts = re.split(r",(?![^(]*\))", text)
    return [part for part in parts if part.strip()]


def _requirement(part: str) -> Predicate:
    match = _TERM.match(part)
    if not match or (match["absent"] and (match["operator"] or match["set"])):
        raise SelectorError(f"unable to parse requirement: {part.strip()!r}")
    key = match["key"]
    if match["set"]:
        return _membership(key, match["set"], {m.strip() for m in match["members"].split(",")})
    if match["operator"]:
        return _comparison(key, match["operator"], match["value"])
    if match["absent"]:
        return lambda given: key not in given
    return lambda given: key in given


def _membership(key: str, operator: str, members: set[str]) -> Predicate:
    if operator == "in":
        return lambda given: key in given and given[key] in members
    return lambda given: key not in given or given[key] not in members


def _comparison(key: str, operator: str, value: str) -> Predicate:
    if operator in ("=", "=="):
        return lambda given: given.get(key) == value
    if operator == "!=":
        return lambda given: given.get(key) != value
    if not re.fullmatch(r"-?\d+", value):
        raise SelectorError(f"for '<' and '>' operators, the value must be an integer: {value!r}")
    limit = int(value)
    sign = 1 if operator == ">" else -1

    def compare(given: Labels) -> bool:
        text = given.get(key, "")
        return bool(re.fullmatch(r"-?\d+", text)) and (int(text) - limit) * sign > 0

    return compare
