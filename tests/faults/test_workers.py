"""A supervisor and its workers, as real processes: deaths, stops, failed starts, and a replacement nobody notices."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hub.listening import CannotListen, bind
from hub.workers import MARGIN_SECONDS
from tests.running import PATIENCE, Client, Running, free_port, variables_for

COUNT = 3


@dataclass
class Supervised:
    """A supervisor that runs, and what it said so far."""

    process: asyncio.subprocess.Process
    flag: Path
    port: int = 0
    said: list[str] = field(default_factory=list)

    async def until(self, words: str) -> str:
        """The next line that has these words."""
        assert self.process.stderr is not None
        async with asyncio.timeout(3 * PATIENCE):
            while True:
                line = (await self.process.stderr.readline()).decode()
                assert line, "".join(self.said)
                self.said.append(line)
                if words in line:
                    return line

    async def end(self, how: signal.Signals) -> int:
        """Tell it to stop: its exit code."""
        self.process.send_signal(how)
        return await self.ended()

    async def ended(self) -> int:
        """Its exit code, and all that it said."""
        assert self.process.stderr is not None
        async with asyncio.timeout(3 * PATIENCE):
            self.said.append((await self.process.stderr.read()).decode())
            return await self.process.wait()

    async def answer(self) -> int:
        """Which process answers a new connection; raises OSError or ValueError when none does."""
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                return int(await reader.readline())
            finally:
                writer.close()
                await writer.wait_closed()

    async def workers(self, but: Set[int] = frozenset()) -> set[int]:
        """Who answers, once they are all there and none is among `but`."""
        async with asyncio.timeout(3 * PATIENCE):
            while True:
                found = {await self.answer() for _ in range(COUNT * 20)}
                if len(found) == COUNT and not found & but:
                    return found

    async def refused(self) -> None:
        """Wait until nobody listens."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await self.answer()
                except (OSError, ValueError):
                    return


@asynccontextmanager
async def supervised(folder: Path, stop_seconds: float = 5, manners: str = "good") -> AsyncIterator[Supervised]:
    """A supervisor of COUNT plain workers; killed at the end if it still is there."""
    flag = folder / "none starts"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.supervised", str(COUNT), str(stop_seconds), str(flag), manners,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Supervised(process, flag)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def ready(folder: Path, stop_seconds: float = 5, manners: str = "good") -> AsyncIterator[Supervised]:
    """The same, when all workers serve."""
    async with supervised(folder, stop_seconds, manners) as one:
        one.port = int((await one.until("ready")).split()[1])
        yield one


async def test_a_worker_that_is_killed_is_started_again_and_a_stop_ends_them_all(tmp_path: Path) -> None:
    async with ready(tmp_path) as one:
        before = await one.workers()
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        after = await one.workers(but={victim})
        assert len(before & after) == COUNT - 1
        began = asyncio.get_running_loop().time()
        assert await one.end(signal.SIGTERM) == 0
        assert asyncio.get_running_loop().time() - began < MARGIN_SECONDS  # the control of the test below
        await one.refused()
    said = "".join(one.said)
    assert f"worker {victim} ended (-9): starting another" in said
    assert said.count("ready") == 1
    assert "killed" not in said


async def test_workers_that_do_not_stop_are_killed_after_the_limit(tmp_path: Path) -> None:
    async with ready(tmp_path, stop_seconds=0.5, manners="deaf") as one:
        began = asyncio.get_running_loop().time()
        assert await one.end(signal.SIGTERM) == 1
        assert asyncio.get_running_loop().time() - began >= MARGIN_SECONDS
        await one.refused()
    assert "".join(one.said).count("does not stop: killed") == COUNT


async def test_a_second_signal_is_impatience_and_passed_on_as_such(tmp_path: Path) -> None:
    async with ready(tmp_path, stop_seconds=60, manners="deaf") as one:  # deaf to the first one only
        one.process.send_signal(signal.SIGTERM)
        assert await one.end(signal.SIGINT) == 0
    assert "killed" not in "".join(one.said)


async def test_workers_that_fail_at_start_again_and_again_are_given_up(tmp_path: Path) -> None:
    async with supervised(tmp_path) as one:
        one.flag.touch()
        assert await one.ended() == 1
    assert "workers fail at start, 3 times now: giving up" in "".join(one.said)
    assert "ready" not in "".join(one.said)


