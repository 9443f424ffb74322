"""Shares cases out over shards so that all shards end at about the same time.

Pure functions over plain data: no clock, no database, no randomness. What past runs say arrives as a mapping.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

#: A file is kept whole up to this share of an ideal shard; a longer one is cut into pieces of about this size.
#: Small enough that the pieces even out, large enough that most files (and their module fixtures) stay together.
LONGEST_PIECE = 0.25


@dataclass(frozen=True, slots=True)
class CaseToRun:
    """One line of an inventory.

    :param id: identity within the suite; for pytest the node id.
    :param file: the file that holds it; empty when the tool has no files.
    """

    id: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Shard:
    """What one pod runs.

    :param index: from 0; the longest shard is 0, so that it starts first when the cluster is full.
    :param case_ids: in the inventory's order.
    :param expected_seconds: by past durations; None when no duration at all is known.
    """

    index: int
    case_ids: tuple[str, ...]
    expected_seconds: float | None


@dataclass(frozen=True, slots=True)
class _Unit:
    """Cases that go to one shard together: positions in the inventory, in order."""

    positions: tuple[int, ...]
    weight: float


def plan_shards(cases: Sequence[CaseToRun], durations: Mapping[str, float], shards: int) -> list[Shard]:
    """Share cases out, longest processing time first (Graham 1969).

    Guarantees:

    - every case is in exactly one shard; an id that occurs twice in the inventory occurs twice in one shard;
    - no shard is empty: there are fewer shards than asked for when there are fewer different cases;
    - within a shard the inventory's order is kept, and files stay whole unless one is longer than
      :data:`LONGEST_PIECE` of an ideal shard or there are fewer files than shards;
    - the longest shard takes at most 4/3 - 1/(3 shards) of the shortest possible time for the same pieces, and
      at most the ideal time plus one piece;
    - the same input gives the same plan.

    A case without a usable duration (unknown, negative, not finite) counts as the median of the known ones of
    its file, else of all; when none is known, every case counts the same.

    :param cases: the inventory.
    :param durations: seconds by case id, from past runs.
    :param shards: how many shards are wanted, at least 1.
    :raises ValueError: when ``shards`` is less than 1.
    """
    if shards < 1:
        raise ValueError(f"a plan needs at least one shard, not {shards}")
    known = {case_id: seconds for case_id, seconds in durations.items() if math.isfinite(seconds) and seconds >= 0}
    weights = _weights(cases, known)
    units = _units(cases, weights, shards)
    assignment = _longest_first(units, min(shards, len(units)))
    anything_known = any(case.id in known for case in cases)
    return [
        Shard(
            index=index,
            case_ids=tuple(cases[position].id for position in positions),
            expected_seconds=math.fsum(weights[position] for position in positions) if anything_known else None,
        )
        for index, positions in enumerate(assignment)
    ]


def _weights(cases: Sequence[CaseToRun], known: Mapping[str, float]) -> list[float]:
    """A weight for each case; seconds when anything is known, else 1 each."""
    by_file: defaultdict[str, list[float]] = defaultdict(list)
    for case in cases:
        if case.id in known:
            by_file[case.file].append(known[case.id])
    if not by_file:
        return [1.0] * len(cases)
    overall = median([seconds for values in by_file.values() for seconds in values])
    fallback = {file: median(values) for file, values in by_file.items()}
    return [known.get(case.id, fallback.get(case.file, overall)) for case in cases]


def _units(cases: Sequence[CaseToRun], weights: Sequence[float], shards: int) -> list[_Unit]:
    """Files, the long ones cut, and then cut further until there is a unit for each shard."""
    limit = LONGEST_PIECE * math.fsum(weights) / shards
    by_file: defaultdict[str, list[int]] = defaultdict(list)
    home: dict[str, str] = {}
    for position, case in enumerate(cases):
        by_file[home.setdefault(case.id, case.file)].append(position)
    units = [
        unit for positions in by_file.values() for unit in _pieces(_atoms(cases, positions), weights, limit, shards)
    ]
    return _at_least(units, cases, weights, shards)


def _atoms(cases: Sequence[CaseToRun], positions: Iterable[int]) -> list[tuple[int, ...]]:
    """Positions that may not be parted: those of one id, because a pod runs by id."""
    by_id: defaultdict[str, list[int]] = defaultdict(list)
    for position in positions:
        by_id[cases[position].id].append(position)
    return [tuple(same) for same in by_id.values()]


def _weigh(positions: Iterable[int], weights: Sequence[float]) -> float:
    return math.fsum(weights[position] for position in positions)


def _pieces(atoms: Sequence[tuple[int, ...]], weights: Sequence[float], limit: float, shards: int) -> list[_Unit]:
    """One unit when it is short enough, else consecutive runs of cases, each within the limit if it has two."""
    whole = tuple(position for atom in atoms for position in atom)
    weight = _weigh(whole, weights)
    if shards == 1 or weight <= limit:
        return [_Unit(whole, weight)]
    pieces: list[list[tuple[int, ...]]] = [[]]
    room = limit
    for atom in atoms:
        cost = _weigh(atom, weights)
        if pieces[-1] and cost > room:
            pieces.append([])
            room = limit
        pieces[-1].append(atom)
        room -= cost
    runs = (tuple(position for atom in piece for position in atom) for piece in pieces)
    return [_Unit(run, _weigh(run, weights)) for run in runs]


def _at_least(units: list[_Unit], cases: Sequence[CaseToRun], weights: Sequence[float], shards: int) -> list[_Unit]:
    """Halve the heaviest units that can be halved until there are enough of them, or none can be."""
    heap = [(-unit.weight, unit.positions) for unit in units]
    heapq.heapify(heap)
    done: list[_Unit] = []
    while heap and len(heap) + len(done) < shards:
        negative_weight, positions = heapq.heappop(heap)
        atoms = _atoms(cases, positions)
        if len(atoms) == 1:
            done.append(_Unit(positions, -negative_weight))
            continue
        middle = len(atoms) // 2
        for half in (atoms[:middle], atoms[middle:]):
            part = tuple(position for atom in half for position in atom)
            heapq.heappush(heap, (-_weigh(part, weights), part))
    return done + [_Unit(positions, -negative_weight) for negative_weight, positions in heap]


def _longest_first(units: Sequence[_Unit], shards: int) -> list[list[int]]:
    """Give each unit, the longest first, to the shard that has least; positions by shard, the longest shard first."""
    loads: list[tuple[float, int, int]] = [(0.0, 0, index) for index in range(shards)]
    members: list[list[int]] = [[] for _ in range(shards)]
    for unit in sorted(units, key=lambda unit: (-unit.weight, unit.positions)):
        # The number of cases breaks ties, or cases that take no time would all end up in one shard.
        load, count, index = heapq.heappop(loads)
        members[index].extend(unit.positions)
        heapq.heappush(loads, (load + unit.weight, count + len(unit.positions), index))
    order = sorted(loads, key=lambda entry: (-entry[0], -entry[1], entry[2]))
    return [sorted(members[index]) for _, _, index in order]
