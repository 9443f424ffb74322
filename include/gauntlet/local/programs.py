"""What a program of the embedded stack is: command, environment, how it is stopped.

Plain data between those who decide what runs (`plan`) and those who run it (`supervision`, `launch`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MARKER = "GAUNTLET_STACK"
"""The environment variable by which a stack's processes are known; its value is the state folder."""


@dataclass(frozen=True)
class Program:
    """One long-running process.

    `env` and `surroundings` are its whole environment, secrets included (hence no repr). `env` is what the stack
    decided: when it changes the program is another and is started anew. `surroundings` come from the shell of
    whoever said `up` (PATH, LANG) and may differ each time. `account` is (uid, gid) or None for the current
    user's; `start_seconds` is how long it must live for its start to count, `stop_seconds` how long it may take
    to end after `stop_signal`. `listens_to` makes it supervisord's listener for events of that name.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    surroundings: Mapping[str, str] = field(repr=False)
    cwd: Path
    account: tuple[int, int] | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 20
    start_seconds: int = 1
    listens_to: str = ""

    def order(self) -> str:
        """The JSON that `launch` reads."""
        account = self.account and {"uid": self.account[0], "gid": self.account[1]}
        content: dict[str, Any] = {
            "identity": self.identity(),
            "argv": list(self.argv),
            "env": {**self.surroundings, **self.env},
            "cwd": str(self.cwd),
            "account": account,
        }
        return json.dumps(content, indent=1, sort_keys=True)

    def identity(self) -> str:
        """A digest of all that makes this program what it is."""
        parts = [self.argv, sorted(self.env.items()), str(self.cwd), self.account]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def identity_in(order: Path) -> str | None:
    """The identity of the program that an order file on disk starts; None when there is no readable one."""
    try:
        identity = json.loads(order.read_text(encoding="utf-8"))["identity"]
    except (OSError, ValueError, KeyError):
        return None
    return str(identity)
