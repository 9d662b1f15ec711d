"""What is recorded of comings and goings: rows of `session_participants`, read past the hub's own code."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.light import Light
from tests.running import Client, Running, bearer, now, running
from tests.sockets import drop, ended, gather_heard, inside
from tests.stored import Row, moment, until_visits, visits
from tests.tables import ask

CLOCKS = timedelta(milliseconds=5)
"""By how much the database's clock, as a process knows it, may differ from ours."""
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def room(hub: Running, *people: str, start: bool = True) -> int:
    """A session, active unless asked otherwise, where these people hold seats."""
    session_id: int = (await hub.create())["id"]
    for person in people:
        await hub.book(session_id, person)
    if start:
        await hub.start(session_id)
    return session_id


async def attendance(hub: Running, session_id: int) -> dict[str, Any]:
    """The attendance report."""
    answer = await hub.call("GET", f"/{session_id}/attendance")
    assert answer.status_code == 200
    report: dict[str, Any] = answer.json()["data"]
    return report


def closed(rows: list[Row]) -> bool:
    """Whether nobody is there any more."""
    return bool(rows) and all(row.left is not None for row in rows)


def live(hub: Running, session_id: int) -> int:
    """The stored count."""
    (count,) = ask(hub.where, "SELECT live FROM live_sessions WHERE id = ?", session_id)
    assert isinstance(count, int)
    return count


async def watching_host(hub: Running, session_id: int, stack: AsyncExitStack) -> Client:
    """The host, who sees every coming and going."""
    host = await stack.enter_async_context(Client.at(hub, "e-7", "expert"))
    await host.ask(type="watch", sessions=[session_id])
    await host.expect("roster")
    host.heard.clear()
    return host


async def seen(host: Client) -> list[tuple[list[str], list[str]]]:
    """Who joined and left, as the host was told so far."""
    news = [heard for heard in await gather_heard(host) if heard["type"] == "presence"]
    return [([line["id"] for line in one["joined"]], [line["id"] for line in one["left"]]) for one in news]


async def test_three_tabs_are_three_rows_one_join_and_one_leave(shared: Running) -> None:
    session_id = await room(shared, "ann")
    async with AsyncExitStack() as stack:
        host = await watching_host(shared, session_id, stack)
        tabs = [await stack.enter_async_context(Client.at(shared, "ann")) for _ in range(3)]
        ids = [(await inside(tab, session_id))["participant"] for tab in tabs]
        assert [row.id for row in visits(shared, session_id)] == ids
        assert live(shared, session_id) == 1
        for tab in tabs:
            await tab.ask(type="leave", session=session_id)
        assert (await host.expect("presence", left=[{"id": "ann"}]))["joined"] == []
        assert await seen(host) == [(["ann"], [])]
    rows = visits(shared, session_id)
    assert [row.reason for row in rows] == ["left"] * 3
    (line,) = (await attendance(shared, session_id))["people"]
    assert len(line["visits"]) == 3
    span = max(row.left for row in rows if row.left) - rows[0].joined
    assert line["seconds"] == pytest.approx(span.total_seconds(), abs=0.002)  # a union: not thrice that


async def test_a_reload_within_the_grace_is_seen_by_nobody_and_recorded_as_a_gap(tmp_path: Path) -> None:
    async with running(tmp_path, leave_grace_seconds=0.4) as hub, AsyncExitStack() as stack:
        session_id = await room(hub, "ann")
        host = await watching_host(hub, session_id, stack)
        async with Client.at(hub, "ann") as before:
            await inside(before, session_id)
            await host.expect("presence")
            drop(before)
        dropped = now()
        after = await stack.enter_async_context(Client.at(hub, "ann"))
        await inside(after, session_id)
        first, second = await until_visits(hub, session_id, lambda rows: rows[0].left is not None)
        assert first.left is not None
        assert abs(first.left - dropped) < timedelta(seconds=0.3)
        assert (first.reason, second.left) == ("disconnected", None)
        assert first.left <= second.joined
        assert live(hub, session_id) == 1
        assert await seen(host) == []


