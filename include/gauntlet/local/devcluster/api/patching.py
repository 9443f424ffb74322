"""Patch requests: which kind of patch a content type names, and its application to an object. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gauntlet.local.devcluster.api import errors
from gauntlet.local.devcluster.store import patches
from gauntlet.local.devcluster.store.objects import Object

JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
KINDS = (JSON, MERGE, STRATEGIC, APPLY)


@dataclass(frozen=True)
class Patch:
    """A patch and its kind, one of KINDS."""

    kind: str
    body: Any


def apply_patch(current: Object, patch: Patch) -> Object:
    """Return the changed object. Raises ApiError when the patch does not fit."""
    if patch.kind != JSON and not isinstance(patch.body, dict):
        raise errors.bad_request("a patch of this kind is a JSON object")
    try:
        if patch.kind == JSON:
            changed = patches.json_patch(current, patch.body)
        elif patch.kind == MERGE:
            changed = patches.merge_patch(current, patch.body)
        else:
            changed = patches.strategic_merge(current, patch.body)
    except (patches.PatchError, AttributeError, TypeError, KeyError) as problem:
        name = current["metadata"]["name"]
        raise errors.ApiError(422, "Invalid", f'the patch of "{name}" cannot be applied: {problem}') from None
    if not isinstance(changed, dict) or not isinstance(changed.get("metadata"), dict):
        raise errors.bad_request("the patch leaves no object")
    return changed
