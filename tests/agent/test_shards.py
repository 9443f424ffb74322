"""A shard's run, seen from the store: real pytest, real processes."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Pod

PASSES = {"test_a.py": "def test_one(): pass\ndef test_two(): pass\ndef test_three(): pass\n"}


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(condition: object, seconds: float = 20.0) -> bool:
    """Poll a condition until it holds or time is over."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_exactly_the_given_cases_run(pod: Pod) -> None:
    assert pod.shard(PASSES, cases=["test_a.py::test_three", "test_a.py::test_one"]) == 0
    assert pod.statuses == {"test_a.py::test_one": "passed", "test_a.py::test_three": "passed"}
    manifest = pod.manifest
    assert (manifest["state"], manifest["exit_code"], manifest["cause"]) == ("completed", 0, "")
    assert manifest["counts"] == {"total": 2, "passed": 2, "failed": 0, "errors": 0, "skipped": 0}
    assert (manifest["pod"], manifest["node"], manifest["planned"]) == ("pod-1", "node-1", 2)


def test_the_heartbeat_ends_with_the_manifests_state(pod: Pod) -> None:
    pod.shard(PASSES)
    heartbeat = pod.json("heartbeat.json")
    assert heartbeat["state"] == "completed"
    assert heartbeat["counts"]["passed"] == 3


def test_failing_tests_are_a_complete_result(pod: Pod) -> None:
    assert pod.shard({"test_a.py": "def test_bad(): assert 1 == 2\n"}) == 0
    assert (pod.manifest["state"], pod.manifest["exit_code"]) == ("completed", 1)
    case = pod.cases["test_a.py::test_bad"]
    assert (case["status"], case["message"], case["line"]) == ("failed", "assert 1 == 2", 1)
    assert ">   def test_bad(): assert 1 == 2" in case["details"]


def test_a_case_that_is_gone_is_an_error_and_not_a_smaller_total(pod: Pod) -> None:
    pod.shard(PASSES, cases=["test_a.py::test_one", "test_a.py::test_gone"])
    assert pod.statuses == {"test_a.py::test_one": "passed", "test_a.py::test_gone": "error"}
    assert pod.cases["test_a.py::test_gone"]["message"] == "it was in the inventory but was not collected"


def test_a_module_that_cannot_be_imported_leaves_the_others_to_run(pod: Pod) -> None:
    files = {**PASSES, "test_broken.py": "import nothing_of_the_kind\ndef test_x(): pass\n"}
    pod.shard(files, cases=["test_a.py::test_one", "test_broken.py", "test_broken.py::test_x"])
    assert pod.statuses == {
        "test_a.py::test_one": "passed",
        "test_broken.py": "error",
        "test_broken.py::test_x": "error",
    }
    assert "No module named 'nothing_of_the_kind'" in pod.cases["test_broken.py"]["details"]


def test_modules_without_wanted_cases_are_not_imported(pod: Pod) -> None:
    files = {**PASSES, "pkg/test_bomb.py": "raise SystemExit('imported')\n"}
    pod.shard(files, cases=["test_a.py::test_one"])
    assert pod.manifest["exit_code"] == 0


def test_a_dying_interpreter_keeps_what_was_and_names_what_was_lost(pod: Pod) -> None:
    module = """
        import os, signal
        def test_1(): pass
        def test_2(): os.kill(os.getpid(), signal.SIGSEGV)
        def test_3(): pass
    """
    ids = [f"test_a.py::test_{number}" for number in (1, 2, 3)]
    assert pod.shard({"test_a.py": module}, cases=ids) == 0
    assert list(pod.statuses.values()) == ["passed", "error", "error"]
    died = "the interpreter died (signal 11, SIGSEGV)"
    assert pod.cases[ids[1]]["message"] == f"{died} while this ran"
    assert pod.cases[ids[2]]["message"] == f"not run: {died}"
    assert (pod.manifest["state"], pod.manifest["cause"], pod.manifest["exit_code"]) == ("completed", "ToolDied", -11)


