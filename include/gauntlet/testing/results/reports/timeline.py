"""Where the bars of the report's timeline lie: a row per shard, a bar per attempt, cut into its phases. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gauntlet.agent import contract
from gauntlet.testing.results.model import AttemptResult, ShardResult
from gauntlet.testing.results.text import duration

_PREPARATION = ("prepare", "fetch", "environment")
#: Distances between ticks that people can read, in seconds.
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_MOST_TICKS = 9


@dataclass(frozen=True, slots=True)
class Bar:
    """One phase of one attempt; positions in per cent of the timeline's width."""

    phase: str
    left: float
    width: float
    label: str


@dataclass(frozen=True, slots=True)
class Row:
    """One shard; ``end`` is where its last bar ends, in per cent."""

    shard: int
    status: str
    note: str
    bars: tuple[Bar, ...]
    end: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis; ``left`` in per cent."""

    left: float
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything that is drawn; no rows when no attempt has known times."""

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]


def timeline(shards: Sequence[ShardResult]) -> Timeline:
    """Lay out the attempts of all shards on one common axis."""
    known = [attempt for shard in shards for attempt in shard.attempts if _known(attempt)]
    if not known:
        return Timeline((), ())
    begin = min(attempt.started_at for attempt in known)
    span = max(max(attempt.finished_at for attempt in known) - begin, 0.001)
    return Timeline(tuple(_row(shard, begin, span) for shard in shards), tuple(_ticks(span)))


def _known(attempt: AttemptResult) -> bool:
    return attempt.started_at > 0 and attempt.finished_at >= attempt.started_at


def _row(shard: ShardResult, begin: float, span: float) -> Row:
    bars = tuple(
        Bar(phase, 100 * (start - begin) / span, 100 * (end - start) / span, label)
        for attempt in shard.attempts
        if _known(attempt)
        for phase, start, end, label in _phases(attempt)
    )
    return Row(
        shard.index, shard.status.value, shard.cause, bars, max((bar.left + bar.width for bar in bars), default=0.0)
    )


def _phases(attempt: AttemptResult) -> Iterator[tuple[str, float, float, str]]:
    """Phases as they must have been: preparation first, upload last, the tests right before it."""
    start, end = attempt.started_at, attempt.finished_at
    who = f"attempt {attempt.number}"
    if attempt.state != contract.COMPLETED:
        why = f"{attempt.state}, {attempt.cause}" if attempt.cause else attempt.state
        yield "broken", start, end, f"{who}: {why}, {duration((end - start) * 1000)}"
        return
    seconds = {name: max(0.0, value) for name, value in attempt.phases.items()}
    preparation = sum(seconds.get(name, 0.0) for name in _PREPARATION)
    run, upload = seconds.get("run", 0.0), seconds.get("upload", 0.0)
    total = preparation + run + upload
    if not total:
        yield "run", start, end, f"{who}: {duration((end - start) * 1000)}"
        return
    # Clocks of two containers may disagree by a little; what was measured must still fit.
    shrink = min(1.0, (end - start) / total)
    prepared = start + preparation * shrink
    uploading = end - upload * shrink
    running = max(prepared, uploading - run * shrink)
    for phase, left, right, value in (
        ("prepare", start, prepared, preparation),
        ("run", running, uploading, run),
        ("upload", uploading, end, upload),
    ):
        if right > left:
            yield phase, left, right, f"{who}: {phase} {duration(value * 1000)}"


def _ticks(span: float) -> Iterator[Tick]:
    step = next((step for step in _STEPS if span / step <= _MOST_TICKS), span / _MOST_TICKS)
    position = 0.0
    while position <= span:
        yield Tick(100 * position / span, _clock(position, step))
        position += step


def _clock(seconds: float, step: float) -> str:
    """A moment on the axis, as short as can be: ``0.4 s``, ``30 s``, ``1:30``, ``2 h 15``."""
    if step < 1:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if step >= 3600 or whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}"
