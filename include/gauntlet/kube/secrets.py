"""References to secrets: ``${secrets.KEY}`` and ``${secrets.NAME/KEY}``, and what they become on a pod.

A secret's value passes through nothing of ours: the kubelet puts it into the container's environment.
"""

from __future__ import annotations

import re
from typing import Any

REFERENCE = re.compile(r"\$\{secrets\.(?:(?P<name>[a-z0-9][-a-z0-9.]*)/)?(?P<key>[-._a-zA-Z0-9]+)\}")
DEFAULT_SECRET = "gauntlet-secrets"  # noqa: S105  (the name of a Kubernetes Secret)


def refers(value: str) -> bool:
    """Whether a value holds a reference."""
    return REFERENCE.search(value) is not None


def is_malformed(value: str) -> bool:
    """Whether a value holds something that begins like a reference and is none."""
    return "${secrets." in REFERENCE.sub("", value)


def variables(name: str, value: str) -> list[dict[str, Any]]:
    """The container variables for one value that refers to secrets.

    A value that is one reference becomes a ``secretKeyRef``; a reference inside a longer text gets a variable of
    its own, which Kubernetes expands (``$(NAME)``, and ``$$(`` for the plain text ``$(``).
    """
    whole = REFERENCE.fullmatch(value)
    if whole:
        return [{"name": name, "valueFrom": {"secretKeyRef": _key_ref(whole)}}]
    parts: list[dict[str, Any]] = []
    text, end = "", 0
    for match in REFERENCE.finditer(value):
        part = f"GAUNTLET_SECRET_{name}_{len(parts)}"
        parts.append({"name": part, "valueFrom": {"secretKeyRef": _key_ref(match)}})
        text += value[end : match.start()].replace("$(", "$$(") + f"$({part})"
        end = match.end()
    return [*parts, {"name": name, "value": text + value[end:].replace("$(", "$$(")}]


def _key_ref(match: re.Match[str]) -> dict[str, str]:
    return {"name": match["name"] or DEFAULT_SECRET, "key": match["key"]}
