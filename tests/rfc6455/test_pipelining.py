"""Requests that are sent before the answers to those before them, by peers who then are gone."""

from __future__ import annotations

import logging
import socket
import struct
from pathlib import Path

import pytest

from hub.sockets.caller import Caller
from tests.rfc6455.raw import reach
from tests.rfc6455.upgrades import Request
from tests.running import API, Running, running

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
