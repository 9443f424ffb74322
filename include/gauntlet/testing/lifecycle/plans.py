"""The plan in the object store: which case runs in which shard, and with what content. Written once, read by many."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from gauntlet.storage import layout
from gauntlet.testing.lifecycle.installation import store
from gauntlet.testing.planning.shards import CaseToRun, Shard


@dataclass(frozen=True)
class Plan:
    """A run's plan.

    :param shards: in the order of their indices.
    :param files: the file of each case, by id.
    :param packed: checksum of the packed content; empty when the content was not packed.
    :param facts: what the inventory learned about environment and content, for the reports.
    """

    shards: Sequence[Shard]
    files: dict[str, str]
    packed: str
    facts: dict[str, str]

    def inventory(self) -> dict[str, CaseToRun]:
        """The cases by id."""
        return {case: CaseToRun(case, file) for case, file in self.files.items()}


def write(execution: str, plan: Plan) -> None:
    """Keep the plan."""
    document = {
        "shards": [
            {"index": shard.index, "cases": list(shard.case_ids), "expectedSeconds": shard.expected_seconds}
            for shard in plan.shards
        ],
        "files": plan.files,
        "packed": plan.packed,
        "facts": plan.facts,
    }
    store().write(layout.plan(execution), json.dumps(document, ensure_ascii=False).encode())


def read(execution: str) -> Plan:
    """The plan.

    :raises FileNotFoundError: when there is none.
    """
    plan = read_if_exists(execution)
    if plan is None:
        raise FileNotFoundError(f"{execution} has no plan")
    return plan


def read_if_exists(execution: str) -> Plan | None:
    """The plan, or None when the run never came to one."""
    raw = store().read_if_exists(layout.plan(execution))
    if raw is None:
        return None
    document = json.loads(raw)
    return Plan(
        shards=[
            Shard(index=item["index"], case_ids=tuple(item["cases"]), expected_seconds=item["expectedSeconds"])
            for item in document["shards"]
        ],
        files=document["files"],
        packed=document["packed"],
        facts=document["facts"],
    )