async def test_a_drop_is_recorded_as_of_when_it_was_not_when_the_grace_ended(shared: Running) -> None:
    session_id = await room(shared, "ann")
    async with AsyncExitStack() as stack:
        host = await watching_host(shared, session_id, stack)
        async with Client.at(shared, "ann") as client:
            await inside(client, session_id)
            await host.expect("presence")
            asked = now()
            drop(client)
        await host.expect("presence", left=[{"id": "ann"}])
        told = now()
    (row,) = visits(shared, session_id)
    assert row.left is not None
    assert asked - CLOCKS <= row.left
    assert told - row.left >= timedelta(seconds=0.2)
    assert row.reason == "disconnected"
    (line,) = (await attendance(shared, session_id))["people"]
    assert line["visits"][0]["reason"] == "disconnected"
    assert datetime.fromisoformat(line["lastLeftAt"]) == row.left


async def test_a_close_by_the_client_is_a_drop_too(shared: Running) -> None:
    session_id = await room(shared, "ann")
    async with Client.at(shared, "ann") as client:
        await inside(client, session_id)
    rows = await until_visits(shared, session_id, closed)
    assert [row.reason for row in rows] == ["disconnected"]


async def test_who_leaves_and_closes_in_one_breath_has_left(shared: Running) -> None:
    session_id = await room(shared, "ann")
    ann = await Light.at(shared.port, "ann")
    assert (await ann.ask(type="join", session=session_id))["type"] == "ok"
    ann.send({"type": "leave", "session": session_id})
    ann.close()
    rows = await until_visits(shared, session_id, closed)
    assert [row.reason for row in rows] == ["left"]


async def test_a_late_clean_up_does_not_remove_the_newer_connection(shared: Running) -> None:
    session_id = await room(shared, "ann")
    async with AsyncExitStack() as stack:
        host = await watching_host(shared, session_id, stack)
        kept = []
        for _ in range(5):
            client = await stack.enter_async_context(Client.at(shared, "ann"))
            kept.append((client, (await inside(client, session_id))["participant"]))
        for client, _ in kept[:-1]:
            drop(client)
        rows = await until_visits(shared, session_id, lambda rows: sum(row.left is None for row in rows) == 1)
        assert [row.id for row in rows if row.left is None] == [kept[-1][1]]
        assert live(shared, session_id) == 1
        assert [left for _, left in await seen(host) if left] == []


async def test_a_socket_lost_while_it_joins_is_no_one_present(shared: Running) -> None:
    broken: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: broken.append(context))
    try:
        session_id = await room(shared, "ann", "bob")
        async with AsyncExitStack() as stack:
            for _ in range(20):
                client = await stack.enter_async_context(Client.at(shared, "ann"))
                await client.send({"type": "join", "session": session_id})
                drop(client)
            bob = await stack.enter_async_context(Client.at(shared, "bob"))
            await inside(bob, session_id)
            drop(bob)  # the last one to go: his grace is over after theirs, but for what is done by another process
        await until_visits(shared, session_id, lambda rows: "bob" in [row.user for row in rows] and closed(rows))
        assert live(shared, session_id) == 0
    finally:
        loop.set_exception_handler(None)
    assert broken == []


async def test_the_end_of_a_session_is_one_instant_for_all(shared: Running) -> None:
    session_id = await room(shared, "ann", "bob")
    async with AsyncExitStack() as stack:
        for person, role in (("ann", "student"), ("ann", "student"), ("bob", "student"), ("e-7", "expert")):
            client = await stack.enter_async_context(Client.at(shared, person, role))
            await inside(client, session_id)
        lost = await stack.enter_async_context(Client.at(shared, "bob"))
        await inside(lost, session_id)
        drop(lost)
        assert (await shared.call("PATCH", f"/{session_id}/end")).status_code == 200
        ((ended_at, count),) = ask(shared.where, "SELECT ended_at, live FROM live_sessions WHERE id = ?", session_id)
        rows = visits(shared, session_id)
        assert len(rows) == 5
        assert {(row.left, row.reason) for row in rows} == {(moment(ended_at), "session_ended")}
        assert count == 0
    report = await attendance(shared, session_id)
    end = moment(ended_at)
    assert datetime.fromisoformat(report["endedAt"]) == end
    assert {datetime.fromisoformat(line["lastLeftAt"]) for line in report["people"]} == {end}
    assert report["peakLive"] == 3


