"""Peers who keep the hub busy: others have their turn, there is an end to it, and nothing of them stays."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from pathlib import Path

import pytest
from websockets.server import ServerProtocol

from hub.sockets import direct
from hub.sockets.connection import Connection
from hub.sockets.direct import Socket
from tests.rfc6455.frames import BINARY, CLOSE, CONTINUATION, PING, TEXT, fragments, frame, ping, pong
from tests.rfc6455.raw import Peer, entered
from tests.running import PATIENCE, Client, running
from tests.sockets import inside
from tests.ws.test_slow_readers import until

RATE = 5
KEPT = (Connection, Socket, ServerProtocol)


async def close_code(peer: Peer) -> int:
    """The code of the close that comes after whatever else."""
    while (came := await peer.frame()).opcode != CLOSE:
        pass
    return int.from_bytes(came.payload[:2])


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(frame(PING), id="pings"),
        pytest.param(frame(10), id="pongs"),
        pytest.param(frame(CONTINUATION, b"", fin=False), id="fragments of nothing"),
    ],
)
async def test_frames_that_are_no_messages_are_counted_too(tmp_path: Path, octets: bytes) -> None:
    async with running(tmp_path, message_rate_limit=RATE) as hub, entered(hub) as peer:
        first = fragments(ping("a"), b"")[0]
        await peer.send(first, octets * 9 * RATE)
        await peer.send(fragments(b"", b"")[1])
        while (came := await peer.frame()).opcode != TEXT:
            pass
        assert json.loads(came.payload) == pong("a")
        await peer.send(first, octets * 9 * RATE)
        assert await close_code(peer) == 4429


async def order_of_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """By whom each message came that the hub read, when one peer sends very many at once, and another one after it."""
    order: list[str] = []
    received = Connection.received

    def noted(self: Connection, text: str | bytes) -> None:
        order.append(json.loads(text)["id"])
        received(self, text)

    monkeypatch.setattr(Connection, "received", noted)
    async with running(folder) as hub, entered(hub) as loud, entered(hub) as quiet:
        # Into the kernel both, before the hub, which is in this loop, reads either.
        loud._tcp.send(frame(TEXT, ping("loud")) * 1_000)
        quiet._tcp.send(frame(TEXT, ping("quiet")))
        await until(lambda: len(order) == 1_001)
    return order


async def test_who_sends_very_much_at_once_does_not_keep_others_from_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await order_of_answers(tmp_path, monkeypatch)
    assert order.index("quiet") < 300


async def test_control_read_in_one_go_others_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "SLICE", 2**30)
    order = await order_of_answers(tmp_path, monkeypatch)
    assert order.index("quiet") == 1_000


async def test_who_goes_on_and_on_after_the_close_is_cut_off_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(direct, "CLOSE_SECONDS", 3_600.0)
    caplog.set_level(logging.INFO, "hub")
    cuts: list[str] = []
    cut = Socket._cut

    def counted(socket: Socket, why: str) -> None:
        cuts.append(why)
        cut(socket, why)

    monkeypatch.setattr(Socket, "_cut", counted)
    async with running(tmp_path) as hub, entered(hub) as peer:
        assert hub.hub is not None
        lobby = hub.hub.lobby
        await peer.send(frame(BINARY, b"a"))
        assert await close_code(peer) == 4400
        await peer.send(frame(PING) * 2 * direct.MOST_AFTER)
        await until(lambda: lobby.total.here(None) == 0)
    assert len(cuts) == 1
    assert len([record for record in caplog.records if record.name in ("hub.sockets", "hub.audit")]) <= 2


async def test_nothing_of_a_socket_waits_for_the_collector(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        assert hub.hub is not None
        lobby = hub.hub.lobby
        session = await hub.create()
        await hub.book(session["id"], "ann")
        gc.collect()
        gc.disable()
        try:
            before = {kind: kept(kind) for kind in KEPT}
            for _ in range(5):
                async with Client.at(hub, "ann") as ann, entered(hub):
                    await inside(ann, session["id"])
                async with asyncio.timeout(PATIENCE):
                    await until(lambda: lobby.total.here(None) == 0)
            assert {kind: kept(kind) for kind in KEPT} == before
        finally:
            gc.enable()


def kept(kind: type) -> int:
    """How many of them there are."""
    return sum(issubclass(type(one), kind) for one in gc.get_objects())
