"""One definition's mistake touches no other DAG, and a running run keeps its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from gauntlet_airflow.bundles import DefinitionRefused, embedded, refresh

GOOD = "kind: TestSuite\nname: {name}\ntype: pytest\ncontent: {{type: package, package: networkx}}\n"
HOUR = 3600


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "include" / "suites").mkdir(parents=True)
    return tmp_path / "include"


@pytest.fixture
def loaders(tmp_path: Path) -> Path:
    folder = tmp_path / "loaders"
    folder.mkdir()
    return folder


def files(loaders: Path) -> list[str]:
    return sorted(path.relative_to(loaders).as_posix() for path in loaders.rglob("*") if path.is_file())


def now(path: Path, *, later_seconds: float = 0) -> float:
    return path.stat().st_mtime + later_seconds


def test_each_definition_gets_a_loader_of_its_own(root: Path, loaders: Path) -> None:
    for name in ("a", "b"):
        (root / "suites" / f"{name}.yaml").write_text(GOOD.format(name=name))
    refresh(root, loaders, now=0)
    assert files(loaders) == ["suites/a.yaml.py", "suites/b.yaml.py"]
    assert embedded((loaders / "suites/a.yaml.py").read_text())[0] == "suite__a"


def test_a_broken_definition_keeps_its_last_good_loader_and_has_an_error_of_its_own(root: Path, loaders: Path) -> None:
    file = root / "suites" / "a.yaml"
    file.write_text(GOOD.format(name="a"))
    refresh(root, loaders, now=0)
    before = (loaders / "suites/a.yaml.py").read_text()
    file.write_text(GOOD.format(name="a") + "typo: 1\n")
    refresh(root, loaders, now=0)
    assert (loaders / "suites/a.yaml.py").read_text() == before
    with pytest.raises(DefinitionRefused, match=r"suites/a\.yaml:5: typo: found an unknown field"):
        exec((loaders / "suites/a.yaml.broken.py").read_text())  # noqa: S102  (as Airflow does)


def test_a_mended_definition_loses_its_error(root: Path, loaders: Path) -> None:
    file = root / "suites" / "a.yaml"
    file.write_text("kind: [\n")
    refresh(root, loaders, now=0)
    assert files(loaders) == ["suites/a.yaml.broken.py"]
    file.write_text(GOOD.format(name="a"))
    refresh(root, loaders, now=0)
    assert files(loaders) == ["suites/a.yaml.py"]


def test_a_deleted_definition_stays_without_schedule_until_its_longest_run_is_over(root: Path, loaders: Path) -> None:
    file = root / "suites" / "a.yaml"
    file.write_text(GOOD.format(name="a") + "schedule: '@daily'\nconfig: {timeout: 600}\n")
    refresh(root, loaders, now=0)
    loader = loaders / "suites/a.yaml.py"
    assert "scheduled=True" in loader.read_text()
    file.unlink()
    refresh(root, loaders, now=now(loader))
    assert "scheduled=False" in loader.read_text()
    refresh(root, loaders, now=now(loader, later_seconds=HOUR))
    assert loader.exists()
    refresh(root, loaders, now=now(loader, later_seconds=4 * HOUR))
    assert not loader.exists()


def test_an_unchanged_definition_is_not_written_again(root: Path, loaders: Path) -> None:
    (root / "suites" / "a.yaml").write_text(GOOD.format(name="a"))
    refresh(root, loaders, now=0)
    loader = loaders / "suites/a.yaml.py"
    before = loader.stat().st_mtime_ns
    refresh(root, loaders, now=0)
    assert loader.stat().st_mtime_ns == before


def test_a_definition_of_another_kind_is_refused_in_this_folder(root: Path, loaders: Path) -> None:
    (root / "suites" / "a.yaml").write_text("kind: Other\n")
    refresh(root, loaders, now=0)
    assert files(loaders) == ["suites/a.yaml.broken.py"]


def test_a_folder_is_anchored_where_its_definition_is(root: Path, loaders: Path) -> None:
    (root / "suites" / "a.yaml").write_text(
        "kind: TestSuite\nname: a\ntype: pytest\ncontent: {type: folder, folder: ../shop/tests}\n"
    )
    refresh(root, loaders, now=0)
    _, document = embedded((loaders / "suites/a.yaml.py").read_text())
    assert document["content"]["folder"] == "shop/tests"


def test_a_definition_cannot_smuggle_code_into_its_loader(root: Path, loaders: Path) -> None:
    (root / "suites" / "a.yaml").write_text(
        GOOD.format(name="a") + "description: \"''' + __import__('os').abort() + '''\\n\\\"\\\"\\\"\"\n"
    )
    refresh(root, loaders, now=0)
    _, document = embedded((loaders / "suites/a.yaml.py").read_text())
    assert "abort" in document["description"]
