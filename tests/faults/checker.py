"""The tables against what the driver of a test knows: each difference is a sentence, and [] means that all is well.

The tables are read past all code of the hub (tests/tables.py). What the driver knows is in its `Log`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from tests.stored import moment
from tests.storm import people_counted, seats_sold_once
from tests.tables import Where, instant, rows

LATE = 0.5
"""Seconds by which a record may be later than the driver's own clock, which looked before."""


@dataclass
class Stay:
    """A join that was acknowledged; `ended` by the driver's clock, with the reasons that may be recorded then."""

    visit: str
    session: int
    person: str
    ended: datetime | None = None
    reasons: tuple[str, ...] = ()
    early: float = 0.0

    def end(self, *reasons: str, at: datetime | None = None, early: float = LATE) -> None:
        """It ended now, or `at`; what is recorded may be `early` by so many seconds. The first word counts."""
        if self.ended is None:
            self.ended, self.reasons, self.early = at or datetime.now(UTC), reasons, early


@dataclass
class Told:
    """What one watcher of a session was told: revision and people present, by socket."""

    name: str
    session: int
    sockets: list[list[tuple[int, int]]] = field(default_factory=list)


@dataclass
class Log:
    """What was acknowledged, asked and told."""

    stays: dict[str, Stay] = field(default_factory=dict)
    unanswered: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Joins without an answer: each may have its row, or not."""
    alone: set[str] = field(default_factory=set)
    """People who never had two connections at a time."""
    watchers: list[Told] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """A visit as stored."""

    visit: str
    session: int
    person: str
    node: str
    joined: datetime
    left: datetime | None
    reason: str | None
    since: datetime

    def __str__(self) -> str:
        left = f"{self.left:%T.%f} ({self.reason})" if self.left else "now"
        return f"{self.visit} at {self.node}, {self.joined:%T.%f} to {left}"


def stored(where: Where) -> list[Row]:
    """Every visit, in order of joining."""
    columns = "id, session_id, user_id, node_id, joined_at, left_at, reason, present_since"
    found = []
    for visit, session, person, node, joined, left, reason, since in rows(
        where, f"SELECT {columns} FROM session_participants ORDER BY joined_at, id"
    ):
        began = instant(joined)
        found.append(Row(visit, session, person, node, began, moment(left), reason, instant(since)))
    return found


def findings(where: Where, log: Log, patience: Mapping[str, float]) -> list[str]:
    """All that is wrong. `patience` is after how many seconds a process is dead that is `alive`, or `draining`."""
    visits = stored(where)
    sessions = sorted({visit.session for visit in visits} | {told.session for told in log.watchers})
    wrong = [*ghosts(where, patience), *backwards(visits), *overlaps(visits, log)]
    wrong += [*unmatched(visits, log), *misdated(visits, log)]
    for session in sessions:
        wrong += people_counted(where, session) + seats_sold_once(where, session)
        wrong += [*peaks(where, session, log)]
    for told in log.watchers:
        wrong += [*mistold(where, told)]
    return wrong


def ghosts(where: Where, patience: Mapping[str, float]) -> Iterable[str]:
    """Open visits of a process that is dead, or was silent for too long."""
    query = (
        "SELECT visit.id, visit.node_id, node.state, node.last_beat FROM session_participants AS visit "
        "JOIN nodes AS node ON node.id = visit.node_id WHERE visit.left_at IS NULL"
    )
    for visit, node, state, last_beat in rows(where, query):
        silent = datetime.now(UTC) - instant(last_beat)
        if state == "dead":
            yield f"visit {visit} is open under {node}, which is dead"
        elif silent > timedelta(seconds=patience[state]):
            yield f"visit {visit} is open under {node}, {state} and silent for {silent.total_seconds():.1f} s"


def backwards(visits: Iterable[Row]) -> Iterable[str]:
    """Visits that end before they begin."""
    for visit in visits:
        if visit.left is not None and visit.left < visit.joined:
            yield f"visit {visit.visit} ends before it begins"


def overlaps(visits: Iterable[Row], log: Log) -> Iterable[str]:
    """Visits at the same time of people who had one connection at a time."""
    by_person: dict[tuple[int, str], list[Row]] = {}
    for visit in visits:
        if visit.person in log.alone:
            by_person.setdefault((visit.session, visit.person), []).append(visit)
    for theirs in by_person.values():
        for first, second in pairwise(theirs):
            if first.left is None or first.left > second.joined:
                by = f" by {(first.left - second.joined).total_seconds() * 1e3:.3f} ms" if first.left else ""
                stay = log.stays.get(first.visit)
                seen = f"ended by its client's clock {stay.ended:%T.%f}" if stay and stay.ended else "not ended there"
                told = f"{first}, {seen}; {second}"
                yield f"visits {first.visit} and {second.visit} of {first.person} overlap{by}: {told}"


def unmatched(visits: Iterable[Row], log: Log) -> Iterable[str]:
    """Acknowledged joins without their row, and rows without an acknowledged or an unanswered join."""
    by_id = {visit.visit: visit for visit in visits}
    spare = log.unanswered.copy()
    for stay in log.stays.values():
        row = by_id.get(stay.visit)
        if row is None:
            yield f"visit {stay.visit} of {stay.person} is lost"
        elif (row.session, row.person) != (stay.session, stay.person):
            yield f"visit {stay.visit} is recorded as one of {row.person} in session {row.session}"
    for row in by_id.values():
        if row.visit not in log.stays:
            spare[row.session, row.person] -= 1
            if spare[row.session, row.person] < 0:
                yield f"visit {row.visit} of {row.person} is one that nobody asked for"


def misdated(visits: Iterable[Row], log: Log) -> Iterable[str]:
    """Visits that ended at another time, or for another reason, than they did; or still go on, or don't any more."""
    for row in visits:
        stay = log.stays.get(row.visit)
        if stay is None:
            continue
        if stay.ended is None or row.left is None:
            if stay.ended is not None:
                yield f"visit {row.visit} of {row.person} ended, and is open"
            elif row.left is not None:
                yield f"visit {row.visit} of {row.person} goes on, and is closed: {row.reason}"
            continue
        if row.reason not in stay.reasons:
            yield f"visit {row.visit} ended by {row.reason}, not by {' or '.join(stay.reasons)}"
        error = (row.left - stay.ended).total_seconds()
        if not -stay.early <= error <= LATE:
            yield f"visit {row.visit} ended {error:+.2f} s from when it did"


