"""Makes mount paths mean something without mounts: every mention of one becomes the volume's folder. Pure.

A container here is a plain process on the host's file system, so `/work` cannot be mounted for it. Instead, mount
paths are replaced in its command, arguments, environment and working directory; whole path components only, the
longest mount path first, in one pass. What a program has written into its own code is not reached by this: it finds
the folder in ``DEVCLUSTER_VOLUME_<NAME>``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_BEFORE = r"(?:(?<=file://)|(?<![\w./~-]))"
_AFTER = r"(?=$|[^\w.-])"


class Rewriter:
    """Replaces mount paths in text by folders of the host."""

    def __init__(self, mounts: Mapping[str, Path]) -> None:
        """Take the host's folder or file by mount path."""
        self._mounts = {_trimmed(path): str(folder) for path, folder in mounts.items() if _trimmed(path)}
        paths = sorted(self._mounts, key=len, reverse=True)
        choices = "|".join(re.escape(path) for path in paths)
        self._pattern = re.compile(f"{_BEFORE}({choices}){_AFTER}") if paths else None

    def text(self, text: str) -> str:
        """Return `text` with every mount path replaced."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._mounts[match[1]], text)


def _trimmed(path: str) -> str:
    return re.sub(r"/+", "/", path).rstrip("/")


def volume_variable(name: str) -> str:
    """Return the environment variable that tells a container where a volume is."""
    return "DEVCLUSTER_VOLUME_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
