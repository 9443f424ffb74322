"""The reference pages say what the code says: no field, option or setting is missing in them, and none is invented.

The pages are written by hand; these tests read their tables. A section belongs to a model when its heading ends
with the model's name in brackets.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
import typing
import uuid
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from annotated_types import Ge, Gt, Le, MaxLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.testing import CliRunner

from gauntlet.agent import contract
from gauntlet.cli.main import app
from gauntlet.definitions.base import Definition
from gauntlet.definitions.loader import load_data
from gauntlet.runs.states import ShardStatus, State, Status
from gauntlet.settings import PREFIX, Settings, current
from gauntlet.storage import layout
from gauntlet.storage.executions import Execution
from gauntlet.storage.shards import ShardRow
from gauntlet.testing.lifecycle import installation, progress
from gauntlet.testing.results import verdict
from gauntlet.testing.suite import TestSuite

PROJECT = Path(__file__).parents[2]
REFERENCE = PROJECT / "docs" / "reference"
WITH_EXAMPLES = ("README.md", "docs/tutorials/first-suite.md", "docs/reference/test-suite.md")
COMMANDS = ("up", "down", "status", "doctor", "run", "validate")

_HEADING = re.compile(r"#+ .*\((\w+)\)")
_YAML = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

Row = tuple[str, ...]


@lru_cache
def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def sections(name: str) -> dict[str, dict[str, Row]]:
    """The tables of a page, by the name in brackets of their heading: rows by the word in their first cell."""
    found: dict[str, dict[str, Row]] = {}
    current: dict[str, Row] = {}
    for line in page(name).splitlines():
        heading = _HEADING.fullmatch(line)
        if line.startswith("#"):
            current = found.setdefault(heading[1], {}) if heading else {}
        if line.startswith("| `"):
            cells = tuple(cell.strip() for cell in line[1:-1].split("|"))
            current[cells[0].strip("`")] = cells
    return found


def models() -> list[type[BaseModel]]:
    """The suite's model, what it is built on, and every model inside it."""
    found: dict[type[BaseModel], None] = {}

    def visit(kind: Any) -> None:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for base in reversed(kind.__mro__):
                if issubclass(base, BaseModel) and base.__annotations__ and base.__module__.startswith("gauntlet"):
                    found[base] = None
            for field in kind.model_fields.values():
                visit(field.annotation)
        for argument in typing.get_args(kind):
            visit(argument)

    visit(TestSuite)
    return list(found)


def own_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields that a model declares itself, by their outside names."""
    return {str(f.alias): f for name, f in model.model_fields.items() if name in model.__annotations__}


def default_of(field: FieldInfo) -> str:
    """A field's default as the pages write it."""
    if field.default_factory is not None:
        return "empty" if field.default_factory in (dict, list) else "its defaults"
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None:
        return "none"
    if field.default == "":
        return "empty"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return value if isinstance(value, str) else json.dumps(value)


def choices(kind: Any) -> Iterator[str]:
    """The words that a field may hold, when they are listed."""
    if typing.get_origin(kind) is typing.Literal:
        yield from (str(word) for word in typing.get_args(kind) if word)
    else:
        for argument in typing.get_args(kind):
            yield from choices(argument)


def limits(field: FieldInfo) -> list[str]:
    """The bounds of a field, as the pages write them."""
    named = {Ge: "ge", Gt: "gt", Le: "le", MaxLen: "max_length"}
    return [str(getattr(one, named[type(one)])) for one in field.metadata if type(one) in named]


ALL_FIELDS = [(model, name) for model in models() for name in own_fields(model)]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_the_page_of_the_suite_has_exactly_the_fields_of_each_model(model: type[BaseModel]) -> None:
    assert sections("test-suite.md").get(model.__name__, {}).keys() == own_fields(model).keys()


def test_the_page_of_the_suite_has_no_section_of_a_model_that_is_gone() -> None:
    assert set(sections("test-suite.md")) == {model.__name__ for model in models()}
    assert {Definition, TestSuite} <= set(models())


@pytest.mark.parametrize(("model", "name"), ALL_FIELDS, ids=lambda part: getattr(part, "__name__", part))
def test_the_page_of_the_suite_gives_each_fields_default_limits_and_words(model: type[BaseModel], name: str) -> None:
    row, field = sections("test-suite.md")[model.__name__][name], own_fields(model)[name]
    assert row[2].strip("`") == default_of(field)
    numbers = re.findall(r"\d+", row[3])
    assert [limit for limit in limits(field) if limit not in numbers] == []
    assert [word for word in choices(field.annotation) if f"`{word}`" not in row[3]] == []


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_every_example_in_the_pages_is_a_good_definition(name: str) -> None:
    """One that shows some fields only is completed with what every suite must have."""
    complete = {
        "kind": "TestSuite",
        "name": "example",
        "type": "pytest",
        "content": {"type": "inline", "script": "def test_one(): pass"},
    }
    examples = _YAML.findall((PROJECT / name).read_text(encoding="utf-8"))
    assert examples
    for text in examples:
        assert isinstance(load_data({**complete, **yaml.safe_load(text)}, file=f"{name}: {text}"), TestSuite)


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--help"], env={"TERMINAL_WIDTH": "200", "COLUMNS": "200"})
    assert result.exit_code == 0
    return _COLOUR.sub("", result.output)


