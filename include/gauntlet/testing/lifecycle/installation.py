"""What the steps work with: the settings, the database, the object store. One per process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from gauntlet.errors import GauntletError
from gauntlet.settings import Settings, current
from gauntlet.storage import database
from gauntlet.storage.objects import ObjectStore


class DatabaseUnavailableError(GauntletError):
    """Gauntlet's database cannot be reached just now."""


@dataclass(frozen=True)
class Installation:
    """The services of this installation."""

    settings: Settings
    engine: Engine
    store: ObjectStore

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction, committed at its end.

        :raises DatabaseUnavailableError: when the database does not answer.
        """
        try:
            with self.engine.begin() as connection:
                yield connection
        except (OperationalError, InterfaceError) as error:
            raise DatabaseUnavailableError(
                f"Gauntlet's database does not answer ({type(error.orig).__name__})",
                todo="See `gauntlet status`; on a cluster, check GAUNTLET_DATABASE_URL",
            ) from error


@lru_cache(maxsize=1)
def installation() -> Installation:
    """This process's installation, from its environment."""
    settings = current()
    return Installation(
        settings=settings,
        engine=database.engine(settings.database_url.get_secret_value()),
        store=ObjectStore(settings),
    )