async def test_a_cancelled_session_closes_every_visit_as_cancelled(shared: Running) -> None:
    session_id = await room(shared, "ann", start=False)
    async with Client.at(shared, "ann") as ann, Client.at(shared, "e-7", "expert") as host:
        await inside(ann, session_id)
        await inside(host, session_id)
        assert (await shared.call("DELETE", f"/{session_id}")).status_code == 200
        rows = visits(shared, session_id)
        assert [row.reason for row in rows] == ["cancelled", "cancelled"]
        assert len({row.left for row in rows}) == 1
        assert live(shared, session_id) == 0
    assert [line["seconds"] for line in (await attendance(shared, session_id))["people"]] == [0.0, 0.0]


async def test_a_cancelled_booking_closes_that_persons_visits_alone(shared: Running) -> None:
    session_id = await room(shared, "ann", "bob")
    async with Client.at(shared, "ann") as one, Client.at(shared, "ann") as two, Client.at(shared, "bob") as bob:
        for client in (one, two, bob):
            await inside(client, session_id)
        answer = await shared.call("DELETE", f"/{session_id}/book", bearer("ann"))
        cancelled = datetime.fromisoformat(answer.json()["data"]["cancelledAt"])
        rows = visits(shared, session_id)
        assert [(row.user, row.left, row.reason) for row in rows] == [
            ("ann", cancelled, "cancelled"),
            ("ann", cancelled, "cancelled"),
            ("bob", None, None),
        ]
        await shared.book(session_id, "ann")
        await inside(one, session_id)
        assert live(shared, session_id) == 2


async def test_leaving_and_coming_back_is_two_visits_and_their_sum(shared: Running) -> None:
    session_id = await room(shared, "ann")
    async with Client.at(shared, "ann") as ann:
        for _ in range(2):
            await inside(ann, session_id)
            await ann.ask(type="leave", session=session_id)
    await shared.call("PATCH", f"/{session_id}/end")
    report = await attendance(shared, session_id)
    (line,) = report["people"]
    rows = visits(shared, session_id)
    stayed = sum((row.left - row.joined).total_seconds() for row in rows if row.left)
    assert [visit["reason"] for visit in line["visits"]] == ["left", "left"]
    assert line["seconds"] == pytest.approx(stayed, abs=0.002)
    length = datetime.fromisoformat(report["endedAt"]) - datetime.fromisoformat(report["startedAt"])
    assert line["share"] == pytest.approx(stayed / length.total_seconds(), abs=0.001)


async def test_a_clean_stop_holds_visits_open_for_the_grace_then_closes_them_at_the_stop(tmp_path: Path) -> None:
    async with AsyncExitStack() as guests, AsyncExitStack() as house:
        hub = await house.enter_async_context(running(tmp_path, leave_grace_seconds=2.0))
        session_id = await room(hub, "ann", "bob", "cyd")
        ann, bob, cyd = [await guests.enter_async_context(Client.at(hub, who)) for who in ("ann", "bob", "cyd")]
        for client in (ann, bob, cyd):
            await inside(client, session_id)
        before = now()
        drop(cyd)
        dropped = now()
        await house.aclose()
        after = now()
        assert [await ended(client) for client in (ann, bob)] == [1012, 1012]
        stopped = {row.user: row for row in visits(hub, session_id)}
        assert stopped["ann"].left is None
        assert stopped["bob"].left is None
        assert stopped["cyd"].left is None  # may still come back: only when the socket dropped is kept
        async with running(tmp_path, leave_grace_seconds=2.0) as again, AsyncExitStack() as stack:
            host = await watching_host(again, session_id, stack)
            assert live(again, session_id) == 3
            back = await stack.enter_async_context(Client.at(again, "ann"))
            await inside(back, session_id)
            gone: set[str] = set()
            while gone != {"bob", "cyd"}:
                gone |= {one["id"] for one in (await host.expect("presence", joined=[]))["left"]}
            rows = visits(again, session_id)
            assert [(row.user, row.reason) for row in rows] == [
                ("ann", "disconnected"),
                ("bob", "disconnected"),
                ("cyd", "disconnected"),
                ("ann", None),
            ]
            for row in rows[:3]:
                assert row.left is not None
                assert before <= row.left <= after
            assert rows[2].left is not None
            assert rows[2].left - dropped < timedelta(seconds=0.1)
            assert [left for _, left in await seen(host) if left] == []
            assert live(again, session_id) == 1