async def test_a_worker_that_dies_while_others_serve_and_never_starts_again_ends_them_all(tmp_path: Path) -> None:
    async with ready(tmp_path) as one:
        one.flag.touch()
        os.kill(await one.answer(), signal.SIGKILL)
        assert await one.ended() == 1
        await one.refused()
    assert "giving up" in "".join(one.said)


async def test_hangup_replaces_everyone_and_no_connection_is_refused_meanwhile(tmp_path: Path) -> None:
    async with ready(tmp_path) as one:
        before = await one.workers()
        replaced = asyncio.create_task(one.until("every worker was replaced"))
        one.process.send_signal(signal.SIGHUP)
        asked = 0
        while not replaced.done():
            await one.answer()
            asked += 1
        assert asked > COUNT
        await replaced
        await one.workers(but=before)
        assert await one.end(signal.SIGTERM) == 0
        with pytest.raises((OSError, ValueError)):  # the control: a question nobody answers would have been noticed
            await one.answer()
    assert "starting another" not in "".join(one.said)


async def test_those_who_serve_stay_when_their_successors_can_not_start(tmp_path: Path) -> None:
    async with ready(tmp_path) as one:
        before = await one.workers()
        one.flag.touch()
        one.process.send_signal(signal.SIGHUP)
        await one.until("a new worker does not serve: those that there are stay")
        assert await one.workers() == before
        one.flag.unlink()
        one.process.send_signal(signal.SIGHUP)
        await one.until("every worker was replaced")
        await one.workers(but=before)
        assert await one.end(signal.SIGINT) == 130


async def test_workers_go_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    async with ready(tmp_path) as one:
        await one.workers()
        await one.end(signal.SIGKILL)
        await one.refused()


def test_an_address_that_is_taken_is_refused_even_where_it_could_be_shared() -> None:
    places = bind("127.0.0.1", 0, 2)
    port = places[0][0].getsockname()[1]
    try:
        for sockets in places:
            sockets[0].listen()
        with pytest.raises(CannotListen, match=rf"^127\.0\.0\.1:{port} can't be listened on: Address already in use$"):
            bind("127.0.0.1", port, 2)
        with socket.socket() as stranger:  # the control: nothing but our look before keeps a second hub away
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            stranger.bind(("127.0.0.1", port))
    finally:
        for sockets in places:
            sockets[0].close()


def test_an_address_that_is_not_ours_is_refused_with_a_sentence() -> None:
    with pytest.raises(CannotListen, match=r"^192\.0\.2\.1:8000 can't be listened on: "):
        bind("192.0.2.1", 8000, 1)


SUPERVISED_HUB = """
import sys
from hub import logs
from hub.listening import bind
from hub.workers import supervise
logs.set_up("text")
places = bind("127.0.0.1", int(sys.argv[1]), 1)
command = lambda descriptors: [sys.executable, "-m", "hub", "serve", *(f"--fd={one}" for one in descriptors)]
sys.exit(supervise(command, places, 25, lambda: sys.stderr.write("ready\\n")))
"""


async def test_a_hub_is_a_good_worker_that_says_when_it_serves_and_sends_people_home(tmp_path: Path) -> None:
    hub = Running((free_port(),), tmp_path / "hub.db")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUPERVISED_HUB, str(hub.port),
        env=variables_for(hub.where, hub.port), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    one = Supervised(process, tmp_path, hub.port)
    try:
        await one.until("ready")
        async with Client.at(hub) as client:
            # SQLite is of one process, so a successor can't start: the one that serves must not have been told to go.
            process.send_signal(signal.SIGHUP)
            await one.until("a new worker does not serve")
            assert (await client.ask(type="ping"))["type"] == "pong"
            ending = asyncio.create_task(one.end(signal.SIGTERM))
            assert (await client.expect("drain"))["reconnectIn"] >= 0
            async with asyncio.timeout(PATIENCE):
                await client.socket.wait_closed()
            assert client.socket.close_code == 1012
            assert await ending == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "Another hub process is using this SQLite file" in "".join(one.said)
    assert "Traceback" not in "".join(one.said)
