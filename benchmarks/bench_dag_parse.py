"""How long each DAG file takes in the DAG processor's child, beside a DAG of one empty task in the same child.

    python benchmarks/bench_dag_parse.py

The processor imports the modules that a file names with ``airflow.`` before it forks, so the child inherits them;
that is the first figure. The second is cold: a fresh interpreter. The claim is 0.3 s a file for the first.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT_SECONDS = 0.3
PROJECT = Path(__file__).parents[1]
EMPTY = """\
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG("empty"):
    EmptyOperator(task_id="nothing")
"""


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="gauntlet-bench-") as folder:
        os.environ["AIRFLOW_HOME"] = folder
        os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
        from gauntlet_airflow.bundles import refresh

        loaders = Path(folder) / "loaders"
        loaders.mkdir()
        refresh(PROJECT / "include", loaders, now=0)
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY)
        files = [*sorted((PROJECT / "dags").glob("*.py")), *sorted(loaders.rglob("*.py"))]
        import airflow.dag_processing.dagbag
        import airflow.providers.cncf.kubernetes.operators.pod  # noqa: F401

        peer = min(in_child(empty) for _ in range(3))
        print(f"{'file':<34}{'in the child':>14}{'to the limit':>14}{'beside empty':>14}{'cold':>10}")
        print(f"{'(a DAG of one empty task)':<34}{peer:>12.3f} s{peer / LIMIT_SECONDS:>14.2f}")
        for file in files:
            seconds = min(in_child(file) for _ in range(3))
            ratio = seconds / LIMIT_SECONDS
            print(f"{file.name:<34}{seconds:>12.3f} s{ratio:>14.2f}{seconds / peer:>14.1f}{cold(file):>8.2f} s")


def in_child(file: Path) -> float:
    """Seconds that a forked child takes to parse a file."""
    read, write = os.pipe()
    if os.fork() == 0:
        from airflow.dag_processing.dagbag import DagBag

        sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  (the child ends in a moment)
        started = time.monotonic()
        bag = DagBag(dag_folder=str(file), load_op_links=False)
        seconds = time.monotonic() - started
        os.write(write, f"{seconds if bag.dags and not bag.import_errors else -1}".encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        seconds = float(answer.read())
    os.wait()
    assert seconds > 0, f"{file} does not parse"
    return seconds


def cold(file: Path) -> float:
    """Seconds from a fresh interpreter to the DAG."""
    started = time.monotonic()
    subprocess.run([sys.executable, str(file)], check=True, capture_output=True)
    return time.monotonic() - started


if __name__ == "__main__":
    main()
