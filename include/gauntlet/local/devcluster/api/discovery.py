"""Tells clients what is served: aggregated discovery v2, plain discovery, and the version. Pure.

Format: apidiscovery.k8s.io/v2 APIGroupDiscoveryList, v1 APIGroupList and APIResourceList.
"""

from __future__ import annotations

import platform
import sys
from typing import Any

from gauntlet.local.devcluster.api.kinds import ALL_VERBS, KINDS, REVIEWS, Kind, Subresource, versions

VERSION = "v1.34.0+devcluster"
AGGREGATED = ("g=apidiscovery.k8s.io", "as=APIGroupDiscoveryList")


def version() -> dict[str, str]:
    """Return the answer of /version."""
    return {
        "major": "1", "minor": "34", "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": f"none (Python {platform.python_version()})",
        "compiler": sys.implementation.name, "platform": f"{sys.platform}/{platform.machine()}",
    }  # fmt: skip


def aggregated_version(accept: str) -> str | None:
    """Return the version of aggregated discovery a client prefers, None when it wants the plain kind."""
    for choice in accept.split(","):
        if all(part in choice for part in AGGREGATED):
            return "v2beta1" if "v=v2beta1" in choice else "v2"
    return None


def aggregated(*, core: bool, form: str = "v2") -> dict[str, Any]:
    """Return everything below /api (core) or /apis in one document."""
    groups = [group for group in versions() if (group == "") == core]
    return {
        "kind": "APIGroupDiscoveryList", "apiVersion": f"apidiscovery.k8s.io/{form}", "metadata": {},
        "items": [_aggregated_group(group, versions()[group]) for group in groups],
    }  # fmt: skip


def _aggregated_group(group: str, version_name: str) -> dict[str, Any]:
    resources = [_aggregated_kind(kind) for kind in KINDS if kind.group == group]
    resources += [
        {
            "resource": plural, "responseKind": {"group": group, "version": version_name, "kind": kind},
            "scope": "Cluster", "singularResource": kind.lower(), "verbs": ["create"],
        }
        for (owner, _, plural), kind in REVIEWS.items() if owner == group
    ]  # fmt: skip
    version_entry = {"version": version_name, "freshness": "Current", "resources": resources}
    return {"metadata": {"name": group} if group else {}, "versions": [version_entry]}


def _aggregated_kind(kind: Kind) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(ALL_VERBS),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if kind.subresources:
        entry["subresources"] = [
            {
                "subresource": sub.name, "verbs": list(sub.verbs),
                "responseKind": {"group": sub.group, "version": sub.version, "kind": sub.kind},
            }
            for sub in kind.subresources
        ]  # fmt: skip
    return entry


def api_versions() -> dict[str, Any]:
    """Return the plain answer of /api."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group_list() -> dict[str, Any]:
    """Return the plain answer of /apis."""
    groups = [api_group(group) for group in versions() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(group: str) -> dict[str, Any]:
    """Return the plain answer of /apis/GROUP. Raises KeyError for a group not served."""
    entry = {"groupVersion": f"{group}/{versions()[group]}", "version": versions()[group]}
    return {"kind": "APIGroup", "apiVersion": "v1", "name": group, "versions": [entry], "preferredVersion": entry}


def resource_list(group: str, version_name: str) -> dict[str, Any]:
    """Return the plain answer of /api/v1 or /apis/GROUP/VERSION. Raises KeyError for what is not served."""
    if versions()[group] != version_name:
        raise KeyError(version_name)
    resources: list[dict[str, Any]] = []
    for kind in (kind for kind in KINDS if kind.group == group):
        resources.append({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
            "verbs": list(ALL_VERBS), **({"shortNames": list(kind.short_names)} if kind.short_names else {}),
            **({"categories": list(kind.categories)} if kind.categories else {}),
        })  # fmt: skip
        resources += [_plain_subresource(kind, sub) for sub in kind.subresources]
    resources += [
        {"name": plural, "singularName": kind.lower(), "namespaced": False, "kind": kind, "verbs": ["create"]}
        for (owner, _, plural), kind in REVIEWS.items()
        if owner == group
    ]
    group_version = f"{group}/{version_name}" if group else version_name
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def _plain_subresource(kind: Kind, sub: Subresource) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": f"{kind.plural}/{sub.name}", "singularName": "", "namespaced": kind.namespaced, "kind": sub.kind,
        "verbs": list(sub.verbs),
    }  # fmt: skip
    return {**entry, "group": sub.group, "version": sub.version} if sub.group else entry
