"""What the plugin says of every kind of test, seen from what an attempt leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.agent.testside.gauntlet_pytest.cases import names_of, safe_id, safe_text

if TYPE_CHECKING:
    from conftest import Pod

PLUGIN_FOLDER = Path(__file__).parents[3] / "include/gauntlet/agent/testside"

ZOO = {
    "test_zoo.py": '''
        """A module with one of everything."""
        import sys, unittest, warnings
        import pytest

        def test_passes(record_property):
            record_property("build", 17)
            print("to stdout")
            print("to stderr", file=sys.stderr)

        def test_fails():
            import logging
            logging.getLogger("zoo").warning("a record")
            assert [1, 2] == [1, 3], "lists differ"

        @pytest.fixture
        def broken_setup():
            raise RuntimeError("no bricks")

        def test_setup_error(broken_setup): pass

        @pytest.fixture
        def broken_teardown():
            yield
            raise RuntimeError("no broom")

        def test_teardown_error(broken_teardown): pass

        def test_both(broken_teardown):
            raise ValueError("first trouble")

        @pytest.mark.skip(reason="not today")
        def test_skipped(): pass

        @pytest.mark.xfail(reason="known bug 12")
        def test_xfail(): assert False

        @pytest.mark.xfail(reason="fixed by now")
        def test_xpass(): pass

        @pytest.mark.xfail(strict=True, reason="must fail")
        def test_strict_xpass(): pass

        @pytest.mark.parametrize("value", ["grün", "a::b", "[x]", "a\\tb", "a\\nb", "\\x1b[31m", "\\ud800", ""])
        def test_ids(value): pass

        @pytest.mark.parametrize("value", [1], ids=["raw \\x07 bell"])
        def test_bell(value): pass

        def test_binary(record_property):
            record_property("half", "\\ud800")
            print("null \\x00, escape \\x1b[1m done")

        def test_talkative(): print("y" * 300_000)

        class TestClass:
            def test_method(self): pass
            class TestInner:
                def test_deep(self): pass

        class Case(unittest.TestCase):
            def test_unit(self): self.assertEqual(1, 1)
            def test_unit_fails(self): self.assertEqual(1, 2)
            @unittest.expectedFailure
            def test_expected(self): self.fail("as expected")
            def test_parts(self):
                for number in range(4):
                    with self.subTest(number=number):
                        self.assertNotEqual(number, 2)
            def test_good_parts(self):
                for number in range(3):
                    with self.subTest(number=number):
                        pass
    ''',
    "documented.py": '''
        def one():
            """
            >>> one()
            1
            """
            return 1

        def two():
            """
            >>> two()
            3
            """
            return 2
    ''',
    "test_absent.py": 'import pytest\npytest.importorskip("a_package_nobody_has")\ndef test_x(): pass\n',
    "test_broken.py": "def test_x(:\n",
}
COMMAND = [
    "{python}",
    "-m",
    "pytest",
    "-p",
    "gauntlet_pytest",
    "-p",
    "no:cacheprovider",
    "--rootdir={content}",
    "--doctest-modules",
    "--junitxml={results}/junit.xml",
]


@pytest.fixture(scope="module")
def listed(make_pod: Callable[[], Pod]) -> Pod:
    """The zoo's inventory."""
    pod = make_pod()
    pod.write(ZOO)
    pod.order(kind="inventory", command=COMMAND)
    pod.prepared()
    assert pod.run() == 0
    return pod


@pytest.fixture(scope="module")
def zoo(make_pod: Callable[[], Pod], listed: Pod) -> Pod:
    """The zoo, run as one shard of everything that was listed."""
    pod = make_pod()
    ids = [entry["id"] for entry in listed.inventory]
    assert pod.shard(ZOO, command=COMMAND, cases=ids, reports=[{"path": "junit.xml", "format": "junit"}]) == 0
    return pod


