"""The checker of the fault tests, on true tables, and on the same broken row by row: it must see each break."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.faults.checker import Log, findings
from tests.faults.people import Guest, Host
from tests.running import Running
from tests.stored import until_visits

PATIENCE = {"alive": 15.0, "draining": 15.0}
IN = "UPDATE session_participants SET "
OF_ANN, OF_BEN = " WHERE user_id = 'ann'", " WHERE user_id = 'ben'"

BREAKS = (
    ("UPDATE nodes SET state = 'dead'", "visit ann's is open under NODE, which is dead"),
    ("UPDATE nodes SET last_beat = '2025-01-01'", "visit ann's is open under NODE, alive and silent for"),
    (f"{IN} left_at = '2025-01-01'{OF_BEN}", "visit ben's old ends before it begins"),
    (f"{IN} left_at = '2125-01-01'{OF_ANN} AND reason = 'left'", "visits ann's old and ann's of ann overlap by "),
    (f"{IN} left_at = '2125-01-01'{OF_BEN}", "visit ben's old ended +"),
    (
        f"{IN} left_at = joined_at, reason = 'left'{OF_ANN} AND left_at IS NULL",
        "visit ann's of ann goes on, and is",
    ),
    (f"{IN} left_at = NULL, reason = NULL{OF_BEN}", "visit ben's old of ben ended, and is open"),
    (f"{IN} reason = 'disconnected'{OF_BEN}", "visit ben's old ended by disconnected, not by left"),
    (f"{IN} user_id = 'carl'{OF_BEN}", "visit ben's old is recorded as one of carl in session 1"),
    (f"{IN} id = 'new'{OF_BEN}", "visit new of ben is one that nobody asked for"),
    (f"DELETE FROM session_participants{OF_BEN}", "visit ben's old of ben is lost"),
    ("UPDATE live_sessions SET live = 2", "live is 2 with 1 people there"),
    ("UPDATE live_sessions SET live = 2", "the host was last told (REVISION, 1), and stored is (REVISION, 2)"),
    ("UPDATE live_sessions SET revision = revision + 1", "the host was last told"),
    ("UPDATE live_sessions SET peak_live = 1", "the peak is 1, with 3 seen and 3 who came at all"),
    ("UPDATE live_sessions SET peak_live = 4", "the peak is 4, with 3 seen and 3 who came at all"),
    ("UPDATE live_sessions SET confirmed = 2", "miscounted: 2 for 3"),
    ("UPDATE live_sessions SET max_participants = 2", "oversold: 3 of 2"),
)


@dataclass
class World:
    """One session: ann came twice and is there, ben left, carl dropped; a host looks on. All is as it should be."""

    where: Path
    log: Log
    ann: Guest
    ben: Guest

    def broken(self, *statements: str) -> list[str]:
        """What is found in a copy of the tables after these statements, with names for what has none of its own."""
        copy = self.where.with_name("broken.db")
        with closing(sqlite3.connect(self.where)) as true, closing(sqlite3.connect(copy)) as other:
            true.backup(other)
            other.execute("PRAGMA ignore_check_constraints = ON")
            for statement in statements:
                assert other.execute(statement).rowcount == 1, statement
            other.commit()
        return self.named(findings(copy, self.log, PATIENCE))

    def named(self, wrong: list[str]) -> list[str]:
        """The same, with people for their visits."""
        for stay in self.log.stays.values():
            name = f"{stay.person}'s" if stay.ended is None else f"{stay.person}'s old"
            wrong = [finding.replace(stay.visit, name) for finding in wrong]
        return wrong


@pytest.fixture
async def world(alone: Running) -> AsyncIterator[World]:
    session = (await alone.create(maxParticipants=3))["id"]
    log = Log(alone={"ann", "ben", "carl"})
    host = await Host(log, session).watch(alone.port)
    for person in ("ann", "ben", "carl"):
        await alone.book(session, person)
    ann, ben, carl = (Guest(log, session, person) for person in ("ann", "ben", "carl"))
    for guest in (ann, ben, carl):
        await guest.join(alone.port)
    await host.until_live(3)
    await ann.leave()
    await ann.join(alone.port)
    await ben.leave()
    await carl.drop()
    await until_visits(alone, session, lambda rows: sum(row.left is None for row in rows) == 1)
    await host.until_live(1)
    assert isinstance(alone.where, Path)
    yield World(alone.where, log, ann, ben)
    for socket in (host.socket, ann.socket):
        socket.drop()


async def test_where_all_is_well_nothing_is_found(world: World) -> None:
    assert world.broken() == []


async def test_each_break_is_found(world: World) -> None:
    revision = world.log.watchers[0].sockets[0][-1][0]
    with closing(sqlite3.connect(world.where)) as tables:
        ((node,),) = tables.execute("SELECT id FROM nodes").fetchall()
    for statement, found in BREAKS:
        expected = found.replace("NODE", node).replace("REVISION", str(revision))
        wrong = world.broken(statement)
        assert any(finding.startswith(expected) for finding in wrong), (statement, wrong)


async def test_an_unanswered_join_may_have_its_row_or_not(world: World) -> None:
    statement = f"{IN} id = 'new'{OF_BEN}"
    lost = world.log.stays.pop(world.ben.stay.visit)
    assert world.broken(statement) == ["visit new of ben is one that nobody asked for"]
    world.log.unanswered[lost.session, "ben"] += 1
    assert world.broken(statement) == []
    assert world.broken(f"DELETE FROM session_participants{OF_BEN}") == []


async def test_two_connections_at_a_time_may_overlap(world: World) -> None:
    world.log.alone.discard("ann")
    statement = f"{IN} left_at = '2125-01-01'{OF_ANN} AND reason = 'left'"
    assert [wrong.partition("+")[0] for wrong in world.broken(statement)] == ["visit ann's old ended "]


async def test_what_watchers_were_told_must_grow_and_end_at_what_is_stored(world: World) -> None:
    (told,) = world.log.watchers
    ((*before, last),) = told.sockets
    told.sockets = [[*before, (last[0] - 9, 1), last]]
    assert world.broken() == [f"the host was told revision {last[0] - 9} after {before[-1][0]}"]
    told.sockets = [[*before, last], [last]]
    assert world.broken() == []
    told.sockets = [[last], before]
    assert world.broken() == [
        f"the host was told revision {before[0][0]} after {last[0]}, by another process",
        f"the host was last told {before[-1]}, and stored is {last}",
    ]


async def test_an_end_may_be_recorded_as_early_as_is_agreed_and_no_earlier(world: World) -> None:
    stay = world.ben.stay
    assert stay.ended is not None
    early = f"{IN} left_at = joined_at{OF_BEN}"
    world.log.stays[stay.visit] = replace(stay, early=60.0)
    assert world.broken(early) == []
    world.log.stays[stay.visit] = replace(stay, early=0.0)
    assert [wrong.partition(" -")[0] for wrong in world.broken(early)] == ["visit ben's old ended"]
