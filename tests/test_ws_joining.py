"""What ends while somebody joins is told for what it is, and leaves nobody behind."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from tests.running import PATIENCE, Client, Running, bearer
from tests.storm import people_counted

PEOPLE = [f"s-{number}" for number in range(40)]


async def test_a_seat_that_is_cancelled_during_its_join_is_refused_as_not_booked(hub: Running) -> None:
    session = (await hub.create())["id"]
    async with AsyncExitStack() as stack, hub.http() as http:
        clients = [await stack.enter_async_context(Client.at(hub, person)) for person in PEOPLE]
        for person in PEOPLE:
            await hub.book(session, person)
        path = f"/api/live-sessions/{session}/book"
        async with asyncio.timeout(2 * PATIENCE):
            answers, gone = await asyncio.gather(
                asyncio.gather(*(client.ask(type="join", session=session) for client in clients)),
                asyncio.gather(*(http.delete(path, headers=bearer(person)) for person in PEOPLE)),
            )
        assert {response.status_code for response in gone} == {200}
        assert {answer.get("code", "joined") for answer in answers} <= {"joined", "not_booked"}
        assert people_counted(hub.path, session) == []
        async with Client.at(hub) as watcher:
            await watcher.ask(type="watch", sessions=[session])
            assert (await watcher.expect("session"))["live"] == 0


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
        assert people_counted(hub.path, session) == []
