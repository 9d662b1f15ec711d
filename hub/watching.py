"""A session's live state as lines of text."""

from __future__ import annotations

from collections.abc import Callable

from hub.client import Connection, Refusal, SessionState, connect


class Unwatchable(Exception):
    """Why there is nothing to see."""


async def watch(session_id: int, url: str, count: int | None, show: Callable[[str], None]) -> None:
    """Show each new state until the session is over or `count` were shown; comes back after a restart."""
    try:
        hub = connect(url)
    except ValueError as error:
        raise Unwatchable(f"--url: {error}") from None
    shown = 0
    unreachable: str | None = None

    def changed(connection: Connection) -> None:
        nonlocal unreachable
        if connection.retry_in is not None and shown:
            show(f"connection lost, coming back in {connection.retry_in:.1f} s")
        elif connection.retry_in is not None:
            unreachable = connection.reason or f"closed ({connection.code})"
            states.close()

    async with hub:
        hub.on(Connection, changed)
        try:
            with hub.watch(session_id) as states:
                async for state in states:
                    shown += 1
                    show(line(state))
                    if state.over or shown == count:
                        return
        except Refusal as refusal:
            gone = refusal.code == "not_found"
            why = f"there is no session {session_id} at {url}" if gone else f"the hub refused: {refusal}"
            raise Unwatchable(why) from None
    raise Unwatchable(f"the hub can't be reached at {url}: {unreachable}")


def line(state: SessionState) -> str:
    """One state for people."""
    seats = "no limit" if state.max_participants is None else state.max_participants
    return (
        f"session {state.session}  {state.status:<9}  live {state.live} (peak {state.peak_live})  "
        f"seats {state.participants} of {seats}  revision {state.revision}"
    )
