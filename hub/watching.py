"""A session's live state as lines of text."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

PATIENCE_SECONDS = 30.0
OVER = ("ended", "cancelled")


class Unwatchable(Exception):
    """Why there is nothing to see."""


async def watch(session_id: int, url: str, count: int | None, show: Callable[[str], None]) -> None:
    """Show each new state until the session is over or `count` were shown; comes back after a restart."""
    seen = 0
    shown = 0
    wait = 0.0
    while True:
        try:
            async with connect(url, proxy=None, open_timeout=5) as socket:
                wait = 0.0
                await socket.send(msgspec.json.encode({"type": "watch", "id": 1, "sessions": [session_id]}), text=True)
                async for frame in socket:
                    message = msgspec.json.decode(frame)
                    _must_go_on(message, session_id, url)
                    if message["type"] == "drain":
                        wait = message["reconnectIn"]
                    if message["type"] == "session" and message["revision"] > seen:
                        seen = message["revision"]
                        shown += 1
                        show(line(message))
                        if message["status"] in OVER or shown == count:
                            return
        except InvalidURI as error:
            raise Unwatchable(f"--url takes an address like ws://127.0.0.1:8000/ws, not {url!r}") from error
        except (OSError, TimeoutError, ConnectionClosed, InvalidHandshake) as error:
            if not seen:
                raise Unwatchable(f"the hub can't be reached at {url}: {error}") from error
        wait = wait or min(PATIENCE_SECONDS, random.uniform(0.5, 3))
        show(f"connection lost, coming back in {wait:.1f} s")
        await asyncio.sleep(wait)


def _must_go_on(message: dict[str, Any], session_id: int, url: str) -> None:
    if message["type"] == "ok" and session_id in message.get("missing", ()):
        raise Unwatchable(f"there is no session {session_id} at {url}")
    if message["type"] == "error":
        raise Unwatchable(f"the hub refused: {message['message']}")


def line(message: dict[str, Any]) -> str:
    """One state for people."""
    seats = "no limit" if message["maxParticipants"] is None else message["maxParticipants"]
    return (
        f"session {message['session']}  {message['status']:<9}  live {message['live']} (peak {message['peakLive']})  "
        f"seats {message['participants']} of {seats}  revision {message['revision']}"
    )
