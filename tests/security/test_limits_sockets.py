"""W8, W9: how much a socket may say, and how often an address may knock."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from hub.sockets import connection, door
from hub.sockets.connection import PATIENCE as REFUSALS
from tests.rfc6455.frames import CLOSE, TEXT, frame
from tests.rfc6455.raw import HANDSHAKE, Peer, entered
from tests.running import Running, running
from tests.security.calling import calling

RATE = 600
"""Ten a second."""


SAID = frame(TEXT, b'{"type":"ping"}')


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What a socket's messages are counted by: its time is the one element."""
    now = [0.0]
    monkeypatch.setattr(connection, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


async def talked(peer: Peer, clock: list[float], times: float, count: int) -> tuple[int, int | None]:
    """Say all that may be said at once, then `count` more, evenly at so many times the rate: how many were refused, and
    the code that the socket was closed with."""
    for _ in range(RATE // 50):
        await peer.send(SAID * 50)
        for _ in range(50):
            assert (await peer.message())["type"] == "pong"
    refused = 0
    for _ in range(count):
        clock[0] += 60 / (RATE * times)
        await peer.send(SAID)
        answer = await peer.frame()
        if answer.opcode == CLOSE:
            return refused, int.from_bytes(answer.payload[:2])
        message = json.loads(answer.payload)
        refused += message["type"] == "error"
        assert message["type"] == "pong" or message["code"] == "rate_limited"
    return refused, None


@pytest.mark.parametrize(("times", "within"), [(10, 30), (4, 50), (100, 25)])
async def test_W8_far_over_the_rate_a_socket_is_closed_and_others_are_not(
    tmp_path: Path, clock: list[float], times: float, within: int
) -> None:
    async with running(tmp_path, message_rate_limit=RATE) as hub, entered(hub) as loud, entered(hub) as quiet:
        refused, code = await talked(loud, clock, times, within)
        assert code == 4429
        assert refused >= REFUSALS
        await quiet.send(SAID)
        assert (await quiet.message())["type"] == "pong"


@pytest.mark.parametrize("times", [0.9, 1.5])
async def test_W8_a_little_over_the_rate_a_socket_stays(tmp_path: Path, clock: list[float], times: float) -> None:
    async with running(tmp_path, message_rate_limit=RATE) as hub, entered(hub) as peer:
        refused, code = await talked(peer, clock, times, 300)
        assert code is None
        assert bool(refused) is (times > 1)


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
