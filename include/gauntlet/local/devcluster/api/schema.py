"""The shape of each kind, read from the official Python client's models instead of a copy kept here.

It exists for three readers: strict field validation, the OpenAPI documents (`kubectl explain`, `kubectl apply`) and
nothing else. Importing the models costs half a second, so it happens once, on demand, off the event loop.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import Any

QUANTITY_FIELDS = frozenset(
    {"requests", "limits", "capacity", "allocatable", "overhead", "hard", "used", "sizeLimit", "divisor"}
)
_GO_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "str": (str, "string"), "datetime": (str, "Time"), "bool": (bool, "bool"), "int": (int, "int32"),
    "float": ((int, float), "float64"),
}  # fmt: skip
_LIST = re.compile(r"^list\[(.+)\]$")
_DICT = re.compile(r"^dict[\[(]str, (.+)[\])]$")


@dataclass(frozen=True)
class Field:
    """One field of a model: its JSON name, its type in the client's notation, what it says about itself."""

    name: str
    type: str
    description: str
    required: bool


@dataclass
class Findings:
    """What a check found: fields no one knows, and the first value of a wrong type."""

    unknown: list[str] = field(default_factory=list)
    mistyped: list[str] = field(default_factory=list)


@functools.cache
def models() -> Any:
    """Import the client's models (half a second, once)."""
    import kubernetes.client.models as found

    return found


def is_model(type_name: str) -> bool:
    """Tell a model's name from a primitive's."""
    return type_name[:1].isupper()


@functools.cache
def fields(model: str) -> dict[str, Field]:
    """Return a model's fields by JSON name."""
    cls = getattr(models(), model)
    return {
        json_name: Field(json_name, cls.openapi_types[attribute], _description(cls, attribute),
                         _required(cls, attribute))
        for attribute, json_name in cls.attribute_map.items()
    }  # fmt: skip


def description(model: str) -> str:
    """Return what a model says about itself; the client keeps no text for models, only for fields."""
    return re.sub(r"^(Core)?V\d+(beta\d+)?", "", model)


def item_type(type_name: str) -> str | None:
    """Return the type of a list's items, None for what is no list."""
    match = _LIST.match(type_name)
    return match[1] if match else None


def value_type(type_name: str) -> str | None:
    """Return the type of a map's values, None for what is no map."""
    match = _DICT.match(type_name)
    return match[1] if match else None


def check(value: dict[str, Any], model: str, kind: str) -> tuple[dict[str, Any], Findings]:
    """Return `value` without unknown fields, and what was found wrong, in Kubernetes' words.

    Args:
        value: an object as it came over the wire.
        model: the client's model for it, such as "V1Pod".
        kind: its kind, for messages.
    """
    findings = Findings()
    checker = _Checker(kind, findings)
    return checker.model(value, model, ""), findings


def missing(value: dict[str, Any], model: str, path: str) -> list[str]:
    """Return the paths of required fields that are not given, at any depth below `value`, a checked object."""
    found: list[str] = []
    for name, field_ in fields(model).items():
        where = f"{path}.{name}"
        if name not in value:
            found += [where] if field_.required else []
        else:
            found += _missing_below(value[name], field_.type, where)
    return found


def _missing_below(value: Any, type_name: str, path: str) -> list[str]:
    inner = item_type(type_name)
    if inner:
        return [found for i, item in enumerate(value) for found in _missing_below(item, inner, f"{path}[{i}]")]
    return missing(value, type_name, path) if is_model(type_name) else []


class _Checker:
    def __init__(self, kind: str, findings: Findings) -> None:
        self.kind = kind
        self.findings = findings

    def model(self, value: dict[str, Any], model: str, path: str) -> dict[str, Any]:
        known = fields(model)
        result: dict[str, Any] = {}
        for name, item in value.items():
            where = f"{path}.{name}" if path else name
            if name not in known:
                self.findings.unknown.append(where)
            elif item is not None:
                result[name] = self.value(item, known[name].type, where, model)
        return result

    def value(self, value: Any, type_name: str, path: str, model: str) -> Any:
        inner = item_type(type_name)
        if inner:
            if not self._expect(value, list, path, model, "slice"):
                return value
            return [self.value(v, inner, f"{path}[{i}]", model) for i, v in enumerate(value)]
        inner = value_type(type_name)
        if inner:
            if not self._expect(value, dict, path, model, "map"):
                return value
            return {key: self.value(v, inner, f"{path}.{key}", model) for key, v in value.items()}
        if is_model(type_name):
            if not self._expect(value, dict, path, model, type_name):
                return value
            return self.model(value, type_name, path)
        return self._primitive(value, type_name, path, model)

    def _primitive(self, value: Any, type_name: str, path: str, model: str) -> Any:
        wanted = _GO_TYPES.get(type_name)
        if wanted is None:
            return value
        if type_name == "str" and not isinstance(value, str) and self._is_quantity(value, path):
            return str(value)
        self._expect(value, wanted[0], path, model, wanted[1])
        return value

    @staticmethod
    def _is_quantity(value: Any, path: str) -> bool:
        names = set(re.split(r"[.\[\]]", path))
        return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(names & QUANTITY_FIELDS)

    def _expect(self, value: Any, wanted: type | tuple[type, ...], path: str, model: str, go_type: str) -> bool:
        fits = isinstance(value, wanted) and not (isinstance(value, bool) and wanted is not bool)
        if not fits:
            go_path = re.sub(r"\[\d+\]", "", path)
            self.findings.mistyped.append(
                f"json: cannot unmarshal {_json_type(value)} into Go struct field "
                f"{description(model)}.{go_path} of type {go_type}"
            )
        return fits


def _json_type(value: Any) -> str:
    for python, name in ((bool, "bool"), (str, "string"), ((int, float), "number"), (list, "array")):
        if isinstance(value, python):
            return name
    return "object"


def _description(cls: Any, attribute: str) -> str:
    text = getattr(cls, attribute).__doc__ or ""
    lines = [line.strip().removesuffix("# noqa: E501").strip() for line in text.splitlines()]
    body = [line for line in lines[1:] if line and not line.startswith(":")]
    return " ".join(body)


def _required(cls: Any, attribute: str) -> bool:
    """The client's setters refuse None for required fields, and that is the only place that says so."""
    probe = object.__new__(cls)
    probe.local_vars_configuration = _Validating
    try:
        setattr(probe, attribute, None)
    except ValueError:
        return True
    return False


class _Validating:
    client_side_validation = True
