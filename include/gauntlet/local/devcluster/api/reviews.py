"""Questions about oneself, answered and never stored: who am I, what may I do. Pure.

There are two users, the owner and the node, and both may do everything: devcluster isolates nothing.
"""

from __future__ import annotations

from typing import Any

from gauntlet.local.devcluster.store.objects import Object

GROUPS = ["system:masters", "system:authenticated"]


def answer(kind: str, body: Any, user: str, api_version: str) -> Object:
    """Return a review with its status filled in.

    Args:
        kind: SelfSubjectReview, SelfSubjectAccessReview or SelfSubjectRulesReview.
        body: the review as sent.
        user: the name that belongs to the caller's token.
        api_version: the review's group and version.
    """
    given = body if isinstance(body, dict) else {}
    review: Object = {"kind": kind, "apiVersion": api_version, "metadata": {"creationTimestamp": None}}
    if kind == "SelfSubjectReview":
        return {**review, "status": {"userInfo": {"username": user, "groups": GROUPS}}}
    review["spec"] = given.get("spec") or {}
    if kind == "SelfSubjectAccessReview":
        return {**review, "status": {"allowed": True, "reason": "devcluster has one owner, who may do everything"}}
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    paths = {"verbs": ["*"], "nonResourceURLs": ["*"]}
    status = {"resourceRules": [everything], "nonResourceRules": [paths], "incomplete": False}
    return {**review, "status": status}