def peaks(where: Where, session: int, log: Log) -> Iterable[str]:
    """A peak lower than what there was, or higher than everyone at once."""
    ((live, peak),) = rows(where, "SELECT live, peak_live FROM live_sessions WHERE id = ?", session)
    told = [people for one in log.watchers if one.session == session for told in one.sockets for _, people in told]
    people = {stay.person for stay in log.stays.values() if stay.session == session}
    people |= {person for (where_to, person) in log.unanswered if where_to == session}
    if not max([live, *told]) <= peak <= len(people):
        yield f"the peak is {peak}, with {max([live, *told])} seen and {len(people)} who came at all"


def mistold(where: Where, told: Told) -> Iterable[str]:
    """Revisions that a watcher was told out of order, and a last word that is not what is stored."""
    said = [(first, second) for socket in told.sockets for first, second in pairwise(socket)]
    for (before, _), (after, _) in said:
        if after <= before:
            yield f"{told.name} was told revision {after} after {before}"
    for old, new in pairwise([socket for socket in told.sockets if socket]):
        if new[0][0] < old[-1][0]:
            yield f"{told.name} was told revision {new[0][0]} after {old[-1][0]}, by another process"
    ((revision, live),) = rows(where, "SELECT revision, live FROM live_sessions WHERE id = ?", told.session)
    last = next((socket[-1] for socket in reversed(told.sockets) if socket), None)
    if last != (revision, live):
        yield f"{told.name} was last told {last}, and stored is {(revision, live)}"
