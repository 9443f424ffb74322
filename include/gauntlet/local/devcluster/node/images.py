"""The image catalogue: what a name means on a node that has no container runtime.

The built-in entries are ``images.yaml``; more come from files given on the command line, which go first.
"""

from __future__ import annotations

import fnmatch
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BUILT_IN = Path(__file__).with_name("images.yaml")
_FIELDS = {"pattern", "path", "env", "entrypoint", "command", "workdir"}


class CatalogueError(Exception):
    """A catalogue file is wrong; the message says where, what was found and what is expected."""


@dataclass(frozen=True)
class Image:
    """What an image stands for."""

    pattern: str
    path: str
    env: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    workdir: str = ""


@dataclass(frozen=True)
class Catalogue:
    """Images in the order they are asked; the first pattern that matches wins."""

    images: tuple[Image, ...]

    def find(self, name: str) -> Image | None:
        """Return what an image's name means here, or None."""
        full, bare = _names(name)
        for image in self.images:
            if fnmatch.fnmatchcase(full, image.pattern) or fnmatch.fnmatchcase(bare, image.pattern):
                return image
        return None


def _names(name: str) -> tuple[str, str]:
    """Return an image's name with and without its tag and digest, Docker Hub's prefixes taken off."""
    for prefix in ("docker.io/", "index.docker.io/", "library/"):
        name = name.removeprefix(prefix)
    bare = name.partition("@")[0]
    folder, slash, last = bare.rpartition("/")
    return name, folder + slash + last.partition(":")[0]


def placeholders() -> dict[str, str]:
    """Return what catalogue entries may refer to on this machine."""
    python = Path(getattr(sys, "_base_executable", sys.executable))
    beside = Path(sys.executable).with_name("uv")
    return {
        "python": str(python),
        "python_bin": str(python.parent),
        "uv": str(beside) if beside.exists() else shutil.which("uv") or "uv",
        "gauntlet_source": str(Path(__file__).resolve().parents[4]),
        "system": SYSTEM_PATH,
    }


def load(files: Iterable[Path]) -> Catalogue:
    """Read catalogue files, then the built-in one. Raises CatalogueError."""
    images = [image for file in [*files, BUILT_IN] for image in _read(file)]
    return Catalogue(tuple(images))


def _read(file: Path) -> list[Image]:
    import yaml

    try:
        document = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as problem:
        raise CatalogueError(f"{file}: cannot be read: {problem}") from None
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        raise CatalogueError(f"{file}: expected a mapping with a list `images`")
    known = placeholders()
    return [_image(entry, f"{file}: images[{index}]", known) for index, entry in enumerate(document["images"])]


def _image(entry: Any, where: str, known: Mapping[str, str]) -> Image:
    if not isinstance(entry, dict) or not entry.get("pattern") or not set(entry) <= _FIELDS:
        raise CatalogueError(f"{where}: expected a pattern and fields among {', '.join(sorted(_FIELDS))}")
    try:
        return Image(
            pattern=str(entry["pattern"]),
            path=":".join(part.format_map(known) for part in entry.get("path") or ["{system}"]),
            env={str(key): str(value).format_map(known) for key, value in (entry.get("env") or {}).items()},
            entrypoint=tuple(part.format_map(known) for part in entry.get("entrypoint") or ()),
            command=tuple(part.format_map(known) for part in entry.get("command") or ()),
            workdir=str(entry.get("workdir") or "").format_map(known),
        )
    except (KeyError, ValueError, AttributeError) as problem:
        raise CatalogueError(f"{where}: {problem} is no known placeholder: {', '.join(sorted(known))}") from None