def test_an_interpreter_that_exits_with_0_in_the_middle_fools_nobody(pod: Pod) -> None:
    module = "import os\ndef test_1(): os._exit(0)\ndef test_2(): pass\n"
    pod.shard({"test_a.py": module}, cases=["test_a.py::test_1", "test_a.py::test_2"])
    assert set(pod.statuses.values()) == {"error"}
    assert pod.manifest["cause"] == "ToolDied"


def test_cases_behind_maxfail_are_skipped_with_the_reason(pod: Pod) -> None:
    module = "def test_1(): assert False\ndef test_2(): pass\n"
    command = ["{python}", "-m", "pytest", "-x", "-p", "gauntlet_pytest", "--rootdir={content}"]
    pod.shard({"test_a.py": module}, cases=["test_a.py::test_1", "test_a.py::test_2"], command=command)
    assert pod.statuses == {"test_a.py::test_1": "failed", "test_a.py::test_2": "skipped"}
    assert pod.cases["test_a.py::test_2"]["message"] == "not run: stopping after 1 failures"


def test_a_session_that_a_test_ends_leaves_errors_with_the_reason(pod: Pod) -> None:
    module = "import pytest\ndef test_1(): pytest.exit('enough')\ndef test_2(): pass\n"
    pod.shard({"test_a.py": module}, cases=["test_a.py::test_1", "test_a.py::test_2"])
    assert set(pod.statuses.values()) == {"error"}


def test_a_hanging_tool_that_ignores_sigterm_is_stopped_at_its_time_limit(pod: Pod) -> None:
    module = """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        def test_1(): pass
        def test_2(): time.sleep(600)
        def test_3(): pass
    """
    ids = [f"test_a.py::test_{number}" for number in (1, 2, 3)]
    begun = time.monotonic()
    assert pod.shard({"test_a.py": module}, cases=ids, timeout_seconds=1.5, grace_period_seconds=0.5) == 0
    assert time.monotonic() - begun < 15
    assert (pod.manifest["state"], pod.manifest["cause"], pod.manifest["exit_code"]) == ("timeout", "TimedOut", None)
    assert list(pod.statuses.values()) == ["passed", "error", "error"]
    assert pod.cases[ids[1]]["message"] == "the time limit of 1.5 s was reached while this ran"


def test_processes_that_left_the_tools_session_do_not_survive_it(pod: Pod) -> None:
    module = """
        import os, pathlib, time
        def test_orphans():
            if os.fork() == 0:
                os.setsid()
                if os.fork():
                    os._exit(0)
                pathlib.Path("orphan.pid").write_text(str(os.getpid()))
                time.sleep(600)
                os._exit(0)
            while not pathlib.Path("orphan.pid").exists():
                time.sleep(0.01)
    """
    assert pod.shard({"test_a.py": module}) == 0
    assert pod.manifest["exit_code"] == 0
    assert not alive(int((pod.content / "orphan.pid").read_text()))


def test_a_pod_that_is_stopped_leaves_what_it_has_and_no_process(pod: Pod) -> None:
    module = """
        import os, pathlib, time
        def test_1(): pass
        def test_2():
            pathlib.Path("tool.pid").write_text(str(os.getpid()))
            time.sleep(600)
    """
    pod.write({"test_a.py": module})
    pod.order(cases=["test_a.py::test_1", "test_a.py::test_2"], timeout_seconds=600)
    pod.prepared()
    agent = pod.start()
    try:
        assert eventually((pod.content / "tool.pid").exists)
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(timeout=20) == 0
    finally:
        agent.kill()
        agent.communicate()
    assert (pod.manifest["state"], pod.manifest["cause"]) == ("cancelled", "Cancelled")
    assert pod.statuses == {"test_a.py::test_1": "passed"}
    assert not alive(int((pod.content / "tool.pid").read_text()))