@pytest.fixture(scope="module")
def cases(zoo: Pod) -> dict[str, dict[str, Any]]:
    """The zoo's results."""
    return zoo.cases


def test_every_listed_case_has_exactly_one_result(listed: Pod, cases: dict[str, dict[str, Any]]) -> None:
    ids = [entry["id"] for entry in listed.inventory]
    assert len(set(ids)) == len(ids)
    assert set(cases) == set(ids)


def test_an_inventory_runs_nothing_and_counts_everything(listed: Pod) -> None:
    assert listed.manifest["state"] == "completed"
    assert listed.manifest["counts"]["total"] == len(listed.inventory)
    entry = next(entry for entry in listed.inventory if entry["id"] == "test_zoo.py::test_fails")
    assert (entry["file"], entry["line"] > 5) == ("test_zoo.py", True)


def test_modules_that_skip_themselves_or_are_broken_are_listed_as_one_entry(listed: Pod) -> None:
    special = {entry["id"]: entry for entry in listed.inventory if "skipped" in entry or "error" in entry}
    assert set(special) == {"test_absent.py", "test_broken.py"}
    assert "a_package_nobody_has" in special["test_absent.py"]["skipped"]


@pytest.mark.parametrize(
    ("case_id", "status", "message"),
    [
        ("test_zoo.py::test_passes", "passed", ""),
        ("test_zoo.py::test_fails", "failed", "AssertionError: lists differ"),
        ("test_zoo.py::test_setup_error", "error", "RuntimeError: no bricks"),
        ("test_zoo.py::test_teardown_error", "error", "RuntimeError: no broom"),
        ("test_zoo.py::test_both", "error", "RuntimeError: no broom"),
        ("test_zoo.py::test_skipped", "skipped", "not today"),
        ("test_zoo.py::test_xfail", "skipped", "known bug 12"),
        ("test_zoo.py::test_xpass", "passed", ""),
        ("test_zoo.py::test_strict_xpass", "failed", "[XPASS(strict)] must fail"),
        ("test_zoo.py::TestClass::test_method", "passed", ""),
        ("test_zoo.py::TestClass::TestInner::test_deep", "passed", ""),
        ("test_zoo.py::Case::test_unit", "passed", ""),
        ("test_zoo.py::Case::test_unit_fails", "failed", "AssertionError: 1 != 2"),
        ("test_zoo.py::Case::test_good_parts", "passed", ""),
        ("documented.py::documented.one", "passed", ""),
    ],
)
def test_each_kind_of_test_has_its_status_and_message(
    cases: dict[str, dict[str, Any]], case_id: str, status: str, message: str
) -> None:
    assert (cases[case_id]["status"], cases[case_id]["message"]) == (status, message)


def test_a_doctest_that_fails_shows_what_was_expected(cases: dict[str, dict[str, Any]]) -> None:
    case = cases["documented.py::documented.two"]
    assert case["status"] == "failed"
    assert "Expected:" in case["details"]


def test_an_expected_failure_of_unittest_is_skipped_with_the_property(cases: dict[str, dict[str, Any]]) -> None:
    case = cases["test_zoo.py::Case::test_expected"]
    assert case["status"] == "skipped"
    assert "xfail" in case["properties"]


def test_a_failed_part_fails_its_case_and_makes_no_other(cases: dict[str, dict[str, Any]]) -> None:
    assert cases["test_zoo.py::Case::test_parts"]["status"] == "failed"
    assert len([case_id for case_id in cases if "test_parts" in case_id]) == 1


def test_a_failure_with_a_failing_teardown_keeps_both_texts(cases: dict[str, dict[str, Any]]) -> None:
    details = cases["test_zoo.py::test_both"]["details"]
    assert "first trouble" in details
    assert "no broom" in details


def test_properties_tell_of_expectations_and_records(cases: dict[str, dict[str, Any]]) -> None:
    assert cases["test_zoo.py::test_passes"]["properties"] == {"build": "17"}
    assert cases["test_zoo.py::test_xfail"]["properties"] == {"xfail": "known bug 12"}
    assert cases["test_zoo.py::test_xpass"]["properties"] == {"xpass": "fixed by now"}


