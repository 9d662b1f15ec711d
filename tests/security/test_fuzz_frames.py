"""W11: a hundred thousand frames of noise and near-misses. Each message is answered once, nobody else hears of it."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from logging.handlers import QueueHandler
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings

from hub.errors import HubError
from hub.sockets import closing, connection
from tests.faults.nodes import LONG
from tests.rfc6455.frames import CLOSE, PING, PONG, TEXT, frame, ping
from tests.rfc6455.raw import Peer, entered
from tests.running import Client, Running, running
from tests.security.near_frames import MARK, Burst, Message, bursts
from tests.sockets import Follower, inside
from tests.test_openapi import kinds

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZE = 20
BURSTS = 5_050 if LONG else 150
EVERY = 25
"""Bursts between two looks at the others."""
RATE = 10
"""Messages a minute, where there is a limit."""
LONGEST = 1024
"""Octets of a refusal or a pong, whatever was sent and under whatever id."""
ENDS = {close.code for close in closing.ALL} | {1000, 1002, 1007}
CODES = {kind.code for kind in kinds(HubError)} - {"internal", "unavailable"}
FENCE = json.dumps({"type": "unwatch", "sessions": [], "id": "fence"}).encode()


class Others:
    """Those who behave: a watcher, an expert with a roster, a participant, and one who comes and goes."""

    def __init__(self, hub: Running, watcher: Client, expert: Client, pia: Client, gus: Client) -> None:
        self._hub = hub
        self._watcher, self._expert, self._pia, self._gus = watcher, expert, pia, gus
        self._seen = Follower(1), Follower(1)
        self.rounds = 0

    async def look(self) -> None:
        """Each gets all that is theirs, in order, and the counts are right: nobody else is in, nobody has gone."""
        self.rounds += 1
        inside_now = self.rounds % 2 == 1
        if inside_now:
            await inside(self._gus, 1)
        else:
            assert (await self._gus.ask(type="leave", session=1))["type"] == "ok"
        edited = await self._hub.call("PATCH", "/1", json={"title": f"Round {self.rounds}"})
        assert edited.status_code == 200, edited.text
        told = await self._watcher.expect("catalog")
        assert told["session"]["title"] == f"Round {self.rounds}"
        truth = (await self._hub.call("GET", "/1")).json()["data"]
        people = {"e-7", "pia", "gus"} if inside_now else {"e-7", "pia"}
        assert truth["live"] == len(people)
        watching, hosting = self._seen
        for follower, client in ((watching, self._watcher), (hosting, self._expert)):
            while follower.state["revision"] < truth["revision"]:
                follower.hear(await client.expect("session", session=1))
            assert follower.state["live"] == len(people)
        await hosting.catch_up(self._expert)
        assert set(hosting.people) == people
        assert hosting.asks == 0, "a message was lost or came in the wrong order"
        assert (await self._pia.ask(type="ping"))["type"] == "pong"


async def others(hub: Running, stack: AsyncExitStack) -> Others:
    """They come before the noise."""
    watcher, expert, pia, gus = [
        await stack.enter_async_context(Client.at(hub, who, role))
        for who, role in ((None, ""), ("e-7", "expert"), ("pia", "student"), ("gus", "student"))
    ]
    await watcher.ask(type="watch", sessions=[1], catalog=True)
    await inside(expert, 1)
    await inside(pia, 1)
    return Others(hub, watcher, expert, pia, gus)


class Noise:
    """Sends bursts, on one socket as long as it is let."""

    def __init__(self, hub: Running, limited: bool = False, plain: bool = False) -> None:
        self._hub = hub
        self.limited = limited
        self.plain = plain
        # Where there is a limit, those who behave soon reach it too.
        self.wanted = 600 if limited else BURSTS * SIZE // (5 if plain else 1)
        self._stack = AsyncExitStack()
        self._peer: Peer | None = None
        self._uses = 0
        self.sent = 0
        self.ends: set[int] = set()

    async def done(self) -> None:
        """Drop the socket."""
        await self._stack.aclose()

    async def send(self, burst: Burst) -> None:
        """Send all of it, and hold what comes back to what is promised."""
        if self._peer is None or self._uses % 20 == 0:
            await self._stack.aclose()
            self._peer = await self._stack.enter_async_context(entered(self._hub))
        self._uses += 1
        self.sent += burst.size
        # Where there is a limit, a message may be refused without its id.
        await self._peer.send(burst.octets, frame(PING, FENCE) if self.limited else frame(TEXT, FENCE))
        ended, answers = await self._read(self._peer, bool(burst.after))
        if ended:
            self._peer = None
            assert burst.after or self.limited, "a socket was ended that broke no rule"
        if not (burst.after or ended or self.limited):
            assert answers == burst.asked

    async def _read(self, peer: Peer, may_end: bool) -> tuple[bool, int]:
        """Up to the answer of the fence, or the end: whether it was the end, and how many answers came."""
        if may_end:
            await _end(peer)  # half a frame would wait for the rest of it
        answers, closed = 0, False
        while True:
            try:
                came = await peer.frame()
            except AssertionError as nothing:
                if "the connection ended" not in str(nothing):
                    raise
                return True, answers
            if came.opcode == CLOSE:
                assert not closed
                closed = True
                if came.payload:
                    self.ends.add(int.from_bytes(came.payload[:2]))
                await _end(peer)
            elif came.opcode == TEXT:
                assert not closed, "data after a close (RFC 6455 §5.5.1); pongs may come"
                message = json.loads(came.payload)
                if message.get("id") == "fence" and not may_end:
                    return False, answers
                answers += self._is_answer(message, len(came.payload))
            elif came.payload == FENCE and not may_end and not closed:
                return False, answers
            else:
                assert came.opcode in (PING, PONG)

    def _is_answer(self, message: dict[str, Any], size: int) -> bool:
        if message["type"] in ("error", "pong"):
            assert size <= LONGEST, message
        if message["type"] == "error":
            assert message["code"] in CODES, message
            assert MARK not in message["message"], message
        return message["type"] in ("ok", "pong", "error") and message.get("id") != "fence"


async def _end(peer: Peer) -> None:
    with suppress(OSError):  # the hub has reset the connection
        await peer.send_end()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Noise, Others]]:
    """A hub with session 1 active, those who behave in it, and one who does not; with and without limits, and through
    ASGI."""
    limited, plain = request.param == "limited", request.param == "plain"
    limits: dict[str, Any] = {"message_rate_limit": RATE} if limited else {}
    folder, serving = tmp_path_factory.mktemp("noise"), {"direct": not plain}
    async with running(folder, serving_as=serving, **limits) as hub, AsyncExitStack() as stack:
        assert [(await hub.create())["id"] for _ in range(2)] == [1, 2]
        for who in ("pia", "gus"):
            await hub.book(1, who)
        await hub.start(1)
        noise = Noise(hub, limited, plain)
        stack.push_async_callback(noise.done)
        yield noise, await others(hub, stack)


@pytest.fixture(scope="module")
def records() -> Iterator[Sequence[logging.LogRecord]]:
    """What is logged while the module runs."""
    kept: Queue[logging.LogRecord] = Queue()
    handler = QueueHandler(kept)
    logging.getLogger().addHandler(handler)
    yield kept.queue
    logging.getLogger().removeHandler(handler)


def drawn(count: int) -> settings:
    """So many bursts, the same each time."""
    unhurried = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    return settings(max_examples=count, deadline=None, derandomize=True, database=None, suppress_health_check=unhurried)


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("world", ["free"], indirect=True)
@drawn(BURSTS)
@given(burst=bursts(SIZE))
async def test_no_frames_whatever_hurt_anyone_W11(world: tuple[Noise, Others], burst: Burst) -> None:
    await disturbed(*world, burst)


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("world", ["limited", "plain"], indirect=True)
@drawn(BURSTS // 4 + 1)  # a fifth of the frames: a burst without what may end it is four frames shorter
@given(burst=bursts(SIZE))
async def test_nor_with_a_limit_and_through_asgi_W11(world: tuple[Noise, Others], burst: Burst) -> None:
    await disturbed(*world, burst)


async def disturbed(noise: Noise, others: Others, burst: Burst) -> None:
    """Send a burst, unless there were enough; now and then those who behave are looked after."""
    if noise.sent >= noise.wanted:
        return
    # How uvicorn's own class ends a socket is its affair.
    await noise.send(replace(burst, after=()) if noise.plain else burst)
    if noise.sent % (SIZE * EVERY) == 0:
        async with asyncio.timeout(30):
            await others.look()


@pytest.mark.parametrize("world", ["free", "limited", "plain"], indirect=True)
async def test_and_of_all_that_nothing_was_logged_W11(
    world: tuple[Noise, Others], records: Sequence[logging.LogRecord]
) -> None:
    noise, others = world
    await others.look()
    assert noise.sent >= noise.wanted
    assert noise.ends <= ENDS, noise.ends - ENDS
    if not noise.plain:
        assert noise.ends >= ({1002, 4429} if noise.limited else {1002, 1007, 1009, 4400} if LONG else {1002})
    wrong = [record for record in records if record.exc_info or record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in wrong if record.name != "hub.audit"] in ([], ["not ready: draining"])
    assert [record.__dict__ for record in records if MARK in str(record.__dict__)] == []
    await noise.done()
    await others.look()
    gc.collect()
    assert sum(isinstance(kept, connection.Connection) for kept in gc.get_objects()) == 4, "who behave, and nobody else"


async def test_a_hub_that_trips_over_a_message_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = Burst([Message(frame(TEXT, ping("a")))], ())
    async with running(tmp_path) as hub:
        noise = Noise(hub)
        await noise.send(good)
        monkeypatch.setattr(connection, "read", int)
        with pytest.raises(AssertionError, match="broke no rule"):
            await noise.send(good)
        await noise.done()
