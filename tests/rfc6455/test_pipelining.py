"""Requests that are sent before the answers to those before them, by peers who then are gone."""

from __future__ import annotations

import logging
import socket
import struct
from pathlib import Path

import pytest

from hub.sockets.caller import MOST_WAITING, Caller
from tests.rfc6455.raw import Peer, reach
from tests.rfc6455.upgrades import Request
from tests.running import API, Running, bearer, running
from tests.ws.test_slow_readers import until

PLAIN = Request(f"GET {API} HTTP/1.1", (("Host", "{host}"),))
AT_ONCE, TIMES = 8, 20
RESET = struct.pack("ii", 1, 0)


async def broken(hub: Running, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the server calls an error when so many peers ask for much at once and reset the connection."""
    for _ in range(TIMES):
        async with reach(hub) as peer:
            await peer.send(PLAIN.octets("hub") * AT_ONCE)
            await peer.answer()  # the next one is under way
            peer._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    assert (await hub.call("GET", "")).status_code == 200
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def test_answers_to_who_is_gone_are_thrown_away_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as hub:
        assert await broken(hub, caplog) == []


async def test_control_uvicorn_alone_writes_to_what_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Caller, "_before", property(lambda _: (), lambda *_: None))
    async with running(tmp_path) as hub:
        assert await broken(hub, caplog) != []


async def answers(peer: Peer) -> list[int]:
    """The statuses of all that is answered until the end."""
    found = []
    while (answer := await peer.answer_or_end()) is not None:
        found.append(answer.status)
        await peer.body(answer)
    return found


async def test_no_more_requests_wait_than_may_and_those_are_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, reach(hub) as peer:
        await peer.send(PLAIN.octets("hub") * 10 * MOST_WAITING)
        assert await answers(peer) == [200] * (MOST_WAITING + 1)


async def test_what_is_no_request_does_not_take_the_answer_to_the_one_before(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        session_id = (await hub.create())["id"]
        for number in range(5):
            line = f"POST {API}/{session_id}/book HTTP/1.1"
            booking = Request(line, (("Host", "{host}"), *bearer(f"s-{number}").items(), ("Content-Length", "0")))
            async with reach(hub) as peer:
                await peer.send(booking.octets("hub"))
                await peer.send(b"\x01\x02\r\n\r\n")
                assert await answers(peer) == [201]


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(PLAIN.but("Connection", "Upgrade").but("Upgrade", "h2c"), id="h2c"),
        pytest.param(Request("CONNECT hub:80 HTTP/1.1", (("Host", "hub:80"),)), id="CONNECT"),
    ],
)
async def test_behind_an_upgrade_that_is_not_taken_nothing_is_lost_unseen(tmp_path: Path, first: Request) -> None:
    async with running(tmp_path) as hub, reach(hub) as peer:
        await peer.send(first.octets("hub"), PLAIN.octets("hub"))
        await peer.send(PLAIN.octets("hub"))
        assert len(await answers(peer)) == 1


@pytest.mark.parametrize("name", ["Authorization", "Content-Type", "Webhook-Id", "Origin"])
async def test_a_line_of_which_there_can_be_one_is_refused_twice(tmp_path: Path, name: str) -> None:
    async with running(tmp_path) as hub, reach(hub) as peer:
        await peer.send(PLAIN.but(name, "a", "b").octets("hub"))
        assert await answers(peer) == [400]


async def test_a_stream_ends_with_its_peer_though_another_request_waits_behind_it(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        assert hub.hub is not None
        total = hub.hub.lobby.total
        session_id = (await hub.create())["id"]
        stream = Request(f"GET {API}/{session_id}/events HTTP/1.1", (("Host", "{host}"),))
        async with reach(hub) as peer:
            await peer.send(stream.octets("hub"), PLAIN.octets("hub"))
            assert (await peer.answer()).status == 200
            assert total.here(None) == 1
        await until(lambda: total.here(None) == 0)