def test_live_counts_and_the_current_case_are_seen_while_it_runs(pod: Pod) -> None:
    module = """
        import pathlib, time
        def test_1(): pass
        def test_2():
            while not pathlib.Path("go").exists():
                time.sleep(0.01)
    """
    pod.write({"test_a.py": module})
    pod.order(cases=["test_a.py::test_1", "test_a.py::test_2"])
    pod.prepared()
    agent = pod.start()

    def seen() -> bool:
        path = pod.attempt / "heartbeat.json"
        return path.exists() and json.loads(path.read_text())["current"] == "test_a.py::test_2"

    try:
        assert eventually(seen)
        heartbeat = pod.json("heartbeat.json")
        assert (heartbeat["state"], heartbeat["planned"], heartbeat["counts"]["passed"]) == ("running", 2, 1)
        assert heartbeat["memory_bytes"] > 1_000_000
        assert eventually((pod.attempt / "cases" / "1.jsonl").exists)
        (pod.content / "go").touch()
        assert agent.wait(timeout=20) == 0
    finally:
        agent.kill()
        agent.communicate()
    assert pod.manifest["counts"]["passed"] == 2
    assert pod.manifest["cpu_seconds"] > 0
    assert pod.manifest["max_memory_bytes"] > 1_000_000


@pytest.mark.slow
def test_200_megabytes_of_output_fill_neither_disk_nor_memory(pod: Pod) -> None:
    module = """
        import sys
        def test_loud():
            line = "x" * 99 + "\\n"
            for _ in range(2_000):
                sys.stdout.write(line * 1_000)
    """
    command = ["{python}", "-m", "pytest", "-s", "-p", "gauntlet_pytest", "--rootdir={content}"]
    assert pod.shard({"test_a.py": module}, command=command, max_output_bytes=1_000_000) == 0
    kept = pod.attempt / "output.log"
    assert kept.stat().st_size < 1_001_000
    text = kept.read_text()
    assert "bytes left out" in text
    assert "1 passed" in text[-200:]
    assert len(pod.log) < 11_000_000


