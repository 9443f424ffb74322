"""Where everything lies in the object store: every path is made here and nowhere else.

::

    runs/<execution>/definition.json                      the snapshot that all tasks read
    runs/<execution>/inventory/attempts/<k>/…             what the inventory pod left
    runs/<execution>/plan.json                            which case runs in which shard
    runs/<execution>/orders/inventory-<k>.json            what a pod is to do; read by presigned GET
    runs/<execution>/orders/shard-<i>-<k>.json
    runs/<execution>/shards/<i>/attempts/<k>/heartbeat.json
    runs/<execution>/shards/<i>/attempts/<k>/cases/<n>.jsonl
    runs/<execution>/shards/<i>/attempts/<k>/manifest.json   last: without one the attempt is unfinished
    runs/<execution>/reports/{report.html,report.json,junit.xml}
    contents/<sha256>.tar.gz                              folders and inline scripts, by content

``<execution>`` is the public id (``exec-…``), so that people find their way with any S3 browser. Attempts count
from 1, shards from 0.
"""

from __future__ import annotations

MANIFEST = "manifest.json"
HEARTBEAT = "heartbeat.json"
INVENTORY = "inventory.jsonl"
#: File names of the rendered reports.
REPORTS = {"html": "report.html", "json": "report.json", "junit": "junit.xml"}


def run(execution: str) -> str:
    """The prefix of everything one execution leaves."""
    return f"runs/{execution}"


def definition(execution: str) -> str:
    """The definition as it was when the run was admitted."""
    return f"{run(execution)}/definition.json"


def plan(execution: str) -> str:
    """The plan: cases by shard."""
    return f"{run(execution)}/plan.json"


def inventory_order(execution: str, attempt: int) -> str:
    """What the inventory pod is to do."""
    return f"{run(execution)}/orders/inventory-{attempt}.json"


def shard_order(execution: str, shard: int, attempt: int) -> str:
    """What one attempt of a shard is to do."""
    return f"{run(execution)}/orders/shard-{shard}-{attempt}.json"


def inventory_attempt(execution: str, attempt: int) -> str:
    """The prefix an inventory pod may write below."""
    return f"{run(execution)}/inventory/attempts/{attempt}"


def shards(execution: str) -> str:
    """The prefix of all shards of an execution."""
    return f"{run(execution)}/shards"


def shard_attempt(execution: str, shard: int, attempt: int) -> str:
    """The prefix one attempt of a shard may write below."""
    return f"{shards(execution)}/{shard}/attempts/{attempt}"


def report(execution: str, file_name: str) -> str:
    """A rendered report."""
    return f"{run(execution)}/reports/{file_name}"


def content(sha256: str) -> str:
    """A packed folder or script, addressed by what it holds."""
    return f"contents/{sha256}.tar.gz"
