"""Where a suite's tests come from: the mission's git, inline and artifact; ours package and folder."""

from __future__ import annotations

import os
import re
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gauntlet.definitions.base import CONTROL_CHARACTERS, Model

_REQUIREMENT_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(\[[A-Za-z0-9._,\s-]+\])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_URL = re.compile(r"(https?|s3|file)://\S+")


def _inside(value: str) -> str:
    """A path that stays inside the content and is no option of the tool."""
    parts = value.replace("\\", "/").split("/")
    if value.startswith(("/", "-")) or ".." in parts or CONTROL_CHARACTERS.search(value):
        raise ValueError("a path inside the content, without '..' and not beginning with '/' or '-'")
    return value


def _requirement(value: str) -> str:
    """One requirement as pip takes it (PEP 508); options such as ``--index-url`` are not requirements."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(value)
    except InvalidRequirement as error:
        raise ValueError(f"a requirement such as numpy==2.4.6 ({str(error).splitlines()[0]})") from None
    return value


InsidePath = Annotated[str, Field(max_length=1000), AfterValidator(_inside)]
RequirementLine = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_requirement)]


class Dependencies(Model):
    """What the tests need beside themselves.

    :param dependencies: requirement lines.
    :param requirements: a requirements file inside the content.
    :param path: what to run inside the content: a file, a folder, or (of a package) a module; all when empty.
    """

    dependencies: list[RequirementLine] = Field(default_factory=list, max_length=1000)
    requirements: InsidePath | None = None
    path: InsidePath = ""


class GitContent(Dependencies):
    """A repository; exactly one of branch, tag and commit, or none for the default branch."""

    type: Literal["git"]
    repository: str = Field(
        min_length=1, max_length=2000, pattern=r"^(https?|ssh|git|file)://\S+$|^[\w.-]+@[\w.-]+:\S+$"
    )
    branch: str | None = Field(None, max_length=255)
    tag: str | None = Field(None, max_length=255)
    commit: str | None = Field(None, pattern=r"^[0-9a-f]{7,64}$")
    submodules: bool = False
    credentials: str | None = Field(None, max_length=253, description="a Kubernetes Secret with a token or SSH key")

    @model_validator(mode="after")
    def _one_revision(self) -> Self:
        if sum(value is not None for value in (self.branch, self.tag, self.commit)) > 1:
            raise ValueError("at most one of branch, tag and commit")
        return self


class InlineContent(Dependencies):
    """A script written in the definition."""

    type: Literal["inline"]
    script: str = Field(min_length=1, max_length=500_000)
    language: str = Field("python", max_length=50)


class ArtifactContent(Dependencies):
    """An archive by address: zip, tar, wheel or sdist.

    :param install: whether to install it as a Python distribution; by default a wheel is, other archives are not.
    """

    type: Literal["artifact"]
    artifact_url: str = Field(max_length=2000)
    version: str = Field("", max_length=255)
    sha256: str | None = None
    install: bool | None = None

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if not _URL.fullmatch(self.artifact_url):
            raise ValueError("artifactUrl: an address that begins with https://, http://, s3:// or file://")
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise ValueError("sha256: 64 hexadecimal digits in lower case")
        return self


class PackageContent(Dependencies):
    """A Python package whose tests are installed with it.

    :param package: its name on the index, extras allowed.
    :param version: the exact version; the newest when absent.
    """

    type: Literal["package"]
    package: str = Field(max_length=255)
    version: str | None = Field(None, pattern=r"^[A-Za-z0-9.!+_-]+$", max_length=100)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not _REQUIREMENT_NAME.fullmatch(self.package):
            raise ValueError("package: a package's name, such as networkx")
        return self


class FolderContent(Dependencies):
    """A folder on the machine that submits, packed and sent along.

    :param folder: relative to the definition's file, or absolute.
    :param exclude: glob patterns of paths to leave out.
    """

    type: Literal["folder"]
    folder: str = Field(min_length=1, max_length=4000)
    exclude: list[str] = Field(default_factory=list, max_length=100)


Content = Annotated[
    GitContent | InlineContent | ArtifactContent | PackageContent | FolderContent, Field(discriminator="type")
]


def anchored(document: dict[str, Any], *, base: PurePath) -> dict[str, Any]:
    """A suite's document whose folder no longer depends on where its file is.

    :param base: the folder of the definition's file; a relative one gives a relative folder.
    """
    content = document.get("content", {})
    if content.get("type") != "folder" or PurePath(content["folder"]).is_absolute():
        return document
    return {**document, "content": {**content, "folder": os.path.normpath(base / content["folder"])}}
