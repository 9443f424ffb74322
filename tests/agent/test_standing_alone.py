"""The agent's folder is all of Gauntlet that its image carries, and that image's Python may be old."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from gauntlet.agent import contract
from gauntlet.storage import layout

AGENT = Path(contract.__file__).parent
MODULES = sorted(AGENT.rglob("*.py"))


def imported(module: Path) -> set[str]:
    """The modules a file imports, by full name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_needs_the_standard_library_and_the_agent_alone(module: Path) -> None:
    allowed = {"pytest", "cases", "roles"} if "testside" in module.parts else {"gauntlet"}
    for name in imported(module):
        top = name.partition(".")[0]
        assert top in sys.stdlib_module_names or top in allowed
        assert top != "gauntlet" or name.startswith("gauntlet.agent")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_is_python_3_8(module: Path) -> None:
    source = module.read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 8))
    assert "from __future__ import annotations" in source or module.name == "__init__.py"


def test_the_test_side_folder_holds_the_plugin_and_nothing_else() -> None:
    assert [path.name for path in (AGENT / "testside").iterdir() if path.name[0] not in "._"] == ["gauntlet_pytest"]


def test_file_names_are_those_of_the_stores_layout() -> None:
    assert (contract.MANIFEST, contract.HEARTBEAT, contract.INVENTORY) == (
        layout.MANIFEST,
        layout.HEARTBEAT,
        layout.INVENTORY,
    )


def test_the_agent_starts_without_importing_anything_heavy() -> None:
    script = "import gauntlet.agent.__main__, sys; print([n for n in sys.modules if n in ('asyncio', 'pydantic')])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(AGENT.parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
