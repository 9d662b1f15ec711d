"""A stop under load: everyone is told when to come back, not all at once, and nothing holds the process for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conforming import ask_at
from tests.faults.light import Light
from tests.faults.people import crowd
from tests.running import PATIENCE, Client, Running, free_port, kill, now, running, spawn, variables_for
from tests.sockets import refused
from tests.stored import until_visits

GRACE = 4.0
SOCKETS = 300
BATCH = 50
PAUSE = 0.1


def surprised(message: dict[str, Any]) -> None:
    """Nothing else than the word of the restart is to come; what does ends the socket without a code."""
    raise AssertionError(message)


async def connect(hub: Running, number: int) -> list[Light]:
    """So many sockets, welcomed."""
    return await crowd(Light.at(hub.port, f"s-{one}", hear=surprised) for one in range(number))


async def went(socket: Light) -> tuple[float, float]:
    """When the socket was closed, on the loop's clock, and after how many seconds it was told to come back."""
    async with asyncio.timeout(2 * PATIENCE):
        assert await socket.closed == 1012
    assert socket.reconnect_in is not None
    return asyncio.get_running_loop().time(), socket.reconnect_in


async def stopped(folder: Path, fewest: int) -> tuple[list[float], list[float]]:
    """The times of the closes, and the told delays, of a hub with SOCKETS sockets that stops."""
    async with running(folder, leave_grace_seconds=GRACE) as hub:
        assert hub.hub is not None
        hub.hub.lobby.fewest = fewest
        ends = [asyncio.create_task(went(socket)) for socket in await connect(hub, SOCKETS)]
        hub.hub.failed()  # as a stop does
        assert hub.hub.lobby.draining
        times, delays = zip(*await asyncio.gather(*ends), strict=True)
    return sorted(times), sorted(delays)


def spread(times: list[float]) -> bool:
    """Whether the closes took as long as the pauses between the batches do."""
    return times[-1] - times[0] > (SOCKETS / BATCH - 1) * PAUSE * 0.8


async def test_sockets_are_closed_in_batches_and_told_to_come_back_at_moments_of_their_own(tmp_path: Path) -> None:
    times, delays = await stopped(tmp_path, fewest=BATCH)
    assert spread(times)
    assert delays[0] >= 0
    assert delays[-1] <= GRACE / 2
    # Even over the window: of 300 delays each fifth of it gets 60, and hardly ever fewer than 30.
    fifth = GRACE / 2 / 5
    assert all(sum(n * fifth <= delay <= (n + 1) * fifth for delay in delays) >= 30 for n in range(5))


async def test_sockets_that_are_closed_in_one_batch_fail_the_check_above(tmp_path: Path) -> None:
    times, _ = await stopped(tmp_path, fewest=SOCKETS)
    assert not spread(times)


async def test_a_hub_that_drains_is_not_ready_lets_no_socket_in_and_goes_on_with_rest(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        assert hub.hub is not None
        hub.hub.lobby.fewest = 1  # 20 sockets, 20 batches: two seconds
        session = (await hub.create())["id"]
        sockets = await connect(hub, 20)
        assert (await ask_at(hub, "GET", "/readyz")).status_code == 200
        hub.hub.failed()
        assert (await ask_at(hub, "GET", "/readyz")).status_code == 503
        status, problem, headers = await refused(hub)
        assert (status, problem["code"]) == (503, "unavailable")
        assert int(headers["retry-after"]) > 0
        assert headers["content-type"] == "application/problem+json"
        await hub.book(session, "ann")
        assert hub.hub.lobby.connections, "all were gone before the questions were asked"
        await asyncio.gather(*map(went, sockets))


async def test_a_signal_makes_the_hub_unready_while_it_still_listens_and_then_it_ends(tmp_path: Path) -> None:
    hub = await spawn(tmp_path, free_port())
    try:
        async with hub.http() as http:
            sockets = await connect(hub, SOCKETS)
            ending = asyncio.create_task(kill(hub, signal.SIGTERM))
            async with asyncio.timeout(PATIENCE):
                while (await http.get("/readyz")).status_code == 200:
                    pass
            assert (await refused(hub))[0] == 503
            await asyncio.gather(*map(went, sockets))
            assert await ending in (0, -signal.SIGTERM)
            with pytest.raises(httpx2.TransportError):
                await http.get("/readyz")
    finally:
        await kill(hub)


@pytest.mark.parametrize(("hold", "told"), [("freeze", True), ("mute", False)])
async def test_a_frozen_event_loop_does_not_hold_a_stop_for_longer_than_the_limit(
    tmp_path: Path, hold: str, told: bool
) -> None:
    code, said = await end_of(tmp_path, hold)
    assert code == 1
    assert ("not stopped 1 seconds after it was told to: exiting anyway" in said) is told


async def test_a_loop_that_turns_ends_by_itself_before_the_limit(tmp_path: Path) -> None:
    code, said = await end_of(tmp_path, "no")
    assert code == -signal.SIGTERM
    assert "exiting anyway" not in said


async def end_of(folder: Path, hold: str) -> tuple[int, str]:
    """How `tests.held` ends by SIGTERM, with a limit of a second, and what it said if that could be read."""
    port = free_port()
    unread, full = os.pipe()
    with (folder / "held.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.held", hold,
            env=variables_for(folder / "hub.db", port) | {"HUB_STOP_SECONDS": "1"},
            stderr=full if hold == "mute" else log,
        )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE):
            await listens(port)
            while process.returncode is None:
                # Python does not hear one that comes just before a write that blocks: only the next one, which ends it.
                process.send_signal(signal.SIGTERM)
                await asyncio.wait([asyncio.ensure_future(process.wait())], timeout=3)
            return process.returncode, (folder / "held.log").read_text()
    finally:
        os.close(unread)
        os.close(full)
        if process.returncode is None:
            process.kill()
            await process.wait()


async def listens(port: int) -> None:
    """Wait until someone takes connections there; a loop that stopped turning does not keep the kernel from it."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return


@pytest.mark.parametrize(("limit", "code", "forced"), [("1", 1, True), ("25", -signal.SIGTERM, False)])
async def test_a_database_that_is_locked_by_another_program_does_not_hold_a_stop(
    tmp_path: Path, limit: str, code: int, forced: bool
) -> None:
    hub = await spawn(tmp_path, free_port(), HUB_STOP_SECONDS=limit)
    try:
        with closing(sqlite3.connect(hub.where, timeout=PATIENCE, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            hub_process = hub.process
            assert hub_process is not None
            hub_process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(2 * PATIENCE):
                assert await hub_process.wait() == code
    finally:
        await kill(hub)
    assert ("exiting anyway" in (tmp_path / "hub.log").read_text()) is forced


def stand_still(seconds: float) -> None:
    """The loop is busy with something else."""
    time.sleep(seconds)


async def test_who_is_sent_home_by_a_busy_process_left_when_they_were_told_so(tmp_path: Path) -> None:
    async with running(tmp_path, leave_grace_seconds=0.2) as hub, Client.at(hub, "ann") as ann:
        assert hub.hub is not None
        session = (await hub.create())["id"]
        await hub.book(session, "ann")
        assert (await ann.ask(type="join", session=session))["type"] == "ok"
        at = now()
        hub.hub.lobby.send_home(0.1)
        stand_still(0.5)
        (row,) = await until_visits(hub, session, lambda rows: rows[0].left is not None)
        assert row.left is not None
        assert (row.left - at).total_seconds() < 0.25
        assert row.reason == "disconnected"
