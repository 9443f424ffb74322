"""An installation of a test's own: a migrated database and a folder as the object store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gauntlet.settings import Settings, current
from gauntlet.storage import database, migrations
from gauntlet.testing.lifecycle import installation


@pytest.fixture
def installed(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The settings of this process while the test runs."""
    for name in [name for name in os.environ if name.startswith("GAUNTLET_")]:
        monkeypatch.delenv(name)
    (tmp_path / "store").mkdir()
    (tmp_path / "include").mkdir()
    monkeypatch.setenv("GAUNTLET_DATABASE_URL", database_url)
    monkeypatch.setenv("GAUNTLET_STORE_URL", (tmp_path / "store").as_uri())
    monkeypatch.setenv("GAUNTLET_DEFINITIONS_ROOT", str(tmp_path / "include"))
    migrations.upgrade(database_url)
    for cache in (current, installation.store):
        cache.cache_clear()
    yield current()
    database.engine(database_url).dispose()
    for cache in (current, installation.store):
        cache.cache_clear()
