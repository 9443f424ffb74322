"""The test-side half of the agent: a pytest plugin that lists, selects and reports cases.

It runs inside the suite's own environment, so it may import the standard library and pytest and nothing else, must
work with Python 3.8 and pytest 6.2 to 9, and may never change what a test sees or how it ends. Its folder is the only
thing of Gauntlet's on the tests' path. It talks to the agent through files named by three variables:

``GAUNTLET_TEST_INVENTORY``
    list the cases into this file (one JSON object a line: ``id``, ``file``, ``line``) and run nothing.
``GAUNTLET_TEST_SELECTION``
    run exactly the ids in this file (one JSON string a line).
``GAUNTLET_TEST_EVENTS``
    append what happens to this file, one line an event: a letter, then JSON. ``H`` pytest is there, ``S`` a case
    starts (its id), ``C`` a case is finished (an object with the fields of ``contract.Case``), ``M`` ids that were
    wanted and not collected, ``F`` the session is over (``exit`` and why it stopped early).

Events are single writes to a file opened for appending: processes of pytest-xdist may share it, and an interpreter
that dies loses none. Under xdist the controller reports what runs; the first worker reports what was collected.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from .roles import Events, Inventory, Names, PathSelection, Recorder


def _is_worker(config: Any) -> bool:
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: Any) -> None:
    """Say that pytest is there before a conftest can break it off."""
    if not _is_worker(early_config) and "PYTEST_XDIST_WORKER" not in os.environ:
        Events(os.environ.get("GAUNTLET_TEST_EVENTS", "")).write("H", {"pytest": pytest.__version__})


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: Any) -> None:
    """Take on the role the variables give this process."""
    inventory = os.environ.get("GAUNTLET_TEST_INVENTORY", "")
    names = Names()
    if inventory:
        config.option.collectonly = True
        config.pluginmanager.register(names, "gauntlet-names")
        config.pluginmanager.register(Inventory(inventory, names), "gauntlet-inventory")
        return
    worker = _is_worker(config)
    path = os.environ.get("GAUNTLET_TEST_EVENTS", "")
    selection = os.environ.get("GAUNTLET_TEST_SELECTION", "")
    if selection:
        # A broken module is one case in error; it must not keep the shard's other cases from running.
        config.option.continue_on_collection_errors = True
        tells = not worker or config.workerinput["workerid"] == "gw0"
        wanted = [json.loads(line) for line in Path(selection).read_text(encoding="utf-8").splitlines() if line]
        events = Events(path if tells else "")
        config.pluginmanager.register(PathSelection(wanted, config.rootpath, events, names), "gauntlet-selection")
    else:
        config.pluginmanager.register(names, "gauntlet-names")
    if not worker:
        config.pluginmanager.register(Recorder(Events(path), names), "gauntlet-recorder")
