"""Every wanted case ends up with exactly one result, whatever the plugin managed to say."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gauntlet.agent.contract import Case, Counts, loads
from gauntlet.agent.progress import Progress, ending

IDS = [f"test_a.py::test_{number}" for number in range(6)]


def started(case_id: str) -> bytes:
    """The plugin's word for a start."""
    return b"S" + json.dumps(case_id).encode() + b"\n"


def finished(case_id: str, status: str = "passed") -> bytes:
    """The plugin's word for a result."""
    case = {"id": case_id, "name": "n", "classname": "c", "file": "f", "status": status, "duration_ms": 1.0}
    return b"C" + json.dumps(case).encode() + b"\n"


def results(progress: Progress) -> list[Case]:
    """All cases not handed out yet."""
    return [loads(Case, line) for line in progress.take_fresh().decode().splitlines()]


@settings(deadline=None)  # each example writes files: how long that takes says nothing about the rule
@given(
    st.lists(
        st.sampled_from(["start", "finish", "garbage"]).flatmap(
            lambda what: st.tuples(st.just(what), st.sampled_from(IDS))
        )
    ),
    st.sets(st.sampled_from(IDS)),
    st.integers(min_value=0, max_value=400),
)
def test_each_wanted_case_has_one_result_wherever_the_events_break_off(
    events: list[tuple[str, str]], wanted: set[str], cut: int
) -> None:
    said = {"start": started, "finish": finished}
    data = b"".join(said[what](case_id) if what in said else b"?{{{\n" for what, case_id in events)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events"
        progress = Progress(path)
        progress.read()
        path.write_bytes(data[:cut])
        progress.read()
        path.write_bytes(data)
        progress.read()
        progress.complete(sorted(wanted), "it stopped", "it died")
        ids = [case.id for case in results(progress)]
    assert len(ids) == len(set(ids))
    assert wanted <= set(ids)
    assert progress.counts.total == len(ids)


def test_a_line_that_is_still_being_written_waits(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "events")
    line = finished(IDS[0])
    (tmp_path / "events").write_bytes(line[:20])
    progress.read()
    assert progress.counts == Counts()
    (tmp_path / "events").write_bytes(line)
    progress.read()
    assert progress.counts == Counts(total=1, passed=1)


def test_lines_that_make_no_sense_are_counted_and_passed_over(tmp_path: Path) -> None:
    odd = b'C{"id": "x", "status": "splendid"}\nC[]\nM3\n\n\xff\xfe\n'
    (tmp_path / "events").write_bytes(odd + finished(IDS[0], "failed"))
    progress = Progress(tmp_path / "events")
    progress.read()
    assert progress.unreadable == 5
    assert progress.counts == Counts(total=1, failed=1)


def test_lines_that_were_not_taken_come_again_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(finished(IDS[0]) + finished(IDS[1]))
    progress = Progress(tmp_path / "events")
    progress.read()
    progress.give_back(progress.take_fresh())
    assert [case.id for case in results(progress)] == IDS[:2]


def test_an_ending_is_told_in_words() -> None:
    assert ending(3) == "exit code 3"
    assert ending(-9) == "signal 9, SIGKILL"
    assert ending(-200) == "signal 200"
