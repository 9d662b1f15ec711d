"""Sockets as tests need them beside `Client`: other handshakes, ends that are waited for, and followers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from tests.running import PATIENCE, Client, Running


@asynccontextmanager
async def dial(
    running: Running,
    headers: Mapping[str, str] | None = None,
    origin: str | None = None,
    query: str = "",
    path: str = "/ws",
) -> AsyncIterator[Client]:
    """A socket that has said and heard nothing yet."""
    said = None if origin is None else Origin(origin)
    options: dict[str, Any] = {"proxy": None, "compression": None, "close_timeout": 1}
    async with connect(
        running.ws.removesuffix("/ws") + path + query, additional_headers=headers, origin=said, **options
    ) as socket:
        yield Client(socket)


async def refused(running: Running, **handshake: Any) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    """The status, the problem and the headers of a handshake that is answered before the upgrade."""
    try:
        async with dial(running, **handshake):
            raise AssertionError("the socket was let in")
    except InvalidStatus as refusal:
        answer = refusal.response
        return answer.status_code, json.loads(answer.body or b""), answer.headers


async def ended(client: Client) -> int | None:
    """Wait for the socket's end; its close code. What came before is in `client.heard`."""
    async with asyncio.timeout(PATIENCE):
        try:
            while True:
                client.heard.append(json.loads(await client.socket.recv()))
        except ConnectionClosed:
            return client.socket.close_code


async def gather_heard(client: Client) -> list[dict[str, Any]]:
    """All that the hub had sent to this socket when it had answered everything asked before, in order."""
    await client.ask(type="unwatch", sessions=[])
    heard, client.heard = client.heard, []
    return heard


def drop(client: Client) -> None:
    """Lose the connection without a word."""
    client.socket.transport.abort()


async def inside(client: Client, session_id: int) -> dict[str, Any]:
    """Join; the `ok`, once the session's state was heard too."""
    joined = await client.ask(type="join", session=session_id)
    assert joined["type"] == "ok", joined
    await client.expect("session", session=session_id)
    return joined


class Follower:
    """A client as the contract wants it: newest state wins, the roster is kept by `previous`, else asked again."""

    def __init__(self, session_id: int) -> None:
        self.session_id = session_id
        self.state: dict[str, Any] = {"revision": 0}
        self.people: dict[str, dict[str, Any]] = {}
        self.roster_revision = 0
        self.asks = 0

    def hear(self, message: Mapping[str, Any]) -> bool:
        """Apply one message; False when the roster must be asked for again."""
        if message.get("session") != self.session_id:
            return True
        kind, revision = message["type"], message.get("revision", 0)
        if kind == "session" and revision > self.state["revision"]:
            self.state = dict(message)
        elif kind == "roster":
            self.people = {someone["id"]: someone for someone in message["participants"]}
            self.roster_revision = revision
        elif kind == "presence" and revision > self.roster_revision:
            if message["previous"] != self.roster_revision:
                return False
            for someone in message["left"]:
                assert self.people.pop(someone["id"], None) is not None, message
            self.people |= {someone["id"]: someone for someone in message["joined"]}
            self.roster_revision = revision
        return True

    async def catch_up(self, client: Client) -> None:
        """Apply all that was sent to `client` so far, asking again after a hole."""
        for message in await gather_heard(client):
            if not self.hear(message):
                self.asks += 1
                await client.send({"type": "roster", "session": self.session_id})
                self.hear(await client.expect("roster", session=self.session_id))
