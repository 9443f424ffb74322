"""What Gauntlet adds to one trivial test: from trigger to verdict, beside pytest on the same file.

    python benchmarks/bench_overhead.py [--runs 5]

Needs the stack (``make up``). The claim is 6 s or less for a run of one shard on a warm stack.
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
from gauntlet.local.stack import Stack

LIMIT_SECONDS = 6.0
TEST = "def test_nothing(): pass\n"
SUITE = """\
kind: TestSuite
name: overhead
type: pytest
content:
  type: inline
  script: |
    def test_nothing(): pass
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="measured runs")
    runs = parser.parse_args().runs
    stack = Stack()
    os.environ.update(stack.settings())
    description = stack.description()
    assert description is not None, "the stack is not up: make up"
    airflow = Airflow(description.ui_url, "admin", stack.paths.admin_password.read_text().strip())
    with tempfile.TemporaryDirectory(prefix="gauntlet-bench-") as folder:
        file = Path(folder) / "overhead.yaml"
        file.write_text(SUITE)
        one_run(file, airflow)
        ours = [one_run(file, airflow) for _ in range(runs)]
        peer = statistics.median(bare(Path(folder)) for _ in range(3))
    own = statistics.median(ours)
    print(f"pytest alone        {peer:6.2f} s")
    print(f"through Gauntlet    {own:6.2f} s   (from {min(ours):.2f} to {max(ours):.2f}; limit {LIMIT_SECONDS} s)")
    print(f"ratio to the limit  {own / LIMIT_SECONDS:6.2f}")


def one_run(file: Path, airflow: Airflow) -> float:
    """Seconds from the trigger to the verdict."""
    from gauntlet.testing.lifecycle import progress

    target = resolve(str(file), Path(os.environ["GAUNTLET_DEFINITIONS_ROOT"]))
    started = time.monotonic()
    execution = submit(target, airflow)
    while not (now := progress.look(execution)).over:
        time.sleep(0.02)
    seconds = time.monotonic() - started
    assert now.execution.exit_code == 0, now.execution.failure_reason
    return seconds


def bare(folder: Path) -> float:
    """Seconds of pytest on the same test, without anything of ours."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_overhead.py").write_text(TEST)
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", str(folder / "test_overhead.py")]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return time.monotonic() - started


if __name__ == "__main__":
    main()
