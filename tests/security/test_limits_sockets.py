"""W8, W9: how much a socket may say, and how often an address may knock."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from hub.limits import Pace
from hub.sockets import door
from hub.sockets.connection import PATIENCE as REFUSALS
from tests.rfc6455.frames import CLOSE, TEXT, frame
from tests.rfc6455.raw import HANDSHAKE, Peer, entered
from tests.running import Running, running
from tests.security.calling import calling

RATE = 600
"""Ten a second."""


SAID = frame(TEXT, b'{"type":"ping"}')


async def talked(peer: Peer, pause: float, count: int) -> tuple[int, int | None]:
    """Say all that may be said at once, then `count` more, `pause` seconds apart: how many were refused, and the code
    that the socket was closed with."""
    for _ in range(RATE // 50):
        await peer.send(SAID * 50)
        for _ in range(50):
            assert (await peer.message())["type"] == "pong"
    refused = 0
    for _ in range(count):
        await asyncio.sleep(pause)
        await peer.send(SAID)
        answer = await peer.frame()
        if answer.opcode == CLOSE:
            return refused, int.from_bytes(answer.payload[:2])
        message = json.loads(answer.payload)
        refused += message["type"] == "error"
        assert message["type"] == "pong" or message["code"] == "rate_limited"
    return refused, None


async def test_W8_far_over_the_rate_a_socket_is_closed_and_others_are_not(tmp_path: Path) -> None:
    async with running(tmp_path, message_rate_limit=RATE) as hub, entered(hub) as loud, entered(hub) as quiet:
        refused, code = await talked(loud, 0.0, 100 * REFUSALS)
        assert code == 4429
        assert refused >= REFUSALS
        await quiet.send(SAID)
        assert (await quiet.message())["type"] == "pong"


async def test_W8_a_little_over_the_rate_a_socket_stays(tmp_path: Path) -> None:
    async with running(tmp_path, message_rate_limit=RATE) as hub, entered(hub) as peer:
        _, code = await talked(peer, 0.08, 40)
        assert code is None


@pytest.mark.parametrize(("times", "closed"), [(10, True), (4, True), (1.5, False)])
def test_W8_ten_times_the_rate_ends_a_socket_though_every_tenth_message_is_granted(times: float, closed: bool) -> None:
    """By the clock of the test: what comes evenly at so many times the rate."""
    pace = Pace(RATE)
    bucket, balance = pace.bucket(0.0), 0
    for message in range(int(times * RATE * 2)):
        granted = not pace.wait(bucket, message * 60 / (times * RATE))
        balance = max(0, balance - 1) if granted else balance + 1
        if balance > REFUSALS:
            break
    assert (balance > REFUSALS) is closed


async def knocked(hub: Running, address: str, count: int) -> list[int]:
    statuses = []
    for _ in range(count):
        async with calling(hub, address, 1) as (peer,):
            answer = await peer.ask(HANDSHAKE)
            statuses.append(answer.status)
            if answer.status == 429:
                assert int(answer.all("retry-after")[0]) >= 1
    return statuses


async def test_W9_opening_and_closing_without_end_is_refused_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "FEWEST_KNOCKS", 5)
    async with running(tmp_path, max_connections_per_address=1) as hub:
        assert await knocked(hub, "127.0.0.2", 7) == [101] * 5 + [429] * 2
        assert await knocked(hub, "127.0.0.3", 1) == [101]


async def test_W9_it_would_not_be_without_a_limit_of_connections(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections_per_address=None) as hub:
        assert await knocked(hub, "127.0.0.2", door.FEWEST_KNOCKS // 4) == [101] * (door.FEWEST_KNOCKS // 4)
