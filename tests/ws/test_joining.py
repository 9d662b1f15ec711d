"""What ends while somebody joins is told for what it is, and leaves nobody behind."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hub.app import Hub
from tests.running import PATIENCE, Client, Running, bearer, now, running
from tests.sockets import inside
from tests.stored import moment, until_visits
from tests.storm import people_counted
from tests.tables import ask

PEOPLE = [f"s-{number}" for number in range(40)]


async def waiting(hub: Hub, count: int) -> None:
    """Until so many changes wait for the ledger."""
    async with asyncio.timeout(PATIENCE):
        while hub.ledger.waiting < count:  # noqa: ASYNC110  the ledger tells nobody how long its queue is
            await asyncio.sleep(0.002)


async def test_a_seat_that_is_cancelled_in_the_very_commit_of_its_join_is_refused_as_not_booked(alone: Running) -> None:
    assert alone.hub is not None
    session = (await alone.create())["id"]
    await alone.book(session, "ann")
    gate = threading.Event()
    async with Client.at(alone, "ann") as ann:
        stuck = asyncio.create_task(alone.hub.database.transact(lambda connection: gate.wait(PATIENCE)))
        before = asyncio.create_task(alone.book(session, "ben"))  # taken alone, it keeps the ledger busy
        async with asyncio.timeout(PATIENCE):
            while not alone.hub.ledger.busy:  # noqa: ASYNC110  as above
                await asyncio.sleep(0.002)
        join = asyncio.create_task(ann.ask(type="join", session=session))
        await waiting(alone.hub, 1)
        cancel = asyncio.create_task(alone.call("DELETE", f"/{session}/book", bearer("ann")))
        await waiting(alone.hub, 2)
        gate.set()
        async with asyncio.timeout(PATIENCE):
            assert (await join)["code"] == "not_booked"
            assert (await cancel).status_code == 200
            await asyncio.gather(stuck, before)
    assert people_counted(alone.where, session) == []


async def test_a_session_that_ends_during_joins_is_refused_as_not_active(hub: Running) -> None:
    session = (await hub.create())["id"]
    await hub.start(session)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client.at(hub, person)) for person in PEOPLE]
        for person in PEOPLE:
            await hub.book(session, person)
        async with asyncio.timeout(2 * PATIENCE):
            answers, ended = await asyncio.gather(
                asyncio.gather(*(client.ask(type="join", session=session) for client in clients)),
                hub.call("PATCH", f"/{session}/end"),
            )
        assert ended.status_code == 200
        assert {answer.get("code", "joined") for answer in answers} <= {"joined", "not_active"}
        assert people_counted(hub.where, session) == []


async def test_a_leave_that_is_said_while_the_join_is_under_way_counts_as_said_though_the_socket_goes(
    alone: Running,
) -> None:
    assert alone.hub is not None
    session = (await alone.create())["id"]
    for person in ("ann", "ben"):
        await alone.book(session, person)
    gate = threading.Event()
    async with Client.at(alone, "ann") as first:
        await inside(first, session)
        stuck = asyncio.create_task(alone.hub.database.transact(lambda connection: gate.wait(PATIENCE)))
        before = asyncio.create_task(alone.call("DELETE", f"/{session}/book", bearer("ben")))
        async with asyncio.timeout(PATIENCE):
            while not alone.hub.ledger.busy:  # noqa: ASYNC110  as above
                await asyncio.sleep(0.002)
        await first.send({"type": "leave", "session": session})
    await waiting(alone.hub, 1)
    async with Client.at(alone, "ann") as second:
        already = alone.hub.ledger.waiting
        await second.send({"type": "join", "session": session})
        await waiting(alone.hub, already + 1)  # the leave before it; the join itself is not there yet
        await second.send({"type": "leave", "session": session})
        said = now()
    gate.set()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(stuck, before)
    rows = await until_visits(alone, session, lambda rows: len(rows) == 2 and rows[1].left is not None)
    assert [row.reason for row in rows] == ["left", "left"]
    assert rows[1].left is not None
    assert rows[1].left <= said + timedelta(seconds=1)


@pytest.mark.parametrize("draining", [False, True])
async def test_a_socket_that_goes_while_it_joins_dropped_when_it_went_though_no_visit_was_there_to_note_it_at(
    tmp_path: Path, draining: bool
) -> None:
    gate = threading.Event()
    async with running(tmp_path, leave_grace_seconds=PATIENCE) as alone:
        hub = alone.hub
        assert hub is not None
        session = (await alone.create())["id"]
        for person in ("ann", "ben"):
            await alone.book(session, person)
        async with Client.at(alone, "ann") as client:
            stuck = asyncio.create_task(hub.database.transact(lambda connection: gate.wait(PATIENCE)))
            before = asyncio.create_task(alone.call("DELETE", f"/{session}/book", bearer("ben")))
            async with asyncio.timeout(PATIENCE):
                while not hub.ledger.busy:  # noqa: ASYNC110  as above
                    await asyncio.sleep(0.002)
            await client.send({"type": "join", "session": session})
            await waiting(hub, 1)
            hub.lobby.draining = draining
            hub.lobby.send_home(0.1)
            noting = asyncio.create_task(hub.lease.drain())  # it notes drops first: before the join has its turn
            await asyncio.sleep(0)
            released = now()
            gate.set()
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(stuck, before, noting)
        assert await noted(alone) < released


async def noted(alone: Running) -> datetime:
    """When the socket of the only visit went, once a beat has written that down."""
    assert alone.hub is not None
    async with asyncio.timeout(PATIENCE):
        while True:
            await alone.hub.lease.beat()
            at = [moment(dropped) for dropped in ask(alone.where, "SELECT dropped_at FROM session_participants")]
            if at and at[0] is not None:
                return at[0]
