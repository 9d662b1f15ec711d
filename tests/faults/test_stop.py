"""A stop that tells everyone first, a freeze that nobody pays for, and a second process that is sent away."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from pathlib import Path

import pytest

from tests.faults.beside import beside, halted
from tests.faults.light import Light
from tests.faults.people import crowd
from tests.running import PATIENCE, Client, Running, free_port, kill, now, running, spawn, variables_for
from tests.second import Second
from tests.storm import people_counted
from tests.tables import ask, instant

GRACE = 9.0
STOPS_WITHIN = 8.0
PEOPLE = [f"s-{number}" for number in range(50)]
BACK = PEOPLE[:30]


async def join_all(hub: Running, session: int, people: list[str]) -> list[Light]:
    """A joined socket for each of them."""

    async def join(person: str) -> Light:
        socket = await Light.at(hub.port, person)
        answer = await socket.ask(type="join", session=session)
        assert answer["type"] == "ok", answer
        return socket

    return await crowd(map(join, people))


async def stop(hub: Running, sockets: list[Light]) -> None:
    """SIGTERM; every socket is told when to come back, and closed to come back, and the process ends in time."""
    began = asyncio.get_running_loop().time()
    ending = asyncio.create_task(kill(hub, signal.SIGTERM))
    async with asyncio.timeout(2 * PATIENCE):
        assert {await socket.closed for socket in sockets} == {1012}
    assert all(socket.reconnect_in is not None and 0 <= socket.reconnect_in <= GRACE / 2 for socket in sockets)
    assert await ending in (0, -signal.SIGTERM)
    assert asyncio.get_running_loop().time() - began < STOPS_WITHIN


async def test_who_comes_back_after_a_restart_is_never_seen_leaving_and_who_does_not_left_at_the_stop(
    tmp_path: Path,
) -> None:
    port = free_port()
    hub = await spawn(tmp_path, port, HUB_LEAVE_GRACE_SECONDS=str(GRACE))
    try:
        session = (await hub.create())["id"]
        for person in PEOPLE:
            await hub.book(session, person)
        sockets = await join_all(hub, session, PEOPLE)
        before = now()
        await stop(hub, sockets)
        after = now()
        assert ask(hub.where, "SELECT count(*) FROM session_participants WHERE left_at IS NULL") == [50]
        hub = await spawn(tmp_path, port, HUB_LEAVE_GRACE_SECONDS=str(GRACE))
        async with Client.at(hub, "e-7", "expert") as host:
            await host.ask(type="watch", sessions=[session])
            assert (await host.expect("session"))["live"] == 50
            assert len((await host.expect("roster"))["participants"]) == 50
            await join_all(hub, session, BACK)
            gone: set[str] = set()
            while len(gone) < len(PEOPLE) - len(BACK):
                news = await host.expect("presence")
                assert news["joined"] == []
                gone |= {someone["id"] for someone in news["left"]}
            assert gone == set(PEOPLE) - set(BACK)
            assert people_counted(hub.where, session) == []
            assert ask(hub.where, "SELECT live, peak_live FROM live_sessions") == [(30, 50)]
    finally:
        await kill(hub)
    ended = ask(hub.where, "SELECT left_at, reason FROM session_participants WHERE left_at <= ?", f"{after}")
    assert len(ended) == 50
    assert {reason for _, reason in ended} == {"disconnected"}
    assert all(before <= instant(left_at) <= after for left_at, _ in ended)


@pytest.mark.parametrize("command", ["serve", "demo"])
async def test_a_second_process_on_the_same_file_is_refused_with_a_sentence(
    tmp_path: Path, second: Second, command: str
) -> None:
    async with beside(second, tmp_path / "hub.db") as hub:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hub",
            command,
            env=variables_for(hub.where, free_port()),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(PATIENCE):
            said, _ = await process.communicate()
        assert process.returncode == 2
        assert said.decode().startswith("hub: Another hub process is using this SQLite file")
        assert said.count(b"\n") == 1
        await hub.create()


async def test_a_process_that_was_frozen_for_longer_than_its_lease_goes_on_and_nobody_was_reaped(
    tmp_path: Path, second: Second
) -> None:
    async with beside(second, tmp_path / "hub.db", lease_seconds=1.0, leave_grace_seconds=0.5) as hub:
        session = (await hub.create())["id"]
        await hub.book(session, "ann")
        await hub.book(session, "ben")
        async with Client.at(hub, "ann") as ann:
            visit = (await ann.ask(type="join", session=session))["participant"]
            leases = "SELECT id, state FROM nodes"
            before = ask(hub.where, leases)
            async with halted(second):
                await asyncio.sleep(2.5)  # the fault itself: two leases and a half
            assert (await ann.ask(type="ping"))["type"] == "pong"
            async with Client.at(hub, "ben") as ben:
                assert (await ben.ask(type="join", session=session))["type"] == "ok"
                await ann.expect("session", live=2)
            await ann.expect("session", live=1)
            assert ask(hub.where, leases) == before
            assert ask(hub.where, "SELECT reason FROM session_participants WHERE id = ?", visit) == [None]


async def test_who_joins_at_the_very_stop_is_held_for_the_grace_like_everyone(tmp_path: Path) -> None:
    closed = threading.Event()
    async with running(tmp_path) as hub, Client.at(hub, "ann") as ann:
        assert hub.hub is not None
        session = (await hub.create())["id"]
        await hub.book(session, "ann")
        await ann.ask(type="watch", sessions=[session])
        holding = asyncio.create_task(hub.hub.database.transact(lambda connection: closed.wait(PATIENCE)))
        await ann.send({"type": "join", "id": "late", "session": session})
        assert (await ann.ask(type="ping"))["type"] == "pong"  # so the join waits for the writer now
        hub.hub.failed()  # as a stop does
        async with asyncio.timeout(PATIENCE):
            await ann.socket.wait_closed()
        closed.set()
        assert await holding
    assert ask(hub.where, "SELECT user_id, reason FROM session_participants") == [("ann", None)]
