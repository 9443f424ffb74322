"""What a request asks for: its path, its query and its body, taken apart. Pure, except that bodies are read.

Bodies are hostile until parsed: size is capped by the server, YAML is loaded without tags and without aliases.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gauntlet.local.devcluster.api import errors, patching, protobuf
from gauntlet.local.devcluster.api.kinds import BY_RESOURCE, REVIEWS, Kind, versions
from gauntlet.local.devcluster.api.registry import DeleteOptions, WriteOptions


@dataclass(frozen=True)
class Target:
    """What a path names; an empty name is the collection, an empty namespace is all of them or none."""

    group: str
    version: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> str:
        """The store's name of the resource."""
        return f"{self.group}/{self.resource}" if self.group else self.resource

    def kind(self) -> Kind:
        """Return the kind. Raises ApiError 404 for what is not served."""
        kind = BY_RESOURCE.get(self.key)
        if kind is None or kind.version != self.version or (self.namespace and not kind.namespaced):
            raise errors.page_not_found()
        return kind

    def review(self) -> str | None:
        """Return the kind of a review that is answered and not stored."""
        return REVIEWS.get((self.group, self.version, self.resource))


def parse_path(path: str) -> Target:
    """Take a path below /api or /apis apart. Raises ApiError 404.

    Format: /api/v1/… or /apis/GROUP/VERSION/…, then [namespaces/NAMESPACE/]RESOURCE[/NAME[/SUBRESOURCE]].
    """
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"]:
        group, parts = "", parts[1:]
    else:
        group, parts = (parts[1] if len(parts) > 1 else ""), parts[2:]
    if len(parts) < 2 or versions().get(group) != parts[0]:
        raise errors.page_not_found()
    version, parts = parts[0], parts[1:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in ("status", "finalize"):
        namespace, parts = parts[1], parts[2:]
    if len(parts) > 3:
        raise errors.page_not_found()
    resource, name, subresource = (*parts, "", "")[:3]
    return Target(group, version, resource, namespace, name, subresource)


def flag(query: Mapping[str, str], name: str) -> bool:
    """Read a boolean query parameter."""
    return query.get(name, "").lower() in ("1", "true")


def number(query: Mapping[str, str], name: str) -> int | None:
    """Read a whole number, None when it is not given. Raises ApiError 400."""
    text = query.get(name, "")
    if not text:
        return None
    if not text.isdigit():
        raise errors.bad_request(f"invalid value for query parameter {name}: {text!r} is not a whole number")
    return int(text)


def write_options(query: Mapping[str, str], agent: str) -> WriteOptions:
    """Read what the query says about a write."""
    dry_run = query.get("dryRun", "")
    if dry_run not in ("", "All"):
        raise errors.bad_request(f"invalid dryRun {dry_run!r}: supported values: All")
    manager = query.get("fieldManager") or agent.partition("/")[0] or "unknown"
    return WriteOptions(
        dry_run=bool(dry_run),
        field_manager=manager,
        field_validation=query.get("fieldValidation") or "Warn",
        force=flag(query, "force"),
    )


def delete_options(query: Mapping[str, str], body: Any) -> DeleteOptions:
    """Read how to delete, from the query and from a DeleteOptions body, which goes first."""
    options = body if isinstance(body, dict) else {}
    preconditions = options.get("preconditions") or {}
    grace = options.get("gracePeriodSeconds")
    policy = options.get("propagationPolicy") or query.get("propagationPolicy")
    return DeleteOptions(
        grace_period_seconds=number(query, "gracePeriodSeconds") if grace is None else int(grace),
        orphan_dependents=policy == "Orphan" or bool(options.get("orphanDependents")),
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        dry_run=bool(options.get("dryRun")) or query.get("dryRun") == "All",
    )


def parse_body(body: bytes, content_type: str) -> Any:
    """Parse a body; None when there is none. Raises ApiError 400."""
    if not body:
        return None
    kind = content_type.partition(";")[0].strip()
    try:
        if "protobuf" in kind:
            return protobuf.decode(body)
        return _load_yaml(body) if "yaml" in kind else json.loads(body)
    except ValueError as problem:
        raise errors.bad_request(f"the body cannot be read: {problem}") from None


def parse_patch(body: bytes, content_type: str) -> patching.Patch:
    """Parse a patch by its content type. Raises ApiError 415 for a kind of patch not known."""
    kind = content_type.partition(";")[0].strip()
    if kind not in patching.KINDS:
        known = ", ".join(patching.KINDS)
        message = f"the body of the request was in an unknown format - accepted media types include: {known}"
        raise errors.ApiError(415, "UnsupportedMediaType", message)
    return patching.Patch(kind, parse_body(body, content_type))


def _load_yaml(body: bytes) -> Any:
    import yaml

    try:
        return json.loads(body)
    except ValueError:
        pass
    try:
        for token in yaml.scan(body):
            if isinstance(token, yaml.AliasToken):
                raise ValueError("YAML aliases are not accepted")
        return yaml.safe_load(body)
    except yaml.YAMLError as problem:
        raise ValueError(str(problem)) from None
