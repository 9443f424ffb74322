"""What the steps work with: the settings, the database, the object store."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache

from sqlalchemy import Connection

from gauntlet.settings import current
from gauntlet.storage import database
from gauntlet.storage.objects import ObjectStore


def transaction() -> AbstractContextManager[Connection]:
    """One transaction on Gauntlet's database.

    :raises gauntlet.storage.database.DatabaseUnreachableError: when it does not answer.
    """
    return database.begin(current().database_url.get_secret_value())


@lru_cache(maxsize=1)
def store() -> ObjectStore:
    """This installation's object store."""
    return ObjectStore(current())