def test_the_page_of_the_command_line_has_exactly_the_commands_that_help_shows() -> None:
    commands = re.findall(r"^│ ([a-z][a-z-]*)  ", shown(), re.MULTILINE)
    assert tuple(commands) == COMMANDS
    assert set(re.findall(r"^## `gauntlet ([a-z-]+)", page("command-line.md"), re.MULTILINE)) == set(commands)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_page_of_the_command_line_has_exactly_the_options_that_help_shows(command: str) -> None:
    arguments = [command] if command else []
    options = set(re.findall(r"^│ [* ]*(--[a-z-]+)", shown(*arguments), re.MULTILINE)) - {"--help"}
    heading = rf"## `gauntlet {command}\b" if command else "## `gauntlet`"
    section = re.split(rf"^{heading}.*$", page("command-line.md"), flags=re.MULTILINE)[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE)) == options


def test_the_page_of_the_command_line_has_exactly_the_targets_of_make() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):[^#\n]*## ", makefile, re.MULTILINE)
    assert set(re.findall(r"^\| `make ([a-z-]+)`", page("command-line.md"), re.MULTILINE)) == set(targets)


def test_the_page_of_the_command_line_has_the_exit_codes() -> None:
    codes = {verdict.PASSED, verdict.TESTS_FAILED, verdict.COULD_NOT_RUN, verdict.REFUSED}
    section = page("command-line.md").split("### Exit codes of a run\n")[1].split("\n#")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)} == codes


@pytest.mark.parametrize("words", [Status, ShardStatus, State])
def test_the_page_of_the_command_line_has_every_word_of_a_runs_and_a_shards_status(words: type[StrEnum]) -> None:
    assert [word.value for word in words if f"`{word.value}`" not in page("command-line.md")] == []


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty installation: a folder store, and a database that nothing here asks."""
    monkeypatch.setenv("GAUNTLET_STORE_URL", tmp_path.as_uri())
    monkeypatch.setenv("GAUNTLET_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    caches = (current, installation.store)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.usefixtures("own_store")
def test_the_page_of_the_command_line_has_exactly_the_fields_of_the_document() -> None:
    now, identity = dt.datetime.now(dt.UTC), uuid.uuid4()
    blank: dict[str, Any] = {field.name: None for field in dataclasses.fields(Execution)}
    known = {"execution_id": identity, "public_id": "exec-0123456789ab", "submitted_at": now, "metrics": {}}
    execution = Execution(**{**blank, **known, "state": State.RUNNING, "status": Status.RUNNING})
    shard = ShardRow(0, ShardStatus.PENDING, "", "", 1, {}, None, None, 0, 0, "", "")
    document = progress.document(
        progress.Progress(execution, [progress.ShardProgress(shard, None)]), links={"dagRun": "", "airflow": ""}
    )
    found = sections("command-line.md")
    assert found["document"].keys() == document.keys()
    assert found["shards"].keys() == document["shards"][0].keys()
    assert found["reports"].keys() == layout.REPORTS.keys()
    assert found["links"].keys() == document["links"].keys()


def test_the_page_of_the_settings_has_exactly_the_settings() -> None:
    rows = sections("settings.md")["Settings"]
    assert rows.keys() == {PREFIX + name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        assert rows[PREFIX + name.upper()][1].strip("`") == default_of(field), name


def test_the_page_of_the_settings_has_the_variables_of_the_local_stack() -> None:
    from gauntlet.local.plan import _NOT_SETTINGS
    from gauntlet.local.programs import MARKER

    assert sections("settings.md")["stack"].keys() == (_NOT_SETTINGS - {MARKER}) | {"KUBECONFIG"}


DOCUMENTS = [value for value in vars(contract).values() if dataclasses.is_dataclass(value)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.__name__)
def test_the_page_of_the_object_store_has_exactly_the_fields_of_each_document(document: Any) -> None:
    names = {field.name for field in dataclasses.fields(document)}
    assert sections("object-store.md").get(document.__name__, {}).keys() == names


def test_the_page_of_the_object_store_has_every_path_of_the_layout() -> None:
    execution = "<execution>"
    paths = [
        layout.definition(execution),
        layout.plan(execution),
        layout.inventory_order(execution, 1).replace("-1.", "-<k>."),
        layout.shard_order(execution, 0, 1).replace("-0-1.", "-<i>-<k>."),
        layout.inventory_attempt(execution, 1).replace("/1", "/<k>/"),
        layout.shard_attempt(execution, 0, 1).replace("/0/", "/<i>/").replace("/1", "/<k>/"),
        *(layout.report(execution, name) for name in layout.REPORTS.values()),
        layout.content("<sha256>"),
    ]
    listing = page("object-store.md").split("```")[1]
    assert [path for path in paths if path not in listing] == []
