"""NetworkX's whole suite through Gauntlet, from trigger to verdict, beside ``pytest -n 2`` on the same machine.

    python benchmarks/bench_networkx.py [--runs 2]

Needs the stack (``make up``). Both sides run once to warm up (environment, compiled tests, past durations) and then
``--runs`` times in turns; the median counts. The claim is 1.15 times pytest's time or less. What the rest is spent on
is printed from the execution's own record.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gauntlet.cli.airflow import Airflow
from gauntlet.cli.run import submit
from gauntlet.cli.targets import resolve
from gauntlet.definitions.loader import load_file
from gauntlet.local.stack import Stack

LIMIT = 1.15
PROJECT = Path(__file__).parents[1]
LOOK_SECONDS = 0.25


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2, help="measured runs of each side")
    runs = parser.parse_args().runs
    stack = Stack()
    os.environ.update(stack.settings())
    description = stack.description()
    assert description is not None, "the stack is not up: make up"
    airflow = Airflow(description.ui_url, "admin", stack.paths.admin_password.read_text().strip())
    with tempfile.TemporaryDirectory(prefix="gauntlet-bench-") as folder:
        python = peer_environment(Path(folder) / "peer")
        pytest_seconds(python, Path(folder))
        through_gauntlet(airflow)
        peers, ours = [], []
        for _ in range(runs):
            peers.append(pytest_seconds(python, Path(folder)))
            execution, seconds = through_gauntlet(airflow)
            ours.append(seconds)
    peer, own = statistics.median(peers), statistics.median(ours)
    print(f"pytest -n 2         {peer:7.1f} s   ({', '.join(f'{one:.1f}' for one in peers)})")
    print(f"through Gauntlet    {own:7.1f} s   ({', '.join(f'{one:.1f}' for one in ours)})")
    print(f"ratio               {own / peer:7.2f}     aim: {LIMIT} or less")
    explain(execution)


def peer_environment(folder: Path) -> Path:
    """The suite's own requirements and pytest-xdist, in an environment of their own."""
    import uv

    suite = load_file(PROJECT / "include" / "suites" / "networkx.yaml").document()
    content = suite["content"]
    wanted = [f"{content['package']}=={content['version']}", *content["dependencies"], "pytest-xdist"]
    tool = uv.find_uv_bin()
    subprocess.run([tool, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    python = folder / "bin" / "python"
    install = [tool, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *wanted]
    subprocess.run(install, check=True)
    return python


def pytest_seconds(python: Path, folder: Path) -> float:
    """Wall time of the suite with two workers."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GAUNTLET_"))}
    command = [str(python), "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "--pyargs", "networkx"]
    started = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stdout[-2000:]
    assert "6766 passed" in done.stdout, done.stdout[-300:]
    return seconds


def through_gauntlet(airflow: Airflow) -> tuple[str, float]:
    """Wall time from the trigger to the verdict, seen from outside."""
    from gauntlet.testing.lifecycle import progress

    target = resolve("networkx", Path(os.environ["GAUNTLET_DEFINITIONS_ROOT"]))
    started = time.monotonic()
    execution = submit(target, airflow)
    while not progress.look(execution).over:
        time.sleep(LOOK_SECONDS)
    seconds = time.monotonic() - started
    document = progress.document(progress.look(execution), links={})
    assert (document["passed"], document["skipped"], document["tests"]) == (6766, 82, 6848), document
    return execution, seconds


def explain(public_id: str) -> None:
    """What a run's time was spent on, by its own record."""
    from gauntlet.storage import executions
    from gauntlet.testing.lifecycle import evidence
    from gauntlet.testing.lifecycle.installation import transaction

    with transaction() as connection:
        execution = executions.get(connection, public_id)
        changes = executions.transitions(connection, execution.execution_id)
    moments = {str(change.to_state): change.occurred_at.timestamp() for change in changes}
    inventory = evidence.inventory_manifest(public_id)
    shards = [attempt.manifest for attempt in evidence.attempts(public_id, {}) if attempt.manifest]
    assert inventory is not None
    first, last = min(one.started_at for one in shards), max(one.finished_at for one in shards)
    steps = [
        ("submitted until the inventory's pod begins", inventory.started_at - moments["submitted"]),
        ("inventory", inventory.finished_at - inventory.started_at),
        ("plan, until the first shard's pod begins", first - inventory.finished_at),
        ("shards, first begin to last end", last - first),
        ("  of that, the longest run of tests", max(one.phases.get("run", 0.0) for one in shards)),
        ("  of that, idle at the end of the shorter shard", last - min(one.finished_at for one in shards)),
        ("until the verdict is being reached", moments["completing"] - last),
        ("merging, storing, rendering", moments["completed"] - moments["completing"]),
    ]
    print(f"of {public_id}:")
    for name, seconds in steps:
        print(f"  {name:<48}{seconds:7.2f} s")


if __name__ == "__main__":
    main()
