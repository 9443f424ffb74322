"""Gives devcluster what Gauntlet expects to find on a cluster: its namespace, and volumes for store and cache.

devcluster forgets everything when it ends, so this is done after each of its starts: by `up`, and by this module
run as supervisord's event listener when devcluster crashed and was started again. Objects that are there are left
alone. On a person's own cluster these are theirs (or the Helm chart's) to make.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gauntlet.errors import GauntletError
from gauntlet.local import health

_READY_TIMEOUT_SECONDS = 60


class FurnishingError(GauntletError):
    """devcluster refused what Gauntlet needs there."""


@dataclass(frozen=True)
class Access:
    """How devcluster is reached: its certificate authority as PEM (None for http), and a token."""

    server: str
    token: str = field(repr=False)
    authority: str | None = field(default=None, repr=False)

    def opener(self) -> urllib.request.OpenerDirector:
        """What speaks to it, trusting its own authority alone."""
        return health.DIRECT if self.authority is None else health.direct_opener(self.authority)


def access(kubeconfig: Path) -> Access | None:
    """Read devcluster's own kubeconfig; None when it is not written yet."""
    import yaml

    try:
        content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster = content["clusters"][0]["cluster"]
        encoded = cluster.get("certificate-authority-data")
        authority = base64.b64decode(encoded).decode("ascii") if encoded else None
        return Access(cluster["server"], content["users"][0]["user"]["token"], authority)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, yaml.YAMLError):
        return None


def problem_of(kubeconfig: Path) -> str | None:
    """devcluster's check: it has written its kubeconfig and is ready."""
    found = access(kubeconfig)
    if found is None:
        return f"{kubeconfig} is not there yet"
    return health.http_ok(f"{found.server}/readyz", found.opener())


def objects(namespace: str, folders: Mapping[str, Path]) -> list[dict[str, Any]]:
    """The objects, in the order in which they are made.

    :param folders: claim name → the folder of this machine that it shows.
    """
    made: list[dict[str, Any]] = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        }
    ]
    for claim, folder in folders.items():
        size = {"storage": "100Gi"}
        volume = f"{namespace}-{claim}"
        common = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
        made.append(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": volume},
                "spec": {
                    **common,
                    "capacity": size,
                    "hostPath": {"path": str(folder)},
                    "persistentVolumeReclaimPolicy": "Retain",
                },
            }
        )
        made.append(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": claim, "namespace": namespace},
                "spec": {**common, "volumeName": volume, "resources": {"requests": size}},
            }
        )
    return made


def furnish(kubeconfig: Path, namespace: str, folders: Mapping[str, Path]) -> bool:
    """Make what is not there yet on a devcluster that is ready.

    :returns: whether anything was made.
    :raises FurnishingError: devcluster is not ready or refused an object; with its answer.
    """
    found = access(kubeconfig)
    if found is None:
        raise FurnishingError("is not there", where=str(kubeconfig), todo="Run `make up`")
    made = [_make(found, each) for each in objects(namespace, folders)]
    return any(made)


def _make(found: Access, content: dict[str, Any]) -> bool:
    plural = {"Namespace": "namespaces", "PersistentVolume": "persistentvolumes"}
    kind, metadata = content["kind"], content["metadata"]
    collection = plural.get(kind) or f"namespaces/{metadata['namespace']}/persistentvolumeclaims"
    request = urllib.request.Request(  # noqa: S310 - the address is devcluster's own
        f"{found.server}/api/v1/{collection}",
        data=json.dumps(content).encode(),
        headers={"Authorization": f"Bearer {found.token}", "Content-Type": "application/json"},
        method="POST",
    )
    try:
        with found.opener().open(request, timeout=10):
            return True
    except urllib.error.HTTPError as error:
        if error.code == 409:  # AlreadyExists
            return False
        answer = error.read().decode(errors="replace")[:500]
        raise FurnishingError(f"devcluster refused {kind} {metadata['name']} with {error.code}: {answer}") from None
    except OSError as error:
        raise FurnishingError(f"devcluster does not answer: {error}", where=found.server) from None


def listen(kubeconfig: Path, namespace: str, folders: Mapping[str, Path]) -> None:
    """Furnish after each start that supervisord tells of on stdin, until stdin ends.

    Speaks supervisord's event listener protocol: READY, a header line, a payload, RESULT.
    """
    _tell("READY\n")
    for line in sys.stdin:
        header = dict(part.split(":", 1) for part in line.split())
        payload = sys.stdin.read(int(header["len"]))
        if "processname:devcluster " in payload:
            _furnish_when_ready(kubeconfig, namespace, folders)
        _tell("RESULT 2\nOKREADY\n")


def _furnish_when_ready(kubeconfig: Path, namespace: str, folders: Mapping[str, Path]) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_SECONDS
    while (problem := problem_of(kubeconfig)) is not None and time.monotonic() < deadline:
        time.sleep(0.2)
    try:
        if problem is None:
            furnish(kubeconfig, namespace, folders)
    except FurnishingError as error:
        problem = str(error)
    if problem is not None:
        sys.stderr.write(f"devcluster is not furnished: {problem}\n")


def _tell(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _main() -> None:
    parser = argparse.ArgumentParser(description="Furnish devcluster after each of its starts.")
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("namespace")
    parser.add_argument("claims", nargs="*", metavar="CLAIM=FOLDER")
    arguments = parser.parse_args()
    folders = {claim: Path(folder) for claim, _, folder in (each.partition("=") for each in arguments.claims)}
    listen(arguments.kubeconfig, arguments.namespace, folders)


if __name__ == "__main__":
    _main()
