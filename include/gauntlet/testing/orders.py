"""From a suite to the orders that its pods follow. Pure: what is fetched, built and run is decided here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from gauntlet import __version__
from gauntlet.agent import contract
from gauntlet.errors import GauntletError
from gauntlet.kube import secrets
from gauntlet.testing.content import ArtifactContent, FolderContent, GitContent, InlineContent, PackageContent
from gauntlet.testing.frameworks.base import Command, framework
from gauntlet.testing.suite import TestSuite

_DISTRIBUTION_SUFFIX = ".whl"


class UnfetchableContentError(GauntletError):
    """A content that is valid but that pods cannot fetch yet."""


def check_fetchable(suite: TestSuite) -> None:
    """Refuse content that no pod could fetch.

    :raises UnfetchableContentError: saying what to use instead.
    """
    content = suite.content
    if isinstance(content, GitContent):
        raise UnfetchableContentError(
            "content of type git cannot be fetched yet",
            where="content.type",
            todo="Use folder, artifact, package or inline",
        )
    if isinstance(content, ArtifactContent) and content.artifact_url.startswith("s3://"):
        raise UnfetchableContentError(
            "an artifact in S3 cannot be fetched yet", where="content.artifactUrl", todo="Use an https:// address of it"
        )


def content_for_pod(suite: TestSuite, packed_url: str, packed_sha256: str) -> contract.Content:
    """What the init container fetches.

    :param packed_url: where a folder or script lies that the control plane packed; unused by other contents.
    :param packed_sha256: its checksum.
    """
    content = suite.content
    if isinstance(content, PackageContent):
        pinned = f"=={content.version}" if content.version else ""
        return contract.Content(type="package", requirement=f"{content.package}{pinned}")
    if isinstance(content, ArtifactContent):
        install = content.artifact_url.endswith(_DISTRIBUTION_SUFFIX) if content.install is None else content.install
        return contract.Content(type="archive", url=content.artifact_url, sha256=content.sha256 or "", install=install)
    if isinstance(content, FolderContent | InlineContent):
        return contract.Content(type="archive", url=packed_url, sha256=packed_sha256)
    raise AssertionError(f"content {content.type} was not checked")  # check_fetchable refuses it with a reason


def environment_for_pod(suite: TestSuite, *, cache_folder: str, resolution_ttl_seconds: int) -> contract.Environment:
    """The suite's own Python environment."""
    return contract.Environment(
        requirements=[*suite.content.dependencies, *framework(suite.type).requirements(suite)],
        requirements_files=[suite.content.requirements] if suite.content.requirements else [],
        python=suite.config.python,
        cache_folder=cache_folder,
        resolution_ttl_seconds=resolution_ttl_seconds,
    )


def plain_environment(suite: TestSuite) -> dict[str, str]:
    """Variables whose values hold no secret: they travel in the order."""
    return {name: value for name, value in suite.environment().items() if not secrets.refers(value)}


def secret_environment(suite: TestSuite) -> dict[str, str]:
    """Variables that refer to secrets: they are set on the pod by reference, and the order names them only."""
    return {name: value for name, value in suite.environment().items() if secrets.refers(value)}


def inventory_key(suite: TestSuite, content: contract.Content, environment: contract.Environment) -> str:
    """Identifies what an inventory depends on, when all of it is fixed; empty when it is not.

    A collection may depend on the code, its environment, the command and the variables. An unpinned version or an
    archive without a checksum may change behind the same text, and a secret may change what is collected.
    """
    pinned = "==" in content.requirement or bool(content.sha256)
    if not pinned or environment.requirements_files or secret_environment(suite):
        return ""
    parts = [
        __version__,
        asdict(content) | {"url": ""},
        environment.requirements,
        environment.python,
        framework(suite.type).inventory(suite).argv,
        plain_environment(suite),
        suite.config.image,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def inventory_order(
    suite: TestSuite,
    *,
    execution: str,
    attempt: int,
    content: contract.Content,
    environment: contract.Environment,
    upload: contract.Upload,
    heartbeat_seconds: float,
) -> contract.Order:
    """The order of the inventory pod."""
    return _order(
        suite,
        framework(suite.type).inventory(suite),
        kind="inventory",
        execution=execution,
        shard=-1,
        attempt=attempt,
        content=content,
        environment=environment,
        upload=upload,
        heartbeat_seconds=heartbeat_seconds,
        cases=[],
    )


def shard_order(
    suite: TestSuite,
    *,
    execution: str,
    shard: int,
    attempt: int,
    cases: Sequence[str],
    content: contract.Content,
    environment: contract.Environment,
    upload: contract.Upload,
    heartbeat_seconds: float,
) -> contract.Order:
    """The order of one attempt of a shard."""
    return _order(
        suite,
        framework(suite.type).shard(suite),
        kind="shard",
        execution=execution,
        shard=shard,
        attempt=attempt,
        content=content,
        environment=environment,
        upload=upload,
        heartbeat_seconds=heartbeat_seconds,
        cases=list(cases),
    )


def _order(
    suite: TestSuite,
    command: Command,
    *,
    kind: str,
    execution: str,
    shard: int,
    attempt: int,
    content: contract.Content,
    environment: contract.Environment,
    upload: contract.Upload,
    heartbeat_seconds: float,
    cases: list[str],
) -> contract.Order:
    return contract.Order(
        kind=kind,
        execution=execution,
        suite=suite.name,
        shard=shard,
        attempt=attempt,
        content=content,
        environment=environment,
        command=command.argv,
        upload=upload,
        env=plain_environment(suite),
        secret_env=sorted(secret_environment(suite)),
        cases=cases,
        inventory_key=inventory_key(suite, content, environment) if kind == "inventory" else "",
        reports=command.reports,
        artifacts=list(suite.config.artifacts) if kind == "shard" else [],
        timeout_seconds=float(suite.config.timeout),
        grace_period_seconds=float(suite.config.grace_period_seconds),
        heartbeat_seconds=heartbeat_seconds,
    )
