"""The passwords and keys of one embedded stack: made once at random, kept in 0600 files, never printed.

Nothing here reaches a command line or a log; components get them by environment or by file.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from gauntlet.local.paths import StackPaths


def _password() -> str:
    return secrets.token_urlsafe(24)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True)
class Keys:
    """What the components of one stack know each other by; a repr shows none of it."""

    postgres_admin: str = field(default_factory=_password, repr=False)
    postgres_airflow: str = field(default_factory=_password, repr=False)
    postgres_gauntlet: str = field(default_factory=_password, repr=False)
    airflow_admin: str = field(default_factory=_password, repr=False)
    airflow_fernet: str = field(default_factory=_fernet_key, repr=False)
    airflow_jwt: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    airflow_api: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    supervisor: str = field(default_factory=_password, repr=False)


def load_or_create(paths: StackPaths) -> Keys:
    """The stack's keys; those that are not there yet are made.

    :param paths: of a state folder that :meth:`StackPaths.make` has made.
    """
    file = paths.secrets / "keys.json"
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    names = {each.name for each in fields(Keys)}
    keys = Keys(**{name: value for name, value in known.items() if name in names})
    if asdict(keys) != known:
        write_private(file, json.dumps(asdict(keys), indent=2))
    write_private(paths.admin_password, keys.airflow_admin + "\n")
    return keys


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, readable by its owner alone; a file that already holds `text` is left alone."""
    if path.is_file() and path.stat().st_mode & 0o077 == 0 and path.read_text(encoding="utf-8") == text:
        return
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    unfinished.replace(path)
