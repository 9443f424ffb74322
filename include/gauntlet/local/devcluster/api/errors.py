"""Refusals as the API speaks them: an exception that is a Kubernetes `Status` object. Pure.

Shape and sentences: k8s.io/apimachinery/pkg/api/errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Cause:
    """One thing that is wrong with a field. `reason` is a FieldValueRequired, FieldValueInvalid, …"""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


def required(path: str, detail: str = "") -> Cause:
    """A field that must be given."""
    return Cause(path, f"Required value{': ' + detail if detail else ''}", "FieldValueRequired")


def invalid_value(path: str, value: object, detail: str) -> Cause:
    """A field whose value is not allowed."""
    return Cause(path, f"Invalid value: {_shown(value)}: {detail}", "FieldValueInvalid")


def duplicate(path: str, value: object) -> Cause:
    """A value that may occur once only."""
    return Cause(path, f"Duplicate value: {_shown(value)}", "FieldValueDuplicate")


def not_found_value(path: str, value: object) -> Cause:
    """A reference to something that is not there."""
    return Cause(path, f"Not found: {_shown(value)}", "FieldValueNotFound")


def unsupported(path: str, value: object, supported: Sequence[str]) -> Cause:
    """A value outside a fixed set."""
    known = ", ".join(f'"{item}"' for item in sorted(supported))
    return Cause(path, f"Unsupported value: {_shown(value)}: supported values: {known}", "FieldValueNotSupported")


def forbidden_field(path: str, detail: str) -> Cause:
    """A field that may not be set or changed here."""
    return Cause(path, f"Forbidden: {detail}", "FieldValueForbidden")


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


@dataclass
class ApiError(Exception):
    """An answer that is not success; `status()` is its body."""

    code: int
    reason: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)

    def status(self) -> dict[str, Any]:
        """Return the `Status` object."""
        body: dict[str, Any] = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason,
        }  # fmt: skip
        if self.details:
            body["details"] = self.details
        return {**body, "code": self.code}

    def __str__(self) -> str:
        return self.message


def _details(resource: str, name: str, group: str = "") -> dict[str, Any]:
    details = {"name": name, "kind": resource}
    return {**details, "group": group} if group else details


def resource_name(resource: str) -> str:
    """Name a store resource ("apps/deployments") as messages do ("deployments.apps")."""
    group, _, plural = resource.rpartition("/")
    return f"{plural}.{group}" if group else plural


def not_found(resource: str, name: str) -> ApiError:
    """404."""
    shown = resource_name(resource)
    return ApiError(404, "NotFound", f'{shown} "{name}" not found', _details(resource, name))


def already_exists(resource: str, name: str) -> ApiError:
    """409 on create."""
    shown = resource_name(resource)
    return ApiError(409, "AlreadyExists", f'{shown} "{name}" already exists', _details(resource, name))


def conflict(resource: str, name: str, why: str = "") -> ApiError:
    """409 on update."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {resource_name(resource)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name))


def invalid(kind: str, name: str, causes: Sequence[Cause], group: str = "") -> ApiError:
    """422 with every cause."""
    lines = [f"{cause.field}: {cause.message}" for cause in causes]
    text = lines[0] if len(lines) == 1 else "[" + ", ".join(lines) + "]"
    details = {
        **_details(kind, name, group),
        "causes": [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes],
    }
    return ApiError(422, "Invalid", f'{kind} "{name}" is invalid: {text}', details)


def forbidden(resource: str, name: str, why: str) -> ApiError:
    """403."""
    shown = (
        f'{resource_name(resource)} "{name}" is forbidden: ' if name else f"{resource_name(resource)} is forbidden: "
    )
    return ApiError(403, "Forbidden", shown + why, _details(resource, name))


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def expired(message: str) -> ApiError:
    """410: list again."""
    return ApiError(410, "Expired", message)


def method_not_allowed() -> ApiError:
    """405."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def page_not_found() -> ApiError:
    """404 for a path that is no resource."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def success(kind: str, name: str, uid: str = "") -> dict[str, Any]:
    """Return the `Status` that says it is done."""
    details = {"name": name, "kind": kind, **({"uid": uid} if uid else {})}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
