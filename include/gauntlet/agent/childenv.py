"""Which variables a process started by the agent gets. Pure: a mapping in, a mapping out.

The pod's own environment may hold the suite's secrets and the agent's addresses. Nothing started here inherits it:
installers run strangers' build scripts, and tools run the tests themselves.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

_SHARED = re.compile(
    r"(LANG|LC_[A-Z]+|TZ|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NODE_EXTRA_CA_CERTS"
    r"|GIT_SSL_CAINFO|https?_proxy|no_proxy|all_proxy)",
    re.IGNORECASE,
)
_INSTALLER = re.compile(r"(UV|PIP)_[A-Z0-9_]+")
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def _shared(environ: Mapping[str, str]) -> dict[str, str]:
    values = {name: value for name, value in environ.items() if _SHARED.fullmatch(name)}
    values.setdefault("LANG", "C.UTF-8")
    return values


def for_installer(environ: Mapping[str, str], home: Path, scratch: Path) -> dict[str, str]:
    """Variables for uv or pip: how to reach the index, and nothing of the suite's."""
    values = _shared(environ)
    values.update({name: value for name, value in environ.items() if _INSTALLER.fullmatch(name)})
    values.update({"PATH": environ.get("PATH", DEFAULT_PATH), "HOME": str(home), "TMPDIR": str(scratch)})
    return values


def for_tool(
    environ: Mapping[str, str],
    *,
    bin_folder: str,
    home: Path,
    scratch: Path,
    chosen: Mapping[str, str],
    secrets: Sequence[str],
    plugin_path: str,
    plugin: Mapping[str, str],
) -> dict[str, str]:
    """Variables for the test tool.

    :param environ: the pod's own.
    :param bin_folder: of the suite's environment; first on the path. Empty when there is none.
    :param chosen: the order's variables.
    :param secrets: names of the pod's variables the tool gets too; those that are not set are left out.
    :param plugin_path: the only folder of Gauntlet's that the tests can import from.
    :param plugin: the plugin's variables; they win over all others.
    """
    values = _shared(environ)
    path = environ.get("PATH", DEFAULT_PATH)
    values.update({"HOME": str(home), "TMPDIR": str(scratch), "PATH": path})
    values.update(chosen)
    values.update({name: environ[name] for name in secrets if name in environ and not name.startswith("GAUNTLET_")})
    if bin_folder:
        values["PATH"] = os.pathsep.join([bin_folder, values["PATH"]])
        values["VIRTUAL_ENV"] = str(Path(bin_folder).parent)
    values["PYTHONPATH"] = os.pathsep.join(part for part in (plugin_path, values.get("PYTHONPATH", "")) if part)
    values.update(plugin)
    return values