def test_captured_output_is_kept_apart_and_log_records_go_with_stderr(cases: dict[str, dict[str, Any]]) -> None:
    case = cases["test_zoo.py::test_passes"]
    assert (case["stdout"], case["stderr"]) == ("to stdout\n", "to stderr\n")
    assert "a record" in cases["test_zoo.py::test_fails"]["stderr"]


def test_huge_output_is_cut_in_the_middle_with_a_note(cases: dict[str, dict[str, Any]]) -> None:
    text = cases["test_zoo.py::test_talkative"]["stdout"]
    assert len(text) < 66_000
    assert "characters left out" in text


def test_control_characters_and_lone_surrogates_are_escaped(zoo: Pod, cases: dict[str, dict[str, Any]]) -> None:
    assert "\\x00" in cases["test_zoo.py::test_binary"]["stdout"]
    assert cases["test_zoo.py::test_binary"]["properties"] == {"half": "\\ud800"}
    assert "test_zoo.py::test_bell[raw \\x07 bell]" in cases
    for stored in zoo.manifest["files"]:
        if stored["type"] == "cases":
            (zoo.attempt / stored["path"]).read_bytes().decode("utf-8")


def test_names_are_those_of_pytests_own_junit_xml(zoo: Pod, cases: dict[str, dict[str, Any]]) -> None:
    root = ET.parse(zoo.attempt / "reports" / "junit.xml").getroot()  # noqa: S314  (written by the run above)
    theirs = {(case.get("classname"), case.get("name")) for case in root.iter("testcase")}
    ours = {(case["classname"], case["name"]) for case in cases.values()}
    assert ours - {pair for pair in ours if "\\" in pair[1]} <= theirs


def test_durations_and_starts_are_measured(cases: dict[str, dict[str, Any]]) -> None:
    case = cases["test_zoo.py::test_passes"]
    assert 0 < case["duration_ms"] < 10_000
    assert case["started_at"] > 1_700_000_000


TWINS = {
    "conftest.py": """
        import pytest
        def pytest_pycollect_makeitem(collector, name, obj):
            if name == "test_twin":
                return [pytest.Function.from_parent(collector, name=name) for _ in range(2)]
    """,
    "test_a.py": "def test_twin(): pass\ndef test_one(): pass\n",
}


def test_ids_shared_by_several_items_are_told_apart_the_same_way_everywhere(make_pod: Callable[[], Pod]) -> None:
    listing = make_pod()
    listing.write(TWINS)
    listing.order(kind="inventory", command=COMMAND)
    listing.prepared()
    assert listing.run() == 0
    ids = [entry["id"] for entry in listing.inventory]
    assert ids == ["test_a.py::test_twin", "test_a.py::test_twin#2", "test_a.py::test_one"]
    second = make_pod()
    second.shard(TWINS, command=COMMAND, cases=ids[1:2])
    assert second.statuses == {"test_a.py::test_twin#2": "passed"}


def test_a_test_named_twice_on_the_command_line_is_one_case(make_pod: Callable[[], Pod]) -> None:
    pod = make_pod()
    command = [*COMMAND, "--keep-duplicates", "test_a.py", "test_a.py"]
    pod.shard({"test_a.py": "def test_one(): pass\n"}, command=command, cases=["test_a.py::test_one"])
    assert pod.statuses == {"test_a.py::test_one": "passed"}
    assert pod.manifest["warnings"] == []