def test_the_tool_sees_no_variable_of_the_agents_and_only_the_secrets_named(pod: Pod) -> None:
    module = """
        import json, os, pathlib, sys
        def test_env():
            pathlib.Path("env.json").write_text(json.dumps({"env": dict(os.environ), "path": sys.path}))
    """
    pod.write({"test_a.py": module})
    pod.order(env={"CHOSEN": "{results}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, secret_env=["TOKEN", "GAUNTLET_WORK"])
    pod.prepared()
    assert pod.run(TOKEN="s3cret", OTHER_TOKEN="hidden") == 0
    seen = json.loads((pod.content / "env.json").read_text())
    env = seen["env"]
    assert env["TOKEN"] == "s3cret"
    assert env["CHOSEN"] == str(pod.work / "results")
    assert "OTHER_TOKEN" not in env
    assert {name for name in env if name.startswith("GAUNTLET_")} == {"GAUNTLET_TEST_EVENTS"}
    assert env["HOME"] == str(pod.work / "home")
    assert env["PATH"].startswith(os.path.dirname(pod_python(pod)))  # noqa: PTH120
    folders = [entry for entry in env["PYTHONPATH"].split(os.pathsep) if entry]
    assert [Path(folder).name for folder in folders] == ["testside"]
    assert "s3cret" not in (pod.attempt / "manifest.json").read_text()


def test_a_secret_that_a_test_prints_is_masked_in_output_cases_and_manifest(pod: Pod) -> None:
    module = """
        import os
        def test_leak():
            print("token", os.environ["TOKEN"])
            assert os.environ["TOKEN"] == "other"
    """
    pod.write({"test_a.py": module})
    pod.order(secret_env=["TOKEN"])
    pod.prepared()
    assert pod.run(TOKEN='s3cret "quoted"') == 0
    case = pod.cases["test_a.py::test_leak"]
    assert (case["status"], case["stdout"]) == ("failed", "token ***\n")
    for path in pod.attempt.rglob("*"):
        assert path.is_dir() or b"s3cret" not in path.read_bytes()
    assert b"s3cret" not in pod.log


def pod_python(pod: Pod) -> str:
    """The interpreter of the pod's environment."""
    return str(json.loads((pod.work / "prepared.json").read_text())["python"])


def test_reports_and_artifacts_are_kept_and_described(pod: Pod) -> None:
    module = """
        import os, pathlib
        def test_files():
            pathlib.Path("shots").mkdir()
            pathlib.Path("shots/login.png").write_bytes(b"png")
            os.symlink("/etc/passwd", "shots/leak.png")
    """
    command = [
        "{python}",
        "-m",
        "pytest",
        "-p",
        "gauntlet_pytest",
        "--rootdir={content}",
        "--junitxml={results}/junit.xml",
    ]
    pod.shard(
        {"test_a.py": module},
        command=command,
        reports=[{"path": "junit.xml", "format": "junit"}, {"path": "other.xml", "format": "junit"}],
        artifacts=["**/*.png"],
    )
    files = {stored["path"]: stored for stored in pod.manifest["files"]}
    assert set(files) == {"cases/1.jsonl", "output.log", "reports/junit.xml", "artifacts/shots/login.png"}
    shot = files["artifacts/shots/login.png"]
    assert (shot["type"], shot["bytes"], shot["content_type"]) == ("screenshot", 3, "image/png")
    assert files["reports/junit.xml"]["type"] == "report"
    assert pod.manifest["warnings"] == ["the tool left no report 'other.xml'"]


def test_a_command_that_is_not_there_could_not_run(pod: Pod) -> None:
    assert pod.shard({}, command=["no-such-program", "x"]) == 0
    assert (pod.manifest["state"], pod.manifest["cause"]) == ("could-not-run", "ToolNotStarted")
    assert "no-such-program" in pod.manifest["message"]


def test_a_wrong_command_line_could_not_run_and_says_what_the_tool_said(pod: Pod) -> None:
    assert pod.shard(PASSES, command=["{python}", "-m", "pytest", "--no-such-option"], cases=["test_a.py::x"]) == 0
    assert (pod.manifest["state"], pod.manifest["cause"]) == ("could-not-run", "ToolFailed")
    assert "--no-such-option" in pod.manifest["details"]


def test_a_conftest_that_cannot_be_imported_could_not_run(pod: Pod) -> None:
    assert pod.shard({**PASSES, "conftest.py": "import nothing_here\n"}, cases=["test_a.py::test_one"]) == 0
    assert (pod.manifest["state"], pod.manifest["cause"]) == ("could-not-run", "ToolFailed")
    assert "nothing_here" in pod.manifest["details"]


def test_a_tool_without_the_plugin_is_judged_by_its_report(pod: Pod) -> None:
    script = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('<testsuite/>'); sys.exit(3)"
    command = ["{python}", "-c", script, "{results}/report.xml"]
    assert pod.shard({}, command=command, reports=[{"path": "report.xml", "format": "junit"}], cases=["x"]) == 0
    assert (pod.manifest["state"], pod.manifest["exit_code"]) == ("completed", 3)
    assert pod.cases == {}


def test_after_a_failed_preparation_the_main_container_does_nothing(pod: Pod) -> None:
    pod.order()
    (pod.work / "prepared.json").write_text('{"refused": true}')
    assert pod.run() == 0
    assert not (pod.attempt / "manifest.json").exists()


def test_without_a_preparation_the_manifest_says_so(pod: Pod) -> None:
    pod.order()
    assert pod.run() == 0
    assert pod.manifest["cause"] == "NotPrepared"


def test_a_pod_without_its_variables_is_told_all_that_are_missing(pod: Pod) -> None:
    assert pod.run(GAUNTLET_WORK="", GAUNTLET_ORDER_URL="") == 64
    assert b"GAUNTLET_ORDER_URL and GAUNTLET_WORK must be set" in pod.log


def test_a_store_that_cannot_be_written_is_the_only_failure_of_the_agent(pod: Pod) -> None:
    pod.write(PASSES)
    pod.order()
    pod.prepared()
    (pod.store / "runs").write_text("a file where a folder should be")
    assert pod.run() == 1
    assert b"the manifest could not be written" in pod.log
