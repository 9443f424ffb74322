"""Becomes one program of the embedded stack: `python -m gauntlet.local.launch <order>`.

The supervisor's configuration is readable in `ps` and by its API, so a program's environment (database URLs,
keys) does not stand there but in a 0600 file, the order, which is read at every start. Standard library only:
this runs before each component and must cost nothing. An order is::

    {"argv": [...], "env": {...}, "cwd": "/", "account": null | {"uid": 65534, "gid": 65534}}
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NoReturn


def become(order: Path) -> NoReturn:
    """Replace this process by the order's command.

    :param order: path of a JSON file as above; `env` is the whole environment.
    :raises OSError: the command cannot be executed; the supervisor tries again.
    """
    content = json.loads(order.read_text(encoding="utf-8"))
    os.chdir(content["cwd"])
    account = content["account"]
    if account is not None:
        os.setgroups([])
        os.setgid(account["gid"])
        os.setuid(account["uid"])
    argv: list[str] = content["argv"]
    os.execve(argv[0], argv, content["env"])  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    become(Path(sys.argv[1]))