@pytest.mark.slow
def test_xdist_changes_nothing_about_the_results(make_pod: Callable[[], Pod], zoo: Pod, listed: Pod) -> None:
    pod = make_pod()
    # Lone surrogates cannot be sent between xdist's processes, with or without us.
    apart = ("test_ids", "test_binary")
    ids = [entry["id"] for entry in listed.inventory if not any(name in entry["id"] for name in apart)]
    parallel = [*COMMAND, "-p", "xdist.plugin", "-n", "2"]
    assert pod.shard(ZOO, command=parallel, cases=ids) == 0
    assert pod.statuses == {case_id: zoo.statuses[case_id] for case_id in ids}


@pytest.mark.slow
def test_a_worker_of_xdist_that_dies_costs_one_case(make_pod: Callable[[], Pod]) -> None:
    module = """
        import os, pytest
        @pytest.mark.parametrize("number", range(8))
        def test_some(number):
            if number == 3:
                os.kill(os.getpid(), 9)
    """
    pod = make_pod()
    ids = [f"test_a.py::test_some[{number}]" for number in range(8)]
    command = ["{python}", "-m", "pytest", "-p", "gauntlet_pytest", "-p", "xdist.plugin", "-n2", "--rootdir={content}"]
    assert pod.shard({"test_a.py": module}, command=command, cases=ids) == 0
    assert pod.statuses == {case_id: "error" if "[3]" in case_id else "passed" for case_id in ids}
    assert "crashed" in pod.cases["test_a.py::test_some[3]"]["message"]


@pytest.mark.slow
def test_an_inventory_under_xdist_lists_the_same(make_pod: Callable[[], Pod], listed: Pod) -> None:
    pod = make_pod()
    pod.write(ZOO)
    pod.order(kind="inventory", command=[*COMMAND, "-p", "xdist.plugin", "-n", "2"])
    pod.prepared()
    assert pod.run() == 0
    assert [entry["id"] for entry in pod.inventory] == [entry["id"] for entry in listed.inventory]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["6.2.5", "7.4.4", "8.4.2"])
def test_older_pytests_give_the_same_results(
    make_pod: Callable[[], Pod], zoo: Pod, listed: Pod, tmp_path: Path, version: str
) -> None:
    environment = tmp_path / "environment"
    python = environment / "bin" / "python"
    uv = str(Path(sys.executable).parent / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), f"pytest=={version}"], check=True)
    pod = make_pod()
    pod.write(ZOO)
    ids = [entry["id"] for entry in listed.inventory]
    pod.order(command=COMMAND, cases=ids)
    pod.prepared(python=str(python))
    assert pod.run() == 0
    # Before pytest 9 a failed part of a case without pytest-subtests fails its case all the same.
    assert pod.statuses == zoo.statuses


@pytest.mark.parametrize(
    ("case_id", "names"),
    [
        ("pkg/test_a.py::test_x", ("pkg.test_a", "test_x")),
        ("pkg/test_a.py::TestC::test_x[a::b]", ("pkg.test_a.TestC", "test_x[a::b]")),
        ("pkg/test_a.py", ("", "pkg.test_a")),
    ],
)
def test_class_and_name_come_from_the_id(case_id: str, names: tuple[str, str]) -> None:
    assert names_of(case_id) == names


@given(st.text(alphabet=st.characters(), max_size=200))
def test_any_text_becomes_text_that_utf_8_and_xml_take(text: str) -> None:
    safe = safe_text(text)
    safe.encode("utf-8")
    ET.fromstring(b"<a>" + safe.replace("&", "").replace("<", "").encode() + b"</a>")  # noqa: S314


@given(st.text(alphabet=st.characters(), max_size=50))
def test_any_id_fits_on_one_line_and_is_safe_already_when_made_safe_twice(text: str) -> None:
    safe = safe_id(text)
    assert "\n" not in safe
    assert safe_id(safe) == safe


def test_the_plugin_without_variables_leaves_a_run_alone(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_one(): pass\n")
    env = {**os.environ, "PYTHONPATH": str(PLUGIN_FOLDER), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "gauntlet_pytest", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True)
    assert json.dumps([path.name for path in tmp_path.iterdir() if path.suffix]) == '["test_a.py"]'
